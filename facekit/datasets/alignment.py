"""Alignment of faces by a similarity transform that puts the eyes at fixed positions on a horizontal line.

Coordinates are (x, y) in pixels, x to the right and y down; (0, 0) is the corner of the first pixel and (0.5, 0.5) its
centre.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from facekit.faces.faces import from_uint8
from facekit.faces.landmarks import LEFT_EYE, RIGHT_EYE

# Medians of FER-2013 (600 faces of PublicTest, landmarks by a 68-point network), so that aligned faces are cropped like
# the training data of most classifiers.
EYE_HEIGHT = 0.37
"""Distance of the eyes from the top of an aligned image, as a share of its side."""

EYE_DISTANCE = 0.37
"""Interocular distance in an aligned image, as a share of its side."""


def eyes_of(landmarks: np.ndarray) -> np.ndarray:
    """The centres of the eyes (2, 2) from landmarks (68, 2), the eye at the left of the image first."""
    return np.stack([landmarks[LEFT_EYE].mean(0), landmarks[RIGHT_EYE].mean(0)])


def eyes_in(left: float, top: float, side: float) -> np.ndarray:
    """The eyes (2, 2) whose alignment crops this square, given by its upper left corner and its side."""
    apart, height = EYE_DISTANCE * side, top + EYE_HEIGHT * side
    middle = left + side / 2
    return np.array([[middle - apart / 2, height], [middle + apart / 2, height]])


def alignment(eyes: np.ndarray, size: int) -> np.ndarray:
    """The similarity transform (2, 3) from an image with eyes (2, 2) to an aligned image of size x size pixels.

    Raises `ValueError` if the eyes are not finite or coincide.
    """
    across = complex(*(eyes[1] - eyes[0]))
    if not np.isfinite(eyes).all() or abs(across) < 1e-6:
        raise ValueError(f"these are not the positions of two eyes: {eyes.tolist()}")
    # Multiplication by a complex number rotates and scales.
    turn = EYE_DISTANCE * size / across
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    middle = np.array([0.5, EYE_HEIGHT]) * size
    return np.column_stack([linear, middle - linear @ eyes.mean(0)])


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Apply a similarity transform (2, 3) to an image (H, W) or (H, W, 3) uint8; the result has size x size pixels.

    The image is sampled at its own resolution and then averaged, to avoid aliasing. Outside the image, its border is
    replicated.
    """
    finer = max(1, round(1 / np.linalg.norm(matrix[:, 0])))
    fine = matrix * finer
    # The origin of OpenCV is the centre of the first pixel.
    fine[:, 2] += fine[:, :2] @ (0.5, 0.5) - 0.5
    side = size * finer
    warped = cv2.warpAffine(image, fine, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped if finer == 1 else cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA)


def to_relative(points: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Transform points (..., 2) into an image of size x size pixels; the results range from -1 to 1 across it."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved * (2 / size) - 1


def undone(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Transform points (..., 2) back by the inverse of an affine map (2, 3)."""
    return np.linalg.solve(matrix[:, :2], (points - matrix[:, 2]).T).T


def aligned(picture: np.ndarray, matrix: np.ndarray, size: int) -> Tensor:
    """The face (3, size, size) in [-1, 1] that an alignment (2, 3) cuts out of a picture (H, W, 3) uint8."""
    return from_uint8(torch.from_numpy(warp(picture, matrix, size)).permute(2, 0, 1))
