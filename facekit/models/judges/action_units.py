"""The action-unit regressor (E7, E9): how strongly each unit of FACS acts in a face."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torchmetrics.functional import mean_absolute_error, pearson_corrcoef

from facekit.faces.action_units import ACTION_UNIT_COLUMNS, mirrored_columns
from facekit.faces.faces import Faces
from facekit.layers.initialise import initialise
from facekit.layers.residual import ResidualTrunk
from facekit.losses.attribute import action_unit_loss
from facekit.models.judges.predictor import FacePredictor
from facekit.models.system import Clock, Preset, Step


@dataclass(frozen=True)
class ActionUnitPreset(Preset):
    """How the action-unit regressor is built and trained."""

    size: int = 64
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    batch: int = 128
    warmup: int = 100
    augment: str = "affine"
    widths: tuple[int, ...] = (48, 96, 160)
    blocks: tuple[int, ...] = (2, 2, 2)
    factor: int = 2
    weight_decay: float = 1e-2


class ActionUnitNet(FacePredictor):
    """Pictures to strengths by `ACTION_UNIT_COLUMNS`: (N, C, H, W) to (N, A).

    Features are averaged over each quarter of the picture; over the whole of it, it would not tell left from right.

    The last layer is linear, so that units at rest (most of them, most of the time) are no harder to reach than
    any other strength, as they would be for a sigmoid; `read` clips to [0, 1].
    """

    name = "action_units"
    sees = 1
    presets: ClassVar = {
        "smoke": ActionUnitPreset(widths=(16, 32, 48), blocks=(1, 1, 1), steps=60, batch=64, warmup=5),
        "laptop": ActionUnitPreset(steps=900),
        "gpu": ActionUnitPreset(steps=12000, batch=256),
        "paper": ActionUnitPreset(widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2), factor=1, steps=40000),
    }

    def __init__(self, preset: ActionUnitPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.trunk = ResidualTrunk(self.sees, preset.widths, preset.blocks, preset.factor, parts=2)
        self.head = nn.Linear(self.trunk.width, len(ACTION_UNIT_COLUMNS))
        initialise(self)
        nn.init.zeros_(self.head.weight)  # starts at "no unit acts", which is nearly right

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.trunk(self.prepare(images)))

    def flip_averaged(self, images: Tensor) -> Tensor:
        mirrored = self(images.flip(-1))[:, mirrored_columns()]  # left and right change places in a mirror
        return ((self(images) + mirrored) / 2).clamp(0, 1)

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        adamw = torch.optim.AdamW(self.parameters(), preset.learning_rate, weight_decay=preset.weight_decay)
        return {"regressor": adamw}

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        if batch.action_units is None:
            raise ValueError("the action-unit regressor trains on faces whose action units are known")
        loss = action_unit_loss(self(batch.images), batch.action_units)
        yield "regressor", loss, {"rmse": loss.detach().sqrt()}

    @torch.no_grad()
    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """`mae` and `correlation` (Pearson's), the means over units; and each by column, as `mae/AU12L`.

        A unit that never moves in the dataset has no correlation, and is left out of that mean.
        """
        self.to(device)
        pairs = [(said, faces.action_units) for said, faces in self.readings(dataset)]
        said, true = (torch.cat(part) for part in zip(*pairs, strict=True))
        mae = mean_absolute_error(said, true, num_outputs=true.shape[1])
        moves = (true.std(0) > 0) & (said.std(0) > 0)
        correlation = pearson_corrcoef(said[:, moves], true[:, moves])
        columns = [name for name, moved in zip(ACTION_UNIT_COLUMNS, moves.tolist(), strict=True) if moved]
        result = {"mae": mae.mean().item(), "correlation": correlation.mean().item()}
        result |= {f"mae/{name}": v for name, v in zip(ACTION_UNIT_COLUMNS, mae.tolist(), strict=True)}
        return result | {f"correlation/{name}": v for name, v in zip(columns, correlation.tolist(), strict=True)}
