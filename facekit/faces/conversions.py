"""Conversions between emotion weights, intensities and action units."""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.faces.emotions import NEUTRAL
from facekit.faces.prototypes import prototype_matrix


def intensity_to_neutral(emotion: Tensor, intensity: Tensor) -> Tensor:
    """Replace an intensity by a weight of the neutral emotion: happy at 0.5 becomes 0.5 happy + 0.5 neutral.

    emotion    (..., E) weights that sum to 1
    intensity  (...) in [0, 1]

    Returns weights (..., E) that sum to 1.
    """
    weights = intensity[..., None] * emotion
    weights[..., NEUTRAL] += 1 - intensity
    return weights


def neutral_to_intensity(emotion: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse of `intensity_to_neutral`: weights (..., E) without a neutral share, and intensities (...).

    A neutral face is returned as neutral at intensity 1.
    """
    weights = emotion.clone()
    intensity = 1 - weights[..., NEUTRAL]
    is_neutral = intensity < 1e-6
    weights[..., NEUTRAL] = is_neutral.float()
    weights = torch.where(is_neutral[..., None], weights, weights / intensity.clamp(min=1e-6)[..., None])
    return weights / weights.sum(-1, keepdim=True), torch.where(is_neutral, 1.0, intensity)


def emotion_to_action_units(emotion: Tensor) -> Tensor:
    """Action units (..., A) in [0, 1] of emotion weights (..., E): the weighted sum of the EMFACS prototypes."""
    return (emotion @ prototype_matrix().to(emotion)).clamp(0, 1)
