"""LGP-GAN's generator: networks for the eyes and for the mouth, whose results a network for the whole face completes
(Xia 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.layers.translator import MaskedTranslator


@dataclass(frozen=True)
class Region:
    """A rectangle of a face that is aligned by its eyes, in shares of the image's side."""

    top: float
    left: float
    height: float
    width: float

    def box(self, size: int, multiple: int) -> tuple[int, int, int, int]:
        """Top, left, height and width in pixels of an image of `size` pixels; height and width are multiples."""
        height, width = (multiple * max(1, round(share * size / multiple)) for share in (self.height, self.width))
        top = round((self.top + self.height / 2) * size - height / 2)
        left = round((self.left + self.width / 2) * size - width / 2)
        return max(0, min(top, size - height)), max(0, min(left, size - width)), height, width


REGIONS: Mapping[str, Region] = {
    "eyes": Region(top=4 / 64, left=8 / 64, height=24 / 64, width=48 / 64),
    "mouth": Region(top=36 / 64, left=16 / 64, height=24 / 64, width=32 / 64),
}
"""The eyes with the brows, and the mouth, in nearly all poses of drawn faces."""


@dataclass(frozen=True)
class Stages:
    """What `LocalGlobalTranslator` computes for N faces.

    pasted   (N, C, H, W) the faces with the regions' results pasted in: the first stage
    edited   (N, C, H, W) the result of the second stage
    colours  (N, C, H, W) of the second stage, in [-1, 1]
    mask     (N, 1, H, W) of the second stage, in [0, 1]
    masks    the mask of each region's network by the region's name, (N, 1, h, w) in [0, 1]
    """

    pasted: Tensor
    edited: Tensor
    colours: Tensor
    mask: Tensor
    masks: Mapping[str, Tensor]


class LocalGlobalTranslator(nn.Module):
    """Images (N, C, size, size) and labels (N, labels) to `Stages`.

    Each region's network edits its crop, which is pasted back with soft edges. The network of the whole face edits the
    result. All of them are `MaskedTranslator`s.

    regions  the network of each region in `REGIONS`
    whole    the network of the whole face
    size     height and width of the images
    feather  width of the soft edges, as a share of the size
    """

    def __init__(
        self, regions: Mapping[str, MaskedTranslator], whole: MaskedTranslator, size: int, feather: float = 1 / 16
    ) -> None:
        super().__init__()
        self.regions, self.whole, self.size = nn.ModuleDict(regions), whole, size
        for name in regions:
            _, _, height, width = self.box(name)
            self.register_buffer(f"window_{name}", _window(height, width, feather * size), persistent=False)

    def box(self, name: str) -> tuple[int, int, int, int]:
        """Top, left, height and width of a region in pixels, of which its network can process every size."""
        network = self.regions[name]
        return REGIONS[name].box(self.size, network.shuffle.upscale_factor * 2 ** len(network.up))

    def crop(self, images: Tensor, name: str) -> Tensor:
        """A region of images (N, C, size, size): (N, C, height, width)."""
        top, left, height, width = self.box(name)
        return images[:, :, top : top + height, left : left + width]

    def forward(self, images: Tensor, label: Tensor) -> Stages:
        pasted, masks = images, {}
        for name, network in self.regions.items():
            crop = self.crop(images, name)
            colours, masks[name] = network(crop, label)
            change = masks[name] * (colours - crop) * getattr(self, f"window_{name}")
            pasted = pasted + self._placed(change, name)
        colours, mask = self.whole(pasted, label)
        return Stages(pasted, pasted + mask * (colours - pasted), colours, mask, masks)

    def placed(self, masks: Mapping[str, Tensor]) -> Tensor:
        """The masks of all regions in one image (N, 1, size, size), with their soft edges."""
        return sum(self._placed(mask * getattr(self, f"window_{name}"), name) for name, mask in masks.items())

    def _placed(self, crop: Tensor, name: str) -> Tensor:
        """A crop at its place in an image of zeros."""
        top, left, height, width = self.box(name)
        return F.pad(crop, (left, self.size - left - width, top, self.size - top - height))


def _window(height: int, width: int, feather: float) -> Tensor:
    """Weights (height, width) that rise from the border to 1 over `feather` pixels."""
    ramps = []
    for length in (height, width):
        place = torch.arange(length) + 0.5
        ramps.append((torch.minimum(place, length - place) / max(feather, 0.5)).clamp(max=1))
    return ramps[0][:, None] * ramps[1]
