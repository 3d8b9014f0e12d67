"""Where a face lies in its picture: the eyes level and always at the same place.

Coordinates here are (x, y) in pixels, x to the right and y down, with (0, 0) the corner of the first pixel and
(0.5, 0.5) its middle.
"""

from __future__ import annotations

import cv2
import numpy as np

from facekit.faces.landmarks import LEFT_EYE, RIGHT_EYE

# The medians in FER-2013 (600 faces of PublicTest, by a 68-point network), so that faces prepared here are framed
# as those that most classifiers were trained on.
EYE_HEIGHT = 0.37
"""Height of the eyes in an aligned picture, from its top, as a share of its side."""

EYE_DISTANCE = 0.37
"""Distance between the middles of the eyes in an aligned picture, as a share of its side."""


def eyes_of(landmarks: np.ndarray) -> np.ndarray:
    """The middles of the eyes, (2, 2), the one on the left of the picture first, of landmarks (68, 2)."""
    return np.stack([landmarks[LEFT_EYE].mean(0), landmarks[RIGHT_EYE].mean(0)])


def alignment(eyes: np.ndarray, size: int) -> np.ndarray:
    """The similarity (2, 3) that takes a picture's eyes (2, 2) to their place in a picture of size x size.

    Raises `ValueError` where the eyes are not two places.
    """
    across = complex(*(eyes[1] - eyes[0]))
    if not np.isfinite(eyes).all() or abs(across) < 1e-6:
        raise ValueError(f"these are not the places of two eyes: {eyes.tolist()}")
    # A similarity is a complex number: it turns and scales at once.
    turn = EYE_DISTANCE * size / across
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    middle = np.array([0.5, EYE_HEIGHT]) * size
    return np.column_stack([linear, middle - linear @ eyes.mean(0)])


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """A picture (H, W) or (H, W, 3) uint8, seen through a similarity (2, 3), as size x size pixels.

    Sampled as finely as the picture itself and then averaged, so that nothing aliases. What lies outside of the
    picture is its border, continued.
    """
    finer = max(1, round(1 / np.linalg.norm(matrix[:, 0])))
    fine = matrix * finer
    # OpenCV counts from the middle of the first pixel.
    fine[:, 2] += fine[:, :2] @ (0.5, 0.5) - 0.5
    side = size * finer
    drawn = cv2.warpAffine(image, fine, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return drawn if finer == 1 else cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA)


def to_relative(points: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Points (..., 2) of a picture where a similarity takes them in one of size x size, from -1 to 1 across it."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved * (2 / size) - 1
