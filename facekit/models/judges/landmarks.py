"""The landmark regressor: the 68 points of a face, from heat maps.

A network predicts one heat map per point at half the resolution of the image. Its expectation, the soft-argmax, is the
point: differentiable, and finer than a pixel of the map (integral regression: Sun 2018; Nibali 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.faces.faces import Faces
from facekit.faces.landmarks import PARTS, mirror_landmarks, normalised_offsets
from facekit.layers.initialise import initialise
from facekit.layers.residual import ResidualTrunk
from facekit.models.judges.predictor import FacePredictor
from facekit.models.limits import Count, Counts, Rate, Weight, Whole
from facekit.models.system import Augmentation, CannotTrain, Clock, Preset, Schedule, Step

_POINTS = 68
_HUBER = 0.02  # interocular distances at which the loss passes from squared to absolute


@dataclass(frozen=True)
class LandmarkPreset(Preset):
    """The landmark regressor: architecture and training."""

    size: Count = 64
    learning_rate: Rate = 3e-3
    schedule: Schedule = "cosine"
    batch: Count = 64
    warmup: Whole = 100
    augment: Augmentation = "photo"
    widths: Counts = (48, 80, 128)
    blocks: Counts = (1, 2, 2)
    factor: Count = 2
    decoder: Count = 64  # channels of the maps on the way up
    weight_decay: Weight = 1e-2

    @property
    def multiple(self) -> int:
        return self.factor * 2 ** (len(self.widths) - 1)


class LandmarkNet(FacePredictor):
    """Images (N, C, H, W) to landmarks (N, 68, 2) in the iBUG order, x right and y down from -1 to 1."""

    name = "landmarks"
    input_channels = 1
    presets: ClassVar = {
        "smoke": LandmarkPreset(widths=(16, 24, 32), blocks=(1, 1, 1), decoder=16, steps=60, batch=32, warmup=5),
        "laptop": LandmarkPreset(steps=1500),
        "gpu": LandmarkPreset(steps=12000, batch=256),
    }

    def __init__(self, preset: LandmarkPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.trunk = ResidualTrunk(self.input_channels, preset.widths, preset.blocks, preset.factor)
        self.decoder = _Decoder(preset.widths, preset.decoder)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        return expectation(self.decoder(self.trunk.maps(self.prepare(images))).float())

    def flip_averaged(self, images: Tensor) -> Tensor:
        return (self(images) + mirror_landmarks(self(images.flip(-1)))) / 2

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        adamw = torch.optim.AdamW(self.parameters(), preset.learning_rate, weight_decay=preset.weight_decay)
        return {"regressor": adamw}

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        if batch.landmarks is None:
            raise CannotTrain("the landmark regressor is trained on faces with known landmarks, and these have none")
        offsets = normalised_offsets(self(batch.images), batch.landmarks)
        loss = F.huber_loss(offsets, torch.zeros_like(offsets), delta=_HUBER) / _HUBER
        yield "regressor", loss, {"nme": offsets.detach().norm(dim=-1).mean()}

    @torch.no_grad()
    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """`nme`, the normalised mean error, overall and by part of the face, as in `nme/mouth`; `failures`, the share
        of faces with an error above 0.08 (300-W)."""
        self.to(device)
        pairs = [(predicted, faces.landmarks) for predicted, faces in self.predictions(dataset)]
        predicted, true = (torch.cat(part) for part in zip(*pairs, strict=True))
        errors = normalised_offsets(predicted, true).norm(dim=-1)
        result = {"nme": errors.mean().item(), "failures": (errors.mean(1) > 0.08).float().mean().item()}
        return result | {f"nme/{name}": errors[:, part].mean().item() for name, part in PARTS.items()}


class _Decoder(nn.Module):
    """Feature maps of the trunk's stages, from fine to coarse, to heat maps at the size of the finest one.

    Coarse maps are enlarged and added to finer ones (feature pyramid: Lin 2017).
    """

    def __init__(self, widths: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.smooth = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU())
        self.head = nn.Conv2d(channels, _POINTS, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        h = self.lateral[-1](maps[-1])
        for lateral, finer in zip(self.lateral[-2::-1], maps[-2::-1], strict=True):
            h = F.interpolate(h, scale_factor=2.0) + lateral(finer)
        return self.head(self.smooth(h))


def expectation(maps: Tensor) -> Tensor:
    """The expected position under the softmax of each heat map: (N, K, h, w) to (N, K, 2), x and y from -1 to 1."""
    n, k, h, w = maps.shape
    weights = maps.flatten(2).softmax(2).view(n, k, h, w)
    x, y = (((2 * torch.arange(size, device=maps.device) + 1) / size - 1).to(maps) for size in (w, h))
    return torch.stack([(weights.sum(2) * x).sum(2), (weights.sum(3) * y).sum(2)], dim=2)
