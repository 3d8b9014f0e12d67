"""Self-attention, channel attention and spatial attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.layers.adaptive import GroupNorm


class SelfAttention(nn.Module):
    """x + W attention(GroupNorm(x)) over the positions of a map (Ho 2020, appendix B): (N, C, H, W) to the same shape.

    Queries, keys and values are 1 x 1 convolutions, split into `heads`. W is another, initialised to 0, so that the
    layer starts as the identity. Raises `ValueError` if the number of heads does not divide that of the channels.
    """

    def __init__(self, channels: int, heads: int = 2, groups: int = 8) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be split into {heads} heads of the same size")
        self.heads = heads
        self.norm = GroupNorm(channels, groups)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        n, c, height, width = x.shape
        rows = self.qkv(self.norm(x)).permute(0, 2, 3, 1)  # (N, H, W, 3C)
        split = rows.reshape(n, height * width, 3, self.heads, c // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (N, heads, HW, C / heads)
        attended = F.scaled_dot_product_attention(query, key, value)
        attended = attended.transpose(1, 2).reshape(n, height, width, c).permute(0, 3, 1, 2)
        return x + self.out(attended)


class ChannelAttention(nn.Module):
    """A weight in [0, 1] for each channel of maps (N, C, H, W): (N, C, 1, 1) (CBAM, Woo 2018, eq. 2).

    One small network is applied to the mean and to the maximum of each channel; the sigmoid of the sum is the weight.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        narrow = max(4, channels // reduction)
        self.network = nn.Sequential(nn.Conv2d(channels, narrow, 1), nn.ReLU(), nn.Conv2d(narrow, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.network(x.mean((2, 3), keepdim=True)) + self.network(x.amax((2, 3), keepdim=True))).sigmoid()


class SpatialAttention(nn.Module):
    """A weight in [0, 1] for each position of maps (N, C, H, W): (N, 1, H, W) (CBAM, Woo 2018, eq. 3).

    One convolution is applied to the mean and the maximum over channels.
    """

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)).sigmoid()
