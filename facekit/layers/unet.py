"""The U-Net that denoises (Ho 2020; Dhariwal & Nichol 2021), and the encoder of the same blocks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from facekit.layers.adaptive import AdaptiveGroupNorm, GroupNorm
from facekit.layers.attention import SelfAttention
from facekit.layers.initialise import initialise


class ConditionedBlock(nn.Module):
    """x + F(x, condition), F twice group norm, SiLU and a 3 x 3 convolution; the last convolution starts at 0.

    (N, channels_in, H, W) to (N, channels_out, H, W); a change of width takes the shortcut through a 1 x 1 convolution.

    condition  length of the condition; 0 for a block without one
    norm       "adaptive": the second norm's scale and shift come from the condition (Dhariwal & Nichol 2021);
               "added": the condition is added to the features before the second norm (Ho 2020, and P0 and P1)
    heads      of the self-attention that follows; 0 for none
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
    """Pictures (N, channels_in, H, W) and conditions (N, condition) to (N, channels_out, H, W).

    What the network should be told at each place (the face to edit, a mask) comes as further channels of the input,
    joined to the picture by the caller; what holds for the whole picture (timestep, emotion, code), as the condition,
    the sum of embeddings. The output starts as 0 everywhere.

    Past the network leads a way of a single number for each picture of the input, learned from the condition: of the
    noise that an answer holds, that is nearly all, and narrow networks need not carry it through their levels.
    `channels_in` is a multiple of `channels_out`.

    widths     channels of each level; each level has half the height and width of the one before
    blocks     blocks of each level on the way down, and as many on the way up, each of which adds its counterpart's
               map; concatenation, the papers' way, learned no better and took an eighth longer
    condition  length of the condition
    attention  for each level, whether its blocks attend; the middle, at the lowest level, always does
    factor     a factor x factor patch becomes one pixel of the network (Shi 2016), for factor² times less work
    heads      of each attention; groups of each group norm; dropout, the share of features dropped in each block
    norm       how the condition enters: see `ConditionedBlock`

    Raises `ValueError` for settings that do not fit each other, and for pictures whose height or width the levels
    cannot halve.
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
        if norm not in ("adaptive", "added"):
            raise ValueError(f"norm is 'adaptive' or 'added', and not {norm!r}")
        if channels_in % channels_out:
            raise ValueError(
                f"the input holds pictures like the output's, but {channels_in} is no multiple of {channels_out}"
            )
        if len(attention) != len(widths):
            raise ValueError(f"{len(widths)} levels have widths, and {len(attention)} say whether they attend")

        def block(before: int, after: int, attends: bool) -> ConditionedBlock:
            return ConditionedBlock(
                before,
                after,
                condition=condition,
                norm=norm,
                heads=heads if attends else 0,
                groups=groups,
                dropout=dropout,
            )

        def level(before: int, width: int, attends: bool) -> nn.ModuleList:
            return nn.ModuleList(block(before if i == 0 else width, width, attends) for i in range(blocks))

        self.multiple = factor * 2 ** (len(widths) - 1)
        self.unshuffle = nn.PixelUnshuffle(factor)
        self.stem = nn.Conv2d(channels_in * factor**2, widths[0], 3, padding=1)
        befores = (widths[0], *widths)
        self.down = nn.ModuleList(level(*shape) for shape in zip(befores, widths, attention, strict=False))
        self.middle = nn.ModuleList([block(widths[-1], widths[-1], True), block(widths[-1], widths[-1], False)])
        self.up = nn.ModuleList(
            nn.ModuleList(block(width, width, attends) for _ in range(blocks))
            for width, attends in zip(widths, attention, strict=True)
        )
        # A 1 x 1 convolution and repeating pixels may change places: this way round it works on a quarter of them.
        self.narrow = nn.ModuleList(nn.Conv2d(deeper, width, 1) for width, deeper in itertools.pairwise(widths))
        self.norm = GroupNorm(widths[0], groups)
        self.head = nn.Conv2d(widths[0], channels_out * factor**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(factor)
        self.through = nn.Linear(condition, channels_in // channels_out)
        _start(self)
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
        return self.shuffle(self.head(F.silu(self.norm(h)))) + self._passed(x, condition)

    def _passed(self, x: Tensor, condition: Tensor) -> Tensor:
        """What goes past the network: each picture of the input times a number that the condition decides."""
        gains = self.through(condition)  # (N, pictures)
        pictures = x.unflatten(1, (gains.shape[1], -1))  # (N, pictures, channels_out, H, W)
        return (gains.to(x.dtype)[..., None, None, None] * pictures).sum(1)


class ConvEncoder(nn.Module):
    """Pictures (N, channels_in, H, W) to codes (N, out_dim): the U-Net's way down without condition, averaged over
    the picture, then linear: the semantic encoder of DiffAE (Preechakul 2022, section 3.1).

    `widths`, `blocks`, `factor` and `groups` are as in `UNet`, and so is what pictures it takes.
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
        for before, width in zip((widths[0], *widths), widths, strict=False):
            first = ConditionedBlock(before, width, groups=groups)
            rest = (ConditionedBlock(width, width, groups=groups) for _ in range(blocks - 1))
            self.levels.append(nn.Sequential(first, *rest))
        self.norm = GroupNorm(widths[-1], groups)
        self.head = nn.Linear(widths[-1], out_dim)
        _start(self)

    def forward(self, x: Tensor) -> Tensor:
        check_size(x, self.multiple)
        h = self.stem(self.unshuffle(x))
        for i, level in enumerate(self.levels):
            h = level(F.avg_pool2d(h, 2) if i else h)
        return self.head(F.silu(self.norm(h)).mean((-2, -1)))


def check_size(x: Tensor, multiple: int) -> None:
    """Raise `ValueError` for maps (N, C, H, W) whose height or width is no multiple of `multiple`."""
    height, width = x.shape[-2:]
    if height % multiple or width % multiple:
        raise ValueError(
            f"pictures of {height} x {width} pixels do not fit: with this stem and these levels, height and width "
            f"must be divisible by {multiple}; choose another size, factor or number of widths"
        )


def _start(network: nn.Module) -> None:
    """Start a network of these blocks, in place: 0 for the last layer of every branch, variance kept elsewhere.

    He's weights go where a SiLU came before; what is linear from end to end (stem, shortcuts, queries) has variance
    1 / inputs, as growth there would drown the branches. So every block starts as its shortcut (Dhariwal & Nichol 2021
    and Karras 2022 start theirs so), and the conditions do nothing until the first step has moved the branches.
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
