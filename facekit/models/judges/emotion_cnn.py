"""E1: the convolutional emotion classifier of P1 (§4.3), whose penultimate layer is a semantic encoding.

It is the encoder of G12, and may be used in the training of generators. It must not judge generators that depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from facekit.layers.initialise import initialise
from facekit.models.judges.emotion import ClassifierPreset, EmotionClassifier
from facekit.models.limits import Count, Counts, Decay, Rate, Weight
from facekit.models.system import Augmentation, Schedule


@dataclass(frozen=True)
class EmotionCNNPreset(ClassifierPreset):
    """E1. P1 states neither widths nor optimiser; these are choices of this suite."""

    learning_rate: Rate = 1e-3
    schedule: Schedule = "cosine"
    batch: Count = 128
    augment: Augmentation = "affine"
    weight_decay: Weight = 1e-2
    widths: Counts = (32, 64, 128)  # of the stages, each of which halves the resolution
    hidden: Count = 256  # first layer of the MLP
    encoding: Count = 128  # penultimate layer, returned by `features`
    dropout: Decay = 0.3


class EmotionCNN(EmotionClassifier):
    """Stages of two 3 x 3 convolutions and a max pooling, then an MLP of three layers (in the style of VGG)."""

    name = "emotion_cnn"
    presets: ClassVar = {
        "smoke": EmotionCNNPreset(widths=(16, 32, 64), steps=60, batch=64, augment="none"),
        "laptop": EmotionCNNPreset(steps=1500),
        "gpu": EmotionCNNPreset(steps=8000, batch=256),
        "paper": EmotionCNNPreset(steps=20000, batch=256),
    }

    def __init__(self, preset: EmotionCNNPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        stages, width_in = [], self.input_channels
        for width in preset.widths:
            stages += [*_convolution(width_in, width), *_convolution(width, width), nn.MaxPool2d(2)]
            width_in = width
        self.stages = nn.Sequential(*stages)
        side = preset.size // 2 ** len(preset.widths)
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(preset.dropout),
            nn.Linear(width_in * side**2, preset.hidden),
            nn.ReLU(),
            nn.Dropout(preset.dropout),
            nn.Linear(preset.hidden, preset.encoding),
            nn.ReLU(),
        )
        self.head = nn.Linear(preset.encoding, len(self.emotions))
        initialise(self)

    def features(self, images: Tensor) -> Tensor:
        """The semantic encoding of P1: the penultimate layer of the MLP, (N, encoding), non-negative."""
        return self.encoder(self.stages(self.prepare(images)))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Feature maps of images (N, C, H, W) after each stage, (N, widths[i], size / 2^(i+1), the same);
        differentiable."""
        maps, h = [], self.prepare(images)
        for layer in self.stages:
            h = layer(h)
            if isinstance(layer, nn.MaxPool2d):
                maps.append(h)
        return maps

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        return {
            "classifier": torch.optim.AdamW(self.parameters(), preset.learning_rate, weight_decay=preset.weight_decay)
        }


def _convolution(channels_in: int, channels_out: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )
