"""Discriminators that score patches: of the image (PatchGAN, Isola 2017), or of a frozen network's feature maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.layers.adaptive import GroupNorm

_EMBEDDED = 32  # length of a label's embedding
_GAIN = 4.0  # of high frequencies, whose amplitude is small


class PatchDiscriminator(nn.Module):
    """Images (N, C, size, size) to a score per patch (N, 1, h, w) and, with `classes`, logits (N, classes) of an
    auxiliary classifier (Choi 2018).

    The defaults give StarGAN's discriminator (Choi 2018, table 5) without its sixth layer, which would leave an image
    of 64 pixels a single patch.

    size     height and width of the images, or one number for both
    classes  outputs of the auxiliary classifier, which sees the whole image; 0 for none
    width    channels of the first layer; each further layer doubles them, up to `widest`
    layers   number of layers; each halves height and width
    slope    negative slope of the leaky ReLUs
    norm     instance norm after every layer but the first (CycleGAN). It is not twice differentiable here, and so
             excludes penalties on gradients
    labels   length of the label of a conditional discriminator (projection discriminator, Miyato & Koyama 2018, eq. 4,
             in every patch); 0 for an unconditional one. Labels may be blends and are embedded by a small MLP. A linear
             embedding would learn from weak expressions, whose labels are mostly neutral, that neutral faces may show a
             little of any emotion
    high_frequencies  whether the difference of each image from its local mean is a further input, from which a
             discriminator learns sooner that images are blurred

    Raises `ValueError` if the size cannot be halved `layers` times.
    """

    def __init__(
        self,
        channels: int,
        size: int | tuple[int, int],
        classes: int,
        *,
        width: int = 64,
        layers: int = 5,
        widest: int = 2048,
        slope: float = 0.01,
        norm: bool = False,
        labels: int = 0,
        high_frequencies: bool = False,
    ) -> None:
        super().__init__()
        height, width_of_image = (size, size) if isinstance(size, int) else size
        if height % 2**layers or width_of_image % 2**layers:
            raise ValueError(f"an image of {size} pixels cannot be halved {layers} times: use fewer layers")
        widths = [min(width * 2**i, widest) for i in range(layers)]
        self.slope, self.high_frequencies = slope, high_frequencies
        widths_in = (channels * (1 + high_frequencies), *widths[:-1])
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 4, 2, padding=1) for a, b in zip(widths_in, widths, strict=True))
        self.norms = nn.ModuleList(GroupNorm(w, w) if norm and i else nn.Identity() for i, w in enumerate(widths))
        self.source = nn.Conv2d(widths[-1], 1 + (_EMBEDDED if labels else 0), 3, padding=1, bias=False)
        self.embedding = _embedding(labels) if labels else None
        kernel = (height >> layers, width_of_image >> layers)
        self.classes = nn.Conv2d(widths[-1], classes, kernel, bias=False) if classes else None

    def maps(self, images: Tensor, layers: int | None = None) -> list[Tensor]:
        """Feature maps of the first `layers` layers (None: of all), each (N, width 2^i, size / 2^(i+1), the same)."""
        maps = [torch.cat([images, _GAIN * high_frequencies(images)], 1) if self.high_frequencies else images]
        for layer, norm in zip(self.layers[:layers], self.norms, strict=False):
            maps.append(F.leaky_relu(norm(layer(maps[-1])), self.slope))
        return maps[1:]

    def scores(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """Scores of patches, (N, 1, h, w), high for real; `label` (N, labels) is the condition, if there is one."""
        return self._scores(self.maps(images)[-1], label)

    def forward(self, images: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        h = self.maps(images)[-1]
        return self._scores(h, label), None if self.classes is None else self.classes(h).flatten(1)

    def _scores(self, h: Tensor, label: Tensor | None) -> Tensor:
        output = self.source(h)
        return output[:, :1] if label is None else _projected(output, self.embedding(label))


class FeatureDiscriminator(nn.Module):
    """A discriminator on feature maps of a frozen network (projected GAN, Sauer 2021), conditioned on a label.

    It need not learn from nothing what the frozen network already sees, and so needs far fewer steps than a
    discriminator on pixels. Each map has a head of three convolutions.

    widths  channels of the maps
    labels  length of the label, which conditions as in `PatchDiscriminator`
    width   channels of the heads
    slope   negative slope of the leaky ReLUs
    """

    def __init__(self, widths: Sequence[int], labels: int, *, width: int = 64, slope: float = 0.2) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, width, 3, 2, padding=1),
                nn.LeakyReLU(slope),
                nn.Conv2d(width, width, 3, 2, padding=1),
                nn.LeakyReLU(slope),
                nn.Conv2d(width, 1 + _EMBEDDED, 3, padding=1),
            )
            for channels in widths
        )
        self.embedding = _embedding(labels)

    def forward(self, images: Tensor, label: Tensor, maps: Callable[[Tensor], Sequence[Tensor]]) -> Tensor:
        """Scores (N, P) of all positions of all maps, high for real.

        images  (N, C, H, W)
        label   (N, labels)
        maps    the frozen network: images to feature maps, each (N, widths[i], H_i, W_i)
        """
        embedded = self.embedding(label)
        scores = [_projected(head(m), embedded) for head, m in zip(self.heads, maps(images), strict=True)]
        return torch.cat([score.flatten(1) for score in scores], 1)


def _embedding(labels: int) -> nn.Module:
    return nn.Sequential(nn.Linear(labels, 64), nn.SiLU(), nn.Linear(64, _EMBEDDED))


def _projected(output: Tensor, embedded: Tensor) -> Tensor:
    """Conditional scores (N, 1, h, w): an unconditional score plus the projection of features on the embedded label."""
    unconditional, features = output.tensor_split([1], dim=1)
    return unconditional + torch.einsum("nlhw,nl->nhw", features, embedded.to(features))[:, None]


def high_frequencies(images: Tensor) -> Tensor:
    """Images (N, C, H, W) minus their mean over 3 x 3 pixels."""
    return images - F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
