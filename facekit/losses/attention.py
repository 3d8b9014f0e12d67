"""Losses on masks that say where a generator changes a face."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def total_variation(masks: Tensor) -> Tensor:
    """Squared differences of neighbouring pixels of masks (N, 1, H, W), summed over pixels and averaged over masks
    (Pumarola 2018, eq. 3, first term)."""
    rows, columns = masks.float().diff(dim=-2), masks.float().diff(dim=-1)
    return (rows.square().flatten(1).sum(1) + columns.square().flatten(1).sum(1)).mean()


def mask_outside(masks: Tensor, least: float, most: float) -> Tensor:
    """How far the mean of each mask (N, 1, H, W) lies outside [least, most], averaged over masks.

    It keeps masks from vanishing and from covering the whole face, and does not prefer any value between.
    """
    means = masks.float().flatten(1).mean(1)
    return (F.relu(least - means) + F.relu(means - most)).mean()
