"""The U-Net of diffusion models (Ho 2020; Dhariwal & Nichol 2021), and an encoder built from the same blocks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.layers.adaptive import AdaptiveGroupNorm, GroupNorm
from facekit.layers.attention import SelfAttention
from facekit.layers.initialise import initialise

NORMS = ("adaptive", "added")
"""How a condition enters the blocks; see `ConditionedBlock`."""


class ConditionedBlock(nn.Module):
    """x + F(x, condition), with F two sequences of group norm, SiLU and a 3 x 3 convolution.

    (N, channels_in, H, W) to (N, channels_out, H, W). Where the number of channels changes, the shortcut is a 1 x 1
    convolution. `initialise_blocks` sets the last convolution to 0.

    condition  length of the condition; 0 for an unconditional block
    norm       "adaptive": the condition gives the scale and shift of the second norm (Dhariwal & Nichol 2021);
               "added": it is added to the features before the second norm (Ho 2020; P0 and P1)
    heads      of the self-attention after the block; 0 for none
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        condition: int = 0,
        norm: str = "adaptive",
        heads: int = 0,
        groups: int = 8,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = GroupNorm(channels_in, groups)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.adaptive = bool(condition) and norm == "adaptive"
        self.norm2 = (
            AdaptiveGroupNorm(channels_out, condition, groups) if self.adaptive else GroupNorm(channels_out, groups)
        )
        self.added = nn.Linear(condition, channels_out) if condition and norm == "added" else None
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        same = channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)
        self.attention = SelfAttention(channels_out, heads, groups) if heads else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        if self.added is not None:
            h = h + self.added(condition)[:, :, None, None]
        h = self.norm2(h, condition) if self.adaptive else self.norm2(h)
        h = self.conv2(self.dropout(F.silu(h)))
        return self.attention(self.shortcut(x) + h)


class UNet(nn.Module):
    """Images (N, channels_in, H, W) and conditions (N, condition) to images (N, channels_out, H, W).

    Spatial conditions (the face to edit, a mask) are further input channels, which the caller concatenates with the
    noisy image. Global conditions (timestep, emotion, code) are summed embeddings. The output is initially 0.

    A global skip connection adds each input image, multiplied by a learned function of the condition, to the output.
    Most of the predicted noise is a multiple of the input, so that narrow networks need not carry it through all
    levels. It requires that `channels_in` is a multiple of `channels_out`.

    widths     channels of each level; each further level halves height and width
    blocks     blocks per level, in the encoder and in the decoder. Each decoder block adds the map of its counterpart
               in the encoder; the papers' concatenation was no better and an eighth slower
    condition  length of the condition
    attention  whether the blocks of each level have self-attention; the first middle block always has
    factor     pixel unshuffle (Shi 2016) turns each factor x factor patch into one pixel, for factor² times less work
    heads      of each self-attention
    groups     of each group norm
    dropout    share of the features dropped in each block
    norm       how the condition enters the blocks: see `ConditionedBlock`

    Raises `ValueError` for settings that do not fit together, and when called with images whose height or width cannot
    be halved once per level.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        widths: Sequence[int] = (64, 128, 192),
        blocks: int = 2,
        condition: int = 256,
        attention: Sequence[bool] = (False, False, True),
        factor: int = 2,
        heads: int = 2,
        groups: int = 8,
        dropout: float = 0.0,
        norm: str = "adaptive",
    ) -> None:
        super().__init__()
        _check_settings(channels_in, channels_out, widths, attention, norm)
        settings = {"condition": condition, "norm": norm, "groups": groups, "dropout": dropout}
        level = partial(_level, blocks=blocks, heads=heads, **settings)
        self.multiple = factor * 2 ** (len(widths) - 1)
        self.unshuffle = nn.PixelUnshuffle(factor)
        self.stem = nn.Conv2d(channels_in * factor**2, widths[0], 3, padding=1)
        widths_in = (widths[0], *widths)
        self.down = nn.ModuleList(level(*shape) for shape in zip(widths_in, widths, attention, strict=False))
        middle = partial(ConditionedBlock, widths[-1], widths[-1], **settings)
        self.middle = nn.ModuleList([middle(heads=heads), middle(heads=0)])
        self.up = nn.ModuleList(level(*shape) for shape in zip(widths, widths, attention, strict=True))
        # 1 x 1 convolutions that narrow the maps on the way up. They commute with nearest-neighbour upsampling, and
        # before it they work on a quarter of the pixels.
        self.narrow = nn.ModuleList(nn.Conv2d(deeper, width, 1) for width, deeper in itertools.pairwise(widths))
        self.norm = GroupNorm(widths[0], groups)
        self.head = nn.Conv2d(widths[0], channels_out * factor**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(factor)
        self.through = nn.Linear(condition, channels_in // channels_out)
        initialise_blocks(self)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.through.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        check_size(x, self.multiple)
        condition = F.silu(condition)
        h = self.stem(self.unshuffle(x))  # (N, widths[0], H / factor, W / factor)
        skips = []
        for i, level in enumerate(self.down):
            h = F.avg_pool2d(h, 2) if i else h
            for block in level:
                h = block(h, condition)
                skips.append(h)
        for block in self.middle:
            h = block(h, condition)
        for i in reversed(range(len(self.up))):
            for block in self.up[i]:
                h = block(h + skips.pop(), condition)
            h = F.interpolate(self.narrow[i - 1](h), scale_factor=2.0) if i else h
        return self.shuffle(self.head(F.silu(self.norm(h)))) + self._global_skip(x, condition)

    def _global_skip(self, x: Tensor, condition: Tensor) -> Tensor:
        """The sum of the input images, each multiplied by a learned function of the condition."""
        gains = self.through(condition)  # (N, channels_in / channels_out)
        images = x.unflatten(1, (gains.shape[1], -1))  # (N, channels_in / channels_out, channels_out, H, W)
        return (gains.to(x.dtype)[..., None, None, None] * images).sum(1)


@torch.no_grad()
def copy_from_coarser(finer: UNet, coarser: UNet) -> None:
    """Initialise a U-Net for large images from one for small images, in place, so that it computes the same function.

    Both work on the same maps: the finer network's `factor` is a multiple k of the coarser one's, and all other
    settings are equal. The finer network computes what the coarser one gives for its images reduced k times (by the
    mean of k x k pixels), enlarged k times. Its global skip keeps the detail of the large images.

    Raises `ValueError` for networks that do not correspond.
    """
    large, small = finer.unshuffle.downscale_factor, coarser.unshuffle.downscale_factor
    state, own = coarser.state_dict(), finer.state_dict()
    differ = {name for name in state.keys() | own.keys() if _shape(state, name) != _shape(own, name)}
    if large % small or not differ <= _STEM_AND_HEAD:
        raise ValueError("the networks differ in more than the pixel-unshuffle factor, which must be a multiple")
    times = large // small

    def enlarged(value: Tensor) -> Tensor:
        """Rows of a weight that belong to the small network's patch of pixels, repeated for the large one's."""
        patches = value.unflatten(0, (-1, small, small))
        return patches.repeat_interleave(times, 1).repeat_interleave(times, 2).flatten(0, 2)

    state["stem.weight"] = enlarged(state["stem.weight"].transpose(0, 1)).transpose(0, 1) / times**2
    state["head.weight"], state["head.bias"] = enlarged(state["head.weight"]), enlarged(state["head.bias"])
    if any(_shape(state, name) != _shape(own, name) for name in _STEM_AND_HEAD):
        raise ValueError("the networks have different numbers of image channels")
    finer.load_state_dict(state)


_STEM_AND_HEAD = {"stem.weight", "head.weight", "head.bias"}


def _shape(state: Mapping[str, Tensor], name: str) -> torch.Size | None:
    return state[name].shape if name in state else None


class ConvEncoder(nn.Module):
    """Images (N, channels_in, H, W) to codes (N, out_dim): the semantic encoder of DiffAE (Preechakul 2022, §3.1).

    The encoder half of a U-Net without condition, global average pooling, and a linear layer. `widths`, `blocks`,
    `factor`, `groups` and the restriction on the size of images are those of `UNet`.
    """

    def __init__(
        self,
        channels_in: int,
        out_dim: int,
        *,
        widths: Sequence[int] = (32, 64, 128, 192),
        blocks: int = 1,
        factor: int = 2,
        groups: int = 8,
    ) -> None:
        super().__init__()
        self.multiple = factor * 2 ** (len(widths) - 1)
        self.unshuffle = nn.PixelUnshuffle(factor)
        self.stem = nn.Conv2d(channels_in * factor**2, widths[0], 3, padding=1)
        self.levels = nn.ModuleList()
        for width_in, width in zip((widths[0], *widths), widths, strict=False):
            first = ConditionedBlock(width_in, width, groups=groups)
            rest = (ConditionedBlock(width, width, groups=groups) for _ in range(blocks - 1))
            self.levels.append(nn.Sequential(first, *rest))
        self.norm = GroupNorm(widths[-1], groups)
        self.head = nn.Linear(widths[-1], out_dim)
        initialise_blocks(self)

    def forward(self, x: Tensor) -> Tensor:
        check_size(x, self.multiple)
        h = self.stem(self.unshuffle(x))
        for i, level in enumerate(self.levels):
            h = level(F.avg_pool2d(h, 2) if i else h)
        return self.head(F.silu(self.norm(h)).mean((-2, -1)))


def _level(width_in: int, width: int, attends: bool, *, blocks: int, heads: int, **settings) -> nn.ModuleList:
    """The blocks of one level; the first of them changes the number of channels. `settings` of `ConditionedBlock`."""
    widths_in = [width_in] + [width] * (blocks - 1)
    return nn.ModuleList(ConditionedBlock(w, width, heads=heads if attends else 0, **settings) for w in widths_in)


def _check_settings(
    channels_in: int, channels_out: int, widths: Sequence[int], attention: Sequence[bool], norm: str
) -> None:
    if norm not in NORMS:
        raise ValueError(f"norm is 'adaptive' or 'added', not {norm!r}")
    if channels_in % channels_out:
        raise ValueError(
            f"the input consists of images like the output, but its {channels_in} channels are no multiple of "
            f"{channels_out}"
        )
    if len(attention) != len(widths):
        raise ValueError(f"there are {len(widths)} levels, but attention is given for {len(attention)}")


def check_size(x: Tensor, multiple: int) -> None:
    """Raise `ValueError` for images (N, C, H, W) whose height or width is no multiple of `multiple`."""
    height, width = x.shape[-2:]
    if height % multiple or width % multiple:
        raise ValueError(
            f"images of {height} x {width} pixels do not fit: with this factor and number of levels, height and width "
            f"must be divisible by {multiple}; choose another size, factor or number of widths"
        )


def initialise_blocks(network: nn.Module) -> None:
    """Initialise a network of these blocks, in place: the last layer of each branch 0, variance preserved elsewhere.

    Layers after a SiLU get He initialisation. Layers on the linear path from input to output (stem, shortcuts, queries)
    get variance 1 / fan-in, as larger values would swamp the branches. Every block therefore starts as its shortcut
    (Dhariwal & Nichol 2021; Karras 2022), and conditions have no effect before the first step.
    """
    initialise(network)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    for layer in network.modules():
        if isinstance(layer, ConditionedBlock):
            nn.init.kaiming_normal_(layer.conv1.weight, nonlinearity="relu")
            nn.init.zeros_(layer.conv2.weight)
        elif isinstance(layer, SelfAttention):
            nn.init.zeros_(layer.out.weight)
        elif isinstance(layer, AdaptiveGroupNorm):
            nn.init.zeros_(layer.linear.weight)
