"""E2: a ResNet-18 emotion classifier for images of 48 to 64 pixels (P2 §4.2), used for evaluation only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from facekit.layers.initialise import initialise
from facekit.layers.residual import ResidualTrunk
from facekit.models.judges.emotion import ClassifierPreset, EmotionClassifier
from facekit.models.limits import Count, Counts, Decay, Rate, Whole
from facekit.models.system import Augmentation, Schedule


@dataclass(frozen=True)
class EmotionResNetPreset(ClassifierPreset):
    """E2: architecture and training."""

    learning_rate: Rate = 0.1  # of SGD with Nesterov momentum 0.9
    schedule: Schedule = "cosine"
    batch: Count = 128
    warmup: Whole = 100
    augment: Augmentation = "affine_erase"
    ema: Decay | None = 0.998
    widths: Counts = (64, 96, 128, 160)
    blocks: Counts = (2, 2, 2, 2)
    factor: Count = 2  # of the pixel-unshuffle stem; 1 keeps the full resolution, at a third of the speed
    dropout: Decay = 0.2


class EmotionResNet(EmotionClassifier):
    """ResNet-18 with a 3 x 3 stem and without the initial pooling, since images of 48 pixels are small already.

    `laptop` has 1.93 M parameters, 3.9 MB in half precision; `paper` has the widths of He 2016, 11.2 M.
    """

    name = "emotion_resnet"
    presets: ClassVar = {
        "smoke": EmotionResNetPreset(widths=(16, 32, 48), blocks=(1, 1, 1), ema=None, steps=60, batch=64, warmup=5),
        "laptop": EmotionResNetPreset(steps=5500),
        "gpu": EmotionResNetPreset(steps=8000, batch=256),
        "paper": EmotionResNetPreset(widths=(64, 128, 256, 512), factor=1, steps=22500),
    }

    def __init__(self, preset: EmotionResNetPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.trunk = ResidualTrunk(self.input_channels, preset.widths, preset.blocks, preset.factor)
        self.dropout = nn.Dropout(preset.dropout)
        self.head = nn.Linear(self.trunk.width, len(self.emotions))
        initialise(self)

    def features(self, images: Tensor) -> Tensor:
        """The pooled features, the input of the last layer: (N, widths[-1]), non-negative."""
        return self.trunk(self.prepare(images))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Feature maps of images (N, C, H, W), as `ResidualTrunk.maps`; differentiable."""
        return self.trunk.maps(self.prepare(images))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(images)))

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        sgd = torch.optim.SGD(
            self.parameters(), preset.learning_rate, momentum=0.9, nesterov=True, weight_decay=preset.weight_decay
        )
        return {"classifier": sgd}
