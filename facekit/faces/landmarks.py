"""The 68 facial landmarks in the iBUG order: names of their groups, mirroring, views, and the frame of the eyes.

Source  Sagonas et al., *300 faces in-the-wild challenge: database and results*, Image and Vision Computing 47, 2016.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)
"""The eyes at the left and at the right of the image."""

PARTS = {
    "outline": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
"""The landmarks of each part of the face."""

OUTER_CORNERS = (36, 45)
"""The outer corners of the eyes; 300-W normalises errors by their distance."""

# The landmark that each becomes in the horizontally flipped image.
_MIRRORED = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
)  # fmt: skip


def mirror_landmarks(landmarks: Tensor) -> Tensor:
    """Landmarks (..., 68, 2) in [-1, 1] of the horizontally flipped image."""
    flipped = landmarks[..., _MIRRORED, :]
    return torch.stack([-flipped[..., 0], flipped[..., 1]], dim=-1)


def eye_centres(landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """Centres (..., 2) of the eyes at the left and at the right of the image, from landmarks (..., 68, 2)."""
    return landmarks[..., LEFT_EYE, :].mean(-2), landmarks[..., RIGHT_EYE, :].mean(-2)


VIEWS = ("frontal", "mouth open", "turned")
"""How a face is seen: upright and frontal with a closed mouth, the same with an open one, and turned or tilted."""

_TILT, _TURN, _GAP = 0.26, 0.16, 0.12  # radians (15 degrees); shares of the interocular distance


def views(landmarks: Tensor) -> Tensor:
    """Indices (N,) into `VIEWS` of faces with landmarks (N, 68, 2).

    A face is turned if its eyes are tilted by more than 15 degrees, or if the tip of the nose is more than 0.16
    interocular distances beside the middle between the eyes, as in drawn faces that turn by 20 degrees. A mouth is open
    if the lips are more than 0.12 of these distances apart.
    """
    left, right = eye_centres(landmarks)
    across = right - left
    distance = across.norm(dim=-1)
    tilt = torch.atan2(across[:, 1], across[:, 0]).abs()
    nose = ((landmarks[:, 30] - (left + right) / 2) * across).sum(-1).abs() / distance.square()
    gap = (landmarks[:, 66] - landmarks[:, 62]).norm(dim=-1) / distance
    return torch.where((tilt > _TILT) | (nose > _TURN), 2, (gap > _GAP).long())


def normalised_offsets(detected: Tensor, true: Tensor) -> Tensor:
    """Offsets of detected from true landmarks, each (N, 68, 2), in true interocular distances (between the centres of
    the eyes)."""
    left, right = eye_centres(true)
    between = (left - right).norm(dim=-1)
    return (detected - true) / between[:, None, None]


class EyeFrame(NamedTuple):
    """The coordinate systems of N faces, given by their eyes: origin between them, the right one at (1/2, 0).

    middle  (N, 1, 2) the origin
    across  (N, 1, 2) from the left to the right eye of the image: the unit of length and the direction of x
    """

    middle: Tensor
    across: Tensor

    @classmethod
    def of(cls, landmarks: Tensor) -> EyeFrame:
        """The frames of landmarks (N, 68, 2)."""
        left, right = eye_centres(landmarks)
        return cls(((left + right) / 2)[:, None], (right - left)[:, None])

    def to_frame(self, points: Tensor) -> Tensor:
        """Points (N, K, 2) of the image in this coordinate system."""
        points = points - self.middle
        axes = torch.stack([self.across, _turned(self.across)], -1)  # (N, 1, 2, 2)
        return (points[..., None] * axes).sum(-2) / self.across.square().sum(-1, keepdim=True)

    def to_image(self, points: Tensor) -> Tensor:
        """The inverse of `to_frame`."""
        return points[..., :1] * self.across + points[..., 1:] * _turned(self.across) + self.middle


def _turned(vectors: Tensor) -> Tensor:
    """Vectors (..., 2) turned by 90 degrees, from right to down."""
    return torch.stack([-vectors[..., 1], vectors[..., 0]], -1)
