"""Losses on what a network makes of two pictures, in place of their pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def perceptual_distance(maps: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """How far apart two pictures lie in a network's feature maps, by picture: (N,), at least 0.

    Zhang 2018, eq. 1, with all channel weights 1: at each place of each map the features are scaled to length 1,
    the squared distance is averaged over places, and the maps are summed.

    maps, others  the same maps of both pictures, each (N, C_i, H_i, W_i)
    """
    return sum(_unit_distance(a, b) for a, b in zip(maps, others, strict=True))


def _unit_distance(a: Tensor, b: Tensor) -> Tensor:
    a, b = F.normalize(a.float(), dim=1), F.normalize(b.float(), dim=1)
    return (a - b).square().sum(1).mean((-2, -1))


def feature_distance(maps: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of two pictures' feature maps, added up over the maps: one number.

    P2's eq. 5 as it must be meant. As printed it adds up the maps of each picture first, which have different shapes,
    and takes the difference of the sums.

    maps, others  the same maps of both pictures, each (N, C_i, H_i, W_i)
    """
    return sum(F.l1_loss(a.float(), b.float()) for a, b in zip(maps, others, strict=True))
