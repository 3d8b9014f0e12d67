"""Losses that compare two images by a network's feature maps instead of by pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def perceptual_distance(features: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
    """Perceptual distance of each pair of images, (N,), at least 0 (LPIPS: Zhang 2018, eq. 1, all channel weights 1).

    At each position of each map, the features are scaled to length 1. The squared distance is averaged over positions
    and summed over maps.

    features, reference  the same feature maps of both images, each (N, C_i, H_i, W_i)
    """
    return sum(_normalised_distance(a, b) for a, b in zip(features, reference, strict=True))


def _normalised_distance(a: Tensor, b: Tensor) -> Tensor:
    a, b = F.normalize(a.float(), dim=1), F.normalize(b.float(), dim=1)
    return (a - b).square().sum(1).mean((-2, -1))


def feature_distance(features: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of feature maps, summed over the maps: one number (P2, eq. 5).

    As printed, eq. 5 first sums the maps of each image and then takes the difference. The maps differ in shape, so
    the difference must be taken map by map.

    features, reference  the same feature maps of both images, each (N, C_i, H_i, W_i)
    """
    return sum(F.l1_loss(a.float(), b.float()) for a, b in zip(features, reference, strict=True))


def feature_matching(features: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
    """`feature_distance` with every map's difference divided by the mean absolute value of its reference: one number.

    It does not depend on the scale of a discriminator's features, which grows in training (feature matching: Wang 2018,
    eq. 4).

    features, reference  the same feature maps of both images, each (N, C_i, H_i, W_i)
    """
    relative = lambda a, b: F.l1_loss(a.float(), b.float()) / b.float().abs().mean()  # noqa: E731
    return sum(relative(a, b) for a, b in zip(features, reference, strict=True))
