"""Convolution, norm and activation: the unit of image-to-image networks."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from facekit.layers.adaptive import AdaptiveGroupNorm, GroupNorm


class Stage(nn.Module):
    """A convolution, a norm and a (leaky) ReLU.

    adaptive  length of the label from which an adaptive norm takes its scale and shift; 0 for a plain norm
    groups    of the norm; None gives instance norm, one channel per group (Ulyanov 2016)
    slope     negative slope of the ReLU; 1 for no activation
    """

    def __init__(
        self, conv: nn.Conv2d | nn.ConvTranspose2d, adaptive: int, groups: int | None, slope: float = 1.0
    ) -> None:
        super().__init__()
        self.conv, self.slope = conv, slope
        channels = conv.out_channels
        groups = channels if groups is None else groups
        self.norm = AdaptiveGroupNorm(channels, adaptive, groups) if adaptive else GroupNorm(channels, groups)

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        h = self.conv(x)
        h = self.norm(h, label) if isinstance(self.norm, AdaptiveGroupNorm) else self.norm(h)
        return h if self.slope == 1 else F.leaky_relu(h, self.slope)


def conv3(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    """A 3 x 3 convolution without bias, which the norm after it would remove."""
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
