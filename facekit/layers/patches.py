"""The critic that judges pictures patch by patch, and says what they show (Isola 2017; Choi 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.layers.adaptive import GroupNorm

_EMBEDDED = 32  # numbers of an embedded label


class PatchDiscriminator(nn.Module):
    """Pictures (N, C, size, size) to scores of their patches (N, 1, h, w) and, with classes, logits (N, classes).

    With the defaults, the discriminator of StarGAN (Choi 2018, table 5) but for its sixth layer, which leaves a
    picture of 64 pixels a single patch.

    layers   each halves height and width
    width    channels of the first layer, doubled by each that follows, up to `widest`
    classes  that the second head tells apart, from the whole picture; 0 for no such head
    labels   numbers of the label with which a picture is judged: the scores are then of the two together, by a
             projection on the embedded label (Miyato & Koyama 2018, eq. 4) in every patch; 0 judges pictures alone.
             A small network embeds labels, which may be blends: of weak faces, whose labels are mostly neutral, a
             linear one would learn that neutral faces may show a little of anything
    slope    of the rectifiers below 0
    norm     instance norm after all layers but the first (CycleGAN); not together with a penalty on slopes, for which
             it cannot be differentiated twice

    Raises `ValueError` where the layers halve more often than the size can be.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        classes: int,
        *,
        width: int = 64,
        layers: int = 5,
        widest: int = 2048,
        slope: float = 0.01,
        norm: bool = False,
        labels: int = 0,
    ) -> None:
        super().__init__()
        if size % 2**layers:
            raise ValueError(f"a picture of {size} pixels cannot be halved {layers} times: give fewer layers")
        widths = [min(width * 2**i, widest) for i in range(layers)]
        self.slope = slope
        before = (channels, *widths[:-1])
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 4, 2, padding=1) for a, b in zip(before, widths, strict=True))
        self.norms = nn.ModuleList(GroupNorm(w, w) if norm and i else nn.Identity() for i, w in enumerate(widths))
        self.source = nn.Conv2d(widths[-1], 1 + (_EMBEDDED if labels else 0), 3, padding=1, bias=False)
        self.embedding = nn.Sequential(nn.Linear(labels, 64), nn.SiLU(), nn.Linear(64, _EMBEDDED)) if labels else None
        self.classes = nn.Conv2d(widths[-1], classes, size >> layers, bias=False) if classes else None

    def maps(self, images: Tensor, layers: int | None = None) -> list[Tensor]:
        """What each layer, or each of the first few, makes of pictures: (N, width 2^i, size / 2^(i+1), the same)."""
        maps = [images]
        for layer, norm in zip(self.layers[:layers], self.norms, strict=False):
            maps.append(F.leaky_relu(norm(layer(maps[-1])), self.slope))
        return maps[1:]

    def scores(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """The patches' scores alone, (N, 1, h, w); high is real. Labels (N, labels) where it judges with them."""
        return self._scores(self.maps(images)[-1], label)

    def forward(self, images: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        h = self.maps(images)[-1]
        return self._scores(h, label), None if self.classes is None else self.classes(h).flatten(1)

    def _scores(self, h: Tensor, label: Tensor | None) -> Tensor:
        alone, of_labels = self.source(h).tensor_split([1], dim=1)
        if label is None:
            return alone
        return alone + torch.einsum("nlhw,nl->nhw", of_labels, self.embedding(label).to(of_labels))[:, None]
