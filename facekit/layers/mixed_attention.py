"""P3's multi-scale mixed attention residual block (MMAR, §III.A)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.layers.attention import ChannelAttention, SpatialAttention
from facekit.layers.stages import Stage, conv3


class MixedAttention(nn.Module):
    """Channel attention, then spatial attention, each multiplied with the maps: (N, C, H, W) to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel, self.spatial = ChannelAttention(channels), SpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.channel(x)
        return x * self.spatial(x)


class MixedAttentionBlock(nn.Module):
    """x + F(x), with F an encoder-decoder whose skip connections add maps of the same size (P3's MMAR module).

    P3's figure leaves the details open. Choices made here: 3 x 3 convolutions of `width` channels at every scale;
    attention after each stage of the encoder, so that the skip connections carry attended maps; nearest-neighbour
    upsampling.

    adaptive, groups, slope  as in `Stage`
    scales                   number of scales, each half the size of the one before; 1 gives a block without
                             downsampling

    Raises `ValueError` for fewer than one scale.
    """

    def __init__(self, width: int, adaptive: int, groups: int | None, slope: float, scales: int = 3) -> None:
        super().__init__()
        if scales < 1:
            raise ValueError(f"a block needs at least one scale, not {scales}")
        self.factor = 2 ** (scales - 1)
        strides = [1] + [2] * (scales - 1)
        self.encoder = nn.ModuleList(Stage(conv3(width, width, s), adaptive, groups, slope) for s in strides)
        self.attention = nn.ModuleList(MixedAttention(width) for _ in strides)
        self.decoder = nn.ModuleList(Stage(conv3(width, width), adaptive, groups, slope) for _ in strides[1:])
        self.last = Stage(conv3(width, width), adaptive, groups)

    def forward(self, x: Tensor, label: Tensor | None, dropout: object = None) -> Tensor:
        """Maps (N, width, H, W) to the same shape; H and W are multiples of `2 ** (scales - 1)`.

        label    (N, adaptive), or None without adaptive norms
        dropout  ignored: the argument of blocks with dropout
        """
        if any(side % self.factor for side in x.shape[2:]):
            raise ValueError(
                f"maps of {x.shape[2]} x {x.shape[3]} cannot be halved down to 1 / {self.factor}: use fewer scales"
            )
        h, levels = x, []
        for stage, attend in zip(self.encoder, self.attention, strict=True):
            h = attend(stage(h, label))
            levels.append(h)
        for stage, level in zip(self.decoder, reversed(levels[:-1]), strict=True):
            h = stage(F.interpolate(h, scale_factor=2.0), label) + level
        return x + self.last(h, label)


@torch.no_grad()
def attention_maps(network: nn.Module, *inputs) -> dict[int, Tensor]:
    """Spatial attention of a network's `MixedAttentionBlock`s for given inputs, averaged over the blocks.

    Returns weights in [0, 1], (N, 1, H, W), by scale: 0 is the finest, and each further scale halves the size. A
    network without such blocks gives an empty dictionary.
    """
    recorded: dict[int, list[Tensor]] = {}

    def record(scale: int):
        return lambda module, args, weights: recorded.setdefault(scale, []).append(weights)

    blocks = [module for module in network.modules() if isinstance(module, MixedAttentionBlock)]
    hooks = [
        attention.spatial.register_forward_hook(record(scale))
        for block in blocks
        for scale, attention in enumerate(block.attention)
    ]
    try:
        network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {scale: torch.stack(maps).mean(0) for scale, maps in sorted(recorded.items())}
