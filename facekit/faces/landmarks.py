"""The 68 landmarks of a face in the iBUG order (Sagonas 2016): which is which, and which becomes which in a mirror."""

from __future__ import annotations

import torch
from torch import Tensor

LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)
"""As the picture has them."""

PARTS = {
    "outline": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
"""The points by part of the face."""

OUTER_CORNERS = (36, 45)
"""Of the eyes: 300-W measures errors by their distance."""

# The point that each becomes in a mirror.
_MIRRORED = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
)  # fmt: skip


def mirror_landmarks(landmarks: Tensor) -> Tensor:
    """Landmarks (..., 68, 2) in [-1, 1] of the picture flipped left to right."""
    flipped = landmarks[..., _MIRRORED, :]
    return torch.stack([-flipped[..., 0], flipped[..., 1]], dim=-1)


def eye_middles(landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """Of landmarks (..., 68, 2) the middles (..., 2) of the eye at the picture's left and of that at its right."""
    return landmarks[..., LEFT_EYE, :].mean(-2), landmarks[..., RIGHT_EYE, :].mean(-2)
