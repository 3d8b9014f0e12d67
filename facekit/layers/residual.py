"""Residual networks for pictures as small as these: no large first filter, no pooling before the blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """The basic block of ResNet (He 2016, figure 2): y = relu(x + F(x)), F two 3 x 3 convolutions.

    `stride` 2 halves height and width; a change of size or width takes the shortcut through a 1 x 1 convolution.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.norm1(self.conv1(x)), inplace=True)
        h = self.norm2(self.conv2(h))
        h += self.shortcut(x)
        return F.relu(h, inplace=True)


class PixelUnshuffleStem(nn.Module):
    """Each factor x factor patch becomes one pixel with factor² times the channels, then a 3 x 3 convolution.

    Nothing is lost, and all that follows costs factor² times less (Shi 2016, run backwards). Factor 1 is a plain
    convolution at full size.

    (N, channels_in, H, W) to (N, channels_out, H / factor, W / factor), rectified.
    """

    def __init__(self, channels_in: int, channels_out: int, factor: int = 1) -> None:
        super().__init__()
        self.unshuffle = nn.PixelUnshuffle(factor)
        self.conv = nn.Conv2d(channels_in * factor**2, channels_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(self.unshuffle(x))), inplace=True)


class ResidualTrunk(nn.Module):
    """A stem and stages of residual blocks, averaged over the picture: (N, C, H, W) to (N, width).

    widths   channels of each stage; every stage after the first halves height and width
    blocks   blocks of each stage; (2, 2, 2, 2) is ResNet-18
    factor   of the pixel-unshuffle stem
    parts    the picture is averaged in parts x parts pieces, whose averages stand one after the other: with 1, all
             that is known of places is lost
    """

    def __init__(
        self, channels: int, widths: Sequence[int], blocks: Sequence[int], factor: int = 1, parts: int = 1
    ) -> None:
        super().__init__()
        self.width, self.parts = widths[-1] * parts**2, parts
        self.stem = PixelUnshuffleStem(channels, widths[0], factor)
        self.stages = nn.ModuleList()
        for stage, (before, width, count) in enumerate(zip((widths[0], *widths), widths, blocks, strict=False)):
            first = ResidualBlock(before, width, stride=2 if stage else 1)
            self.stages.append(nn.Sequential(first, *(ResidualBlock(width, width) for _ in range(count - 1))))

    def maps(self, x: Tensor) -> list[Tensor]:
        """What each stage makes of the pictures: (N, widths[i], H / (factor 2^i), W / (factor 2^i))."""
        maps = [self.stem(x)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(self.maps(x)[-1], self.parts).flatten(1)
