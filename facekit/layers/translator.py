"""The image-to-image generator: an encoder, residual blocks and a decoder (Johnson 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from facekit.layers.mixed_attention import MixedAttentionBlock
from facekit.layers.stages import Stage, conv3

CONDITIONS = ("planes", "adaptive")
"""How the label conditions a translator. "planes": as constant maps, concatenated with the image (StarGAN); "adaptive":
by the scale and shift of the norms (Huang 2017; Choi 2020). An instance norm after a convolution removes a constant
plane except for its effect at the padded border."""

SKIPS = ("none", "mirrored", "residual", "global")
"""Skip connections. "none"; "mirrored": encoder maps are added to the decoder's maps of the same size (the text of P2
§3.3); "residual": these, and the input image is added to the output (P2's code); "global": the input image is added to
the output (P3 §III.A)."""

BLOCKS = ("residual", "mixed_attention")
"""Residual blocks: two convolutions (StarGAN), or P3's `MixedAttentionBlock`."""

DROPOUTS = ("none", "ends", "blocks")
"""Where dropout acts. "none"; "ends": after the first and the last activation; "blocks": after the activation of each
residual block (P2 §3.4 tries both)."""

DropoutFunction = Callable[[Tensor], Tensor]
"""Applies dropout to maps (N, C, H, W)."""


class Translator(nn.Module):
    """Images (N, C, H, W) and labels (N, labels) to images (N, C, H, W) in [-1, 1].

    The defaults give StarGAN's generator (Choi 2018, table 4), which is CycleGAN's with a label.

    labels     length of a label; 0 for an unconditional network
    width      channels at full size; each halving of height and width doubles them
    halvings   number of downsampling stages of the encoder and of upsampling stages of the decoder
    blocks     number of blocks at the lowest resolution
    block      one of `BLOCKS`
    scales     of `MixedAttentionBlock`
    factor     pixel unshuffle (Shi 2016) turns each factor x factor patch into one pixel, for factor² times less work
    condition  one of `CONDITIONS`; adaptive norms are in the blocks and the decoder
    groups     of each norm; None gives instance norm (Ulyanov 2016)
    slope      negative slope of the ReLUs
    skips      one of `SKIPS`; where the input is added, the output can exceed [-1, 1] by up to 1
    dropout    one of `DROPOUTS`; "blocks" needs residual blocks

    Raises `ValueError` for unknown or incompatible settings.
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
        known = {"condition": CONDITIONS, "skips": SKIPS, "dropout": DROPOUTS, "block": BLOCKS}
        _check_known({"condition": condition, "skips": skips, "dropout": dropout, "block": block}, known)
        _check_compatible(block, dropout, width, groups)
        self.slope, self.skips, self.dropout = slope, skips, dropout
        self.planes = labels if condition == "planes" else 0
        adaptive = labels if condition == "adaptive" else 0
        kernel = 7 if factor == 1 else 3  # the same receptive field, or a larger one, in pixels of the image
        depth = channels * factor**2  # channels after pixel unshuffle
        self.unshuffle, self.shuffle = nn.PixelUnshuffle(factor), nn.PixelShuffle(factor)
        down, up = _resizing_convolutions(depth + self.planes, width, halvings, kernel)
        self.down = nn.ModuleList(Stage(conv, 0, groups, slope) for conv in down)
        inner = (width * 2**halvings, adaptive, groups, slope)
        self.blocks = nn.ModuleList(_residual_block(block, scales, *inner) for _ in range(blocks))
        self.up = nn.ModuleList(Stage(conv, adaptive, groups, slope) for conv in up)
        self.last = nn.Conv2d(width, depth, kernel, padding=kernel // 2, bias=False)

    def forward(self, images: Tensor, label: Tensor | None = None, dropout: DropoutFunction | None = None) -> Tensor:
        """See the class. `dropout` is required unless the setting `dropout` is "none"."""
        output = self.shuffle(self.last(self.features(images, label, dropout))).tanh()
        return images + output if self.adds_input else output

    def features(self, images: Tensor, label: Tensor | None, dropout: DropoutFunction | None = None) -> Tensor:
        """The maps before the last convolution, (N, width, H / factor, W / factor)."""
        h = self.unshuffle(images)  # (N, C factor², H / factor, W / factor)
        if self.planes:
            h = torch.cat([h, label[:, :, None, None].expand(-1, -1, *h.shape[2:])], dim=1)
        maps = []  # of the encoder, from full size downwards
        for stage in self.down:
            h = stage(h, None)
            if not maps and self.dropout == "ends":
                h = dropout(h)
            maps.append(h)
        for block in self.blocks:
            h = block(h, label, dropout if self.dropout == "blocks" else None)
        for stage, mirror in zip(self.up, reversed(maps[:-1]), strict=True):
            h = stage(h, label)
            h = h + mirror if self.skips in ("mirrored", "residual") else h
        return dropout(h) if self.dropout == "ends" else h

    @property
    def adds_input(self) -> bool:
        """Whether the input image is added to the output, so that the network learns a difference."""
        return self.skips in ("residual", "global")


class MaskedTranslator(Translator):
    """A translator with two heads: colours, and a mask of where they replace the input (Pumarola 2018, figure 2).

    Images (N, C, H, W) and labels (N, labels) to colours (N, C, H, W) and a mask (N, 1, H, W) in [0, 1]. The mask is
    the change, 1 - A for the attention A of Pumarola 2018, eq. 1: 0 keeps the input. Colours lie in [-1, 1]; with skip
    connections that add the input image ("residual", "global"), they can exceed that by up to 1. The settings are
    those of `Translator`, without dropout.
    """

    def __init__(self, channels: int, labels: int, **settings) -> None:
        super().__init__(channels, labels, **settings)
        size = self.last.kernel_size[0]
        cells = self.shuffle.upscale_factor**2
        self.mask = nn.Conv2d(self.last.in_channels, cells, size, padding=size // 2)

    def start_at(self, change: float) -> None:
        """Set the mask to one value for every image and label, as the start of training."""
        nn.init.zeros_(self.mask.weight)
        nn.init.constant_(self.mask.bias, math.log(change / (1 - change)))

    def forward(self, images: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        h = self.features(images, label)
        colours, mask = self.shuffle(self.last(h)).tanh(), self.shuffle(self.mask(h)).sigmoid()
        return images + colours if self.adds_input else colours, mask


class TranslatorBlock(nn.Module):
    """x + F(x), with F two 3 x 3 convolutions, each with a norm, and a ReLU between them."""

    def __init__(self, width: int, adaptive: int, groups: int | None, slope: float) -> None:
        super().__init__()
        self.first = Stage(conv3(width, width), adaptive, groups, slope)
        self.second = Stage(conv3(width, width), adaptive, groups)

    def forward(self, x: Tensor, label: Tensor | None, dropout: DropoutFunction | None) -> Tensor:
        h = self.first(x, label)
        return x + self.second(h if dropout is None else dropout(h), label)


def _resizing_convolutions(
    channels: int, width: int, halvings: int, kernel: int
) -> tuple[list[nn.Conv2d], list[nn.ConvTranspose2d]]:
    """Convolutions of the encoder (the first one keeps the size, each further one halves it) and of the decoder."""
    widths = [width * 2**i for i in range(halvings)]
    first = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False)
    down = [nn.Conv2d(w, 2 * w, 4, 2, padding=1, bias=False) for w in widths]
    up = [nn.ConvTranspose2d(2 * w, w, 4, 2, padding=1, bias=False) for w in reversed(widths)]
    return [first, *down], up


def _residual_block(
    kind: str, scales: int, width: int, adaptive: int, groups: int | None, slope: float
) -> TranslatorBlock | MixedAttentionBlock:
    if kind == "residual":
        return TranslatorBlock(width, adaptive, groups, slope)
    return MixedAttentionBlock(width, adaptive, groups, slope, scales)


def _check_known(settings: Mapping[str, str], known: Mapping[str, Sequence[str]]) -> None:
    for name, value in settings.items():
        if value not in known[name]:
            raise ValueError(f"a translator's {name} is {value!r}; known are {', '.join(known[name])}")


def _check_compatible(block: str, dropout: str, width: int, groups: int | None) -> None:
    if block == "mixed_attention" and dropout == "blocks":
        raise ValueError("blocks with attention have no dropout: use 'none' or 'ends'")
    if groups is not None and width % groups:
        raise ValueError(f"a translator's width, {width}, is not divisible by its {groups} groups: change one of them")
