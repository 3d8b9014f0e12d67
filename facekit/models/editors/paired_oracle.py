"""The paired oracle: a U-Net trained on ground-truth edits, an upper bound for systems that have no pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from facekit.diffusion.noise import Seeds
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.embeddings import ExpressionEmbedding
from facekit.losses.denoising import denoising_loss
from facekit.models.diffusion.unet import UNetPreset
from facekit.models.label import face_labels, label_weights
from facekit.models.optimisers import optimiser
from facekit.models.system import CannotTrain, Clock, Generator, Step


class PairedOracle(Generator):
    """Predicts the change of a face under a label, by least squares on ground-truth pairs (`SyntheticPairs`)."""

    name = "paired_oracle"
    understands = frozenset({"emotion", "intensity"})
    default_data = "synthetic_pairs"
    presets: ClassVar = {
        "smoke": UNetPreset(widths=(16, 32), attention=(False, False), steps=60, warmup=10),
        "laptop": UNetPreset(steps=2500),
        "gpu": UNetPreset(size=64, steps=3000),
    }

    def __init__(self, preset: UNetPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.changer = Changer(preset, channels)

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"changer": optimiser(self.preset, self.parameters())}

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        if batch.frames != 2:
            raise CannotTrain(
                f"{self.name} is trained on pairs of a face and its ground-truth edit: use --data synthetic_pairs"
            )
        face, ground_truth = batch.images.unbind(1)
        label, _ = face_labels(batch, self.preset.emotions)
        yield "changer", denoising_loss(face + self.changer(face, label[:, 1]), ground_truth), {}

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        return faces.images + self.changer(faces.images, label_weights(expression, self.preset.emotions, self.name))


class Changer(nn.Module):
    """Faces (N, C, H, W) and labels (N, K) to the change of the faces (N, C, H, W)."""

    def __init__(self, preset: UNetPreset, channels: int) -> None:
        super().__init__()
        self.label = ExpressionEmbedding(len(preset.emotions), preset.condition)
        self.unet = preset.unet(channels, channels)

    def forward(self, faces: Tensor, label: Tensor) -> Tensor:
        return self.unet(faces, self.label(label))
