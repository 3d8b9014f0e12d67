"""The network that turns one picture into another: down, through residual blocks, and up again (Johnson 2016)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from facekit.layers.mixed_attention import MixedAttentionBlock
from facekit.layers.stages import Stage, conv3

CONDITIONS = ("planes", "adaptive")
"""How a translator is told its label: as planes beside the picture (StarGAN); by the scale and shift of its norms
(Huang 2017; Choi 2020). Of a plane, which is the same everywhere, an instance norm after a convolution leaves nothing
but what the border makes of it."""

SKIPS = ("none", "mirrored", "residual", "global")
"""Nothing; the maps on the way down added to those of their shape on the way up (P2 §3.3 as its text has it); these,
and the picture itself added to the output (as P2's code has it); that alone (P3 §III.A)."""

BLOCKS = ("residual", "mixed_attention")
"""Two convolutions, as StarGAN's; P3's, which look at several scales and attend (`MixedAttentionBlock`)."""

DROPOUTS = ("none", "ends", "blocks")
"""Where features are dropped: nowhere; after the first and the last rectifier; after the rectifier of each residual
block (both of P2 §3.4)."""

Drop = Callable[[Tensor], Tensor]
"""Maps (N, C, H, W) with some values dropped."""


class Translator(nn.Module):
    """Pictures (N, C, H, W) and labels (N, labels) to pictures (N, C, H, W) in [-1, 1].

    With the defaults, the generator of StarGAN (Choi 2018, table 4), which is CycleGAN's with a label.

    labels     numbers of a label; 0 for a network without one
    width      channels at full size; each halving of height and width doubles them
    halvings   on the way down, and doublings on the way up
    blocks     blocks at the smallest size
    block      one of `BLOCKS`
    scales     of blocks with attention
    factor     a factor x factor patch becomes one pixel of the network (Shi 2016), for factor² times less work
    condition  one of `CONDITIONS`; adaptive norms are those of the blocks and of the way up
    groups     of each norm; None normalises each channel by itself (instance norm, Ulyanov 2016)
    slope      of the rectifiers below 0
    skips      one of `SKIPS`; an output that the picture is added to can leave [-1, 1], by up to 1
    dropout    one of `DROPOUTS`; blocks with attention have no place for it

    Raises `ValueError` for settings that do not exist.
    """

    def __init__(
        self,
        channels: int,
        labels: int = 0,
        *,
        width: int = 64,
        halvings: int = 2,
        blocks: int = 6,
        block: str = "residual",
        scales: int = 3,
        factor: int = 1,
        condition: str = "planes",
        groups: int | None = None,
        slope: float = 0.0,
        skips: str = "none",
        dropout: str = "none",
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("condition", condition, CONDITIONS), ("skips", skips, SKIPS), ("dropout", dropout, DROPOUTS),
            ("block", block, BLOCKS),
        ):  # fmt: skip
            if value not in known:
                raise ValueError(f"a translator's {name} is {value!r}; known are {', '.join(known)}")
        if block == "mixed_attention" and dropout == "blocks":
            raise ValueError("blocks with attention have no dropout: give 'none' or 'ends'")
        if groups is not None and width % groups:
            raise ValueError(f"a translator's width is {width}, which its {groups} groups do not divide: change either")
        self.slope, self.skips, self.dropout = slope, skips, dropout
        self.planes = labels if condition == "planes" else 0
        adaptive = labels if condition == "adaptive" else 0
        widths = [width * 2**i for i in range(halvings + 1)]
        kernel = 7 if factor == 1 else 3  # the same reach, or more, in the picture's pixels
        pixel = channels * factor**2
        self.unshuffle, self.shuffle = nn.PixelUnshuffle(factor), nn.PixelShuffle(factor)
        first = nn.Conv2d(pixel + self.planes, width, kernel, padding=kernel // 2, bias=False)
        down = [nn.Conv2d(w, 2 * w, 4, 2, padding=1, bias=False) for w in widths[:-1]]
        up = [nn.ConvTranspose2d(2 * w, w, 4, 2, padding=1, bias=False) for w in reversed(widths[:-1])]
        self.down = nn.ModuleList(Stage(conv, 0, groups, slope) for conv in (first, *down))
        if block == "residual":
            middle = [TranslatorBlock(widths[-1], adaptive, groups, slope) for _ in range(blocks)]
        else:
            middle = [MixedAttentionBlock(widths[-1], adaptive, groups, slope, scales) for _ in range(blocks)]
        self.blocks = nn.ModuleList(middle)
        self.up = nn.ModuleList(Stage(conv, adaptive, groups, slope) for conv in up)
        self.last = nn.Conv2d(width, pixel, kernel, padding=kernel // 2, bias=False)

    def forward(self, images: Tensor, label: Tensor | None = None, drop: Drop | None = None) -> Tensor:
        """See the class; `drop` is needed where there is dropout, and decides what is dropped."""
        h, maps = self.unshuffle(images), []
        if self.planes:
            h = torch.cat([h, label[:, :, None, None].expand(-1, -1, *h.shape[2:])], dim=1)
        for stage in self.down:
            h = stage(h, None)
            if not maps and self.dropout == "ends":
                h = drop(h)
            maps.append(h)
        for block in self.blocks:
            h = block(h, label, drop if self.dropout == "blocks" else None)
        for stage, mirror in zip(self.up, reversed(maps[:-1]), strict=True):
            h = stage(h, label)
            h = h + mirror if self.skips in ("mirrored", "residual") else h
        if self.dropout == "ends":
            h = drop(h)
        made = self.shuffle(self.last(h)).tanh()
        return images + made if self.adds_picture else made

    @property
    def adds_picture(self) -> bool:
        """Whether what it makes is a change of the picture."""
        return self.skips in ("residual", "global")


class TranslatorBlock(nn.Module):
    """x + F(x), F two 3 x 3 convolutions with norms, and a rectifier between them."""

    def __init__(self, width: int, adaptive: int, groups: int | None, slope: float) -> None:
        super().__init__()
        self.first = Stage(conv3(width, width), adaptive, groups, slope)
        self.second = Stage(conv3(width, width), adaptive, groups)

    def forward(self, x: Tensor, label: Tensor | None, drop: Drop | None) -> Tensor:
        h = self.first(x, label)
        return x + self.second(h if drop is None else drop(h), label)
