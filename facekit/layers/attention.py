"""Attention of a map to itself."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from facekit.layers.adaptive import GroupNorm


class SelfAttention(nn.Module):
    """x + W attention(GroupNorm(x)) over the H W places of a map (Ho 2020, appendix B): (N, C, H, W) to the same.

    Queries, keys and values are 1 x 1 convolutions, split into `heads`; W is one too and starts at 0, so that the
    layer starts as the identity. Raises `ValueError` where the heads do not divide the channels.
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
        seen = F.scaled_dot_product_attention(query, key, value)
        seen = seen.transpose(1, 2).reshape(n, height, width, c).permute(0, 3, 1, 2)
        return x + self.out(seen)
