"""The action-unit regressor (E7, E9): the intensity of each FACS action unit in a face."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torchmetrics.functional import pearson_corrcoef

from facekit.faces.action_units import ACTION_UNIT_COLUMNS, mirrored_columns
from facekit.faces.faces import Faces
from facekit.layers.initialise import initialise
from facekit.layers.residual import ResidualTrunk
from facekit.losses.attribute import action_unit_loss
from facekit.models.judges.predictor import FacePredictor
from facekit.models.limits import Count, Counts, Rate, Weight, Whole
from facekit.models.system import Augmentation, CannotTrain, Clock, Preset, Schedule, Step


@dataclass(frozen=True)
class ActionUnitPreset(Preset):
    """The action-unit regressor: architecture and training."""

    size: Count = 64
    learning_rate: Rate = 2e-3
    schedule: Schedule = "cosine"
    batch: Count = 128
    warmup: Whole = 100
    augment: Augmentation = "affine"
    widths: Counts = (48, 96, 160)
    blocks: Counts = (2, 2, 2)
    factor: Count = 2
    weight_decay: Weight = 1e-2


class ActionUnitNet(FacePredictor):
    """Images to intensities in the order of `ACTION_UNIT_COLUMNS`: (N, C, H, W) to (N, A).

    Features are pooled over each quarter of the image, since global pooling could not distinguish left from right.

    The last layer is linear. A sigmoid would reach the intensity 0, the most frequent one, only asymptotically.
    `predict` clips to [0, 1].
    """

    name = "action_units"
    input_channels = 1
    presets: ClassVar = {
        "smoke": ActionUnitPreset(widths=(16, 32, 48), blocks=(1, 1, 1), steps=60, batch=64, warmup=5),
        "laptop": ActionUnitPreset(steps=900),
        "gpu": ActionUnitPreset(steps=12000, batch=256),
        "paper": ActionUnitPreset(widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2), factor=1, steps=40000),
    }

    def __init__(self, preset: ActionUnitPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.trunk = ResidualTrunk(self.input_channels, preset.widths, preset.blocks, preset.factor, parts=2)
        self.head = nn.Linear(self.trunk.width, len(ACTION_UNIT_COLUMNS))
        initialise(self)
        nn.init.zeros_(self.head.weight)  # starts at intensity 0, which is close to the mean

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.trunk(self.prepare(images)))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Feature maps of images (N, C, H, W), as `ResidualTrunk.maps`; differentiable."""
        return self.trunk.maps(self.prepare(images))

    def flip_averaged(self, images: Tensor) -> Tensor:
        mirrored = self(images.flip(-1))[:, mirrored_columns()]  # mirroring swaps left and right
        return ((self(images) + mirrored) / 2).clamp(0, 1)

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        adamw = torch.optim.AdamW(self.parameters(), preset.learning_rate, weight_decay=preset.weight_decay)
        return {"regressor": adamw}

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        if batch.action_units is None:
            raise CannotTrain(
                "the action-unit regressor is trained on faces with known action units, and these have none"
            )
        loss = action_unit_loss(self(batch.images), batch.action_units, batch.attributes.get("annotated"))
        yield "regressor", loss, {"rmse": loss.detach().sqrt()}

    @torch.no_grad()
    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """`mae` and `correlation` (Pearson), as means over units, and by unit, as in `mae/AU12L`.

        A face counts for the units that are annotated in it. A unit that is constant in the dataset has no correlation,
        and is left out of that mean.
        """
        self.to(device)
        parts = [(predicted, faces.action_units, _annotated(faces)) for predicted, faces in self.predictions(dataset)]
        predicted, true, annotated = (torch.cat(part) for part in zip(*parts, strict=True))
        mae, correlation = {}, {}
        for i, name in enumerate(ACTION_UNIT_COLUMNS):
            p, t = predicted[annotated[:, i], i], true[annotated[:, i], i]
            if len(t):
                mae[name] = (p - t).abs().mean().item()
            if len(t) > 1 and p.std() > 0 and t.std() > 0:
                correlation[name] = pearson_corrcoef(p, t).item()
        result = {"mae": _mean(mae), "correlation": _mean(correlation)}
        result |= {f"mae/{name}": value for name, value in mae.items()}
        return result | {f"correlation/{name}": value for name, value in correlation.items()}


def _annotated(faces: Faces) -> Tensor:
    """Which action units of each face are known, (N, A) bool: all, unless an attribute tells it."""
    known = faces.attributes.get("annotated")
    return torch.ones_like(faces.action_units, dtype=torch.bool) if known is None else known.bool()


def _mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values) if values else math.nan
