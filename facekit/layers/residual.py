"""Residual networks for small images: without the large first convolution and the pooling of the original."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """The basic block of ResNet (He 2016, figure 2): y = relu(x + F(x)), with F two 3 x 3 convolutions.

    A stride of 2 halves height and width. Where the block changes size or width, the shortcut is a 1 x 1 convolution.
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
    """Pixel unshuffle, a 3 x 3 convolution, batch norm and a ReLU.

    (N, channels_in, H, W) to (N, channels_out, H / factor, W / factor). Pixel unshuffle, the inverse of Shi 2016's
    pixel shuffle, turns each factor x factor patch into one pixel with factor² times the channels. It loses nothing and
    makes all later layers factor² times cheaper. A factor of 1 is a plain convolution at full size.
    """

    def __init__(self, channels_in: int, channels_out: int, factor: int = 1) -> None:
        super().__init__()
        self.unshuffle = nn.PixelUnshuffle(factor)
        self.conv = nn.Conv2d(channels_in * factor**2, channels_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(self.unshuffle(x))), inplace=True)


class ResidualTrunk(nn.Module):
    """A stem, stages of residual blocks, and average pooling: (N, C, H, W) to features (N, width).

    channels  C of the images
    widths    channels of each stage; every stage after the first halves height and width
    blocks    number of blocks of each stage; (2, 2, 2, 2) is ResNet-18
    factor    of the pixel-unshuffle stem
    parts     average pooling keeps parts x parts regions and concatenates them; 1, global pooling, discards all
              information on positions

    The attribute `width` is widths[-1] parts². Raises `ValueError` for widths and blocks of different length.
    """

    def __init__(
        self, channels: int, widths: Sequence[int], blocks: Sequence[int], factor: int = 1, parts: int = 1
    ) -> None:
        super().__init__()
        if len(blocks) != len(widths):
            raise ValueError(f"there are widths of {len(widths)} stages, but numbers of blocks for {len(blocks)}")
        self.width, self.parts = widths[-1] * parts**2, parts
        self.stem = PixelUnshuffleStem(channels, widths[0], factor)
        self.stages = nn.ModuleList()
        for stage, (width_in, width, count) in enumerate(zip((widths[0], *widths), widths, blocks, strict=False)):
            first = ResidualBlock(width_in, width, stride=2 if stage else 1)
            self.stages.append(nn.Sequential(first, *(ResidualBlock(width, width) for _ in range(count - 1))))

    def maps(self, x: Tensor) -> list[Tensor]:
        """Feature maps of each stage, (N, widths[i], H / (factor 2^i), W / (factor 2^i))."""
        maps = [self.stem(x)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(self.maps(x)[-1], self.parts).flatten(1)
