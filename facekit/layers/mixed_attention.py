"""P3's block: what stands at a place, and how much it matters, seen at several scales (§III.A)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.layers.attention import ChannelAttention, SpatialAttention
from facekit.layers.stages import Stage, conv3


class MixedAttention(nn.Module):
    """Maps (N, C, H, W) with each channel, and then each place, made to count more or less."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel, self.spatial = ChannelAttention(channels), SpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.channel(x)
        return x * self.spatial(x)


class MixedAttentionBlock(nn.Module):
    """x + F(x), F an encoder and decoder with residual links between maps of one size: the multi-scale mixed attention
    residual module of P3.

    Its figure says no more than that. Taken here: 3 x 3 convolutions of `width` channels at every scale; attention
    after each of the encoder, as what the links bring to the decoder is then what matters; nearest neighbours on the
    way up.

    adaptive, groups, slope  of `Stage`
    scales                   each half as large as the one before: 1 is a block without an encoder
    """

    def __init__(self, width: int, adaptive: int, groups: int | None, slope: float, scales: int = 3) -> None:
        super().__init__()
        if scales < 1:
            raise ValueError(f"a block has one scale at least, not {scales}")
        self.factor = 2 ** (scales - 1)
        strides = [1] + [2] * (scales - 1)
        self.encoder = nn.ModuleList(Stage(conv3(width, width, s), adaptive, groups, slope) for s in strides)
        self.attention = nn.ModuleList(MixedAttention(width) for _ in strides)
        self.decoder = nn.ModuleList(Stage(conv3(width, width), adaptive, groups, slope) for _ in strides[1:])
        self.last = Stage(conv3(width, width), adaptive, groups)

    def forward(self, x: Tensor, label: Tensor | None, drop: object = None) -> Tensor:
        """Maps (N, width, H, W), of a height and width that `2 ** (scales - 1)` divides, to the same; `drop` is for
        blocks with dropout, and not used here."""
        if any(side % self.factor for side in x.shape[2:]):
            raise ValueError(
                f"maps of {x.shape[2]} x {x.shape[3]} cannot be halved down to 1 / {self.factor}: give fewer scales"
            )
        h, levels = x, []
        for stage, attend in zip(self.encoder, self.attention, strict=True):
            h = attend(stage(h, label))
            levels.append(h)
        for stage, level in zip(self.decoder, reversed(levels[:-1]), strict=True):
            h = stage(F.interpolate(h, scale_factor=2.0), label) + level
        return x + self.last(h, label)


@torch.no_grad()
def attention_maps(network: nn.Module, *given) -> dict[int, Tensor]:
    """Where a network attends while it is called: for each scale of its blocks, from the finest, the weights of places
    in [0, 1], the mean over the blocks: (N, 1, H, W) by the number of halvings."""
    found: dict[int, list[Tensor]] = {}

    def watch(scale: int):
        return lambda module, inputs, weights: found.setdefault(scale, []).append(weights)

    blocks = [module for module in network.modules() if isinstance(module, MixedAttentionBlock)]
    hooks = [
        attention.spatial.register_forward_hook(watch(scale))
        for block in blocks
        for scale, attention in enumerate(block.attention)
    ]
    try:
        network(*given)
    finally:
        for hook in hooks:
            hook.remove()
    return {scale: torch.stack(maps).mean(0) for scale, maps in sorted(found.items())}
