"""Motions by conditional flow matching (Lipman 2023), the rival of MotionGAN: the same tangent space, another model.

A network learns the velocity of straight paths from noise to real motions; a motion is drawn by following it from
noise. There is no critic, no alternation, and one mean squared error that falls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.models.limits import Count, Decay, Rate
from facekit.models.system import Clock, Schedule, Step
from facekit.models.video.motion import MotionMLP, MotionModel, MotionPreset, Motions

_TIMES = 8  # numbers that a time is presented as


@dataclass(frozen=True)
class MotionFlowPreset(MotionPreset):
    """How the flow of motions is built and trained."""

    learning_rate: Rate = 1e-3
    schedule: Schedule = "linear"
    ema: Decay | None = 0.999
    sample_steps: Count = 24  # of the midpoint rule


class MotionFlow(MotionModel):
    """Generates motions by a flow from noise."""

    name = "motion_flow"
    presets: ClassVar = {
        "smoke": MotionFlowPreset(components=8, width=32, blocks=1, batch=64, steps=20, sample_steps=4),
        "laptop": MotionFlowPreset(steps=400),
        "gpu": MotionFlowPreset(steps=1200),
    }

    def __init__(self, preset: MotionFlowPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        k = preset.components
        self.velocity = MotionMLP(k, len(preset.emotions), 1 + _TIMES, k, preset.width, preset.blocks)

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"velocity": torch.optim.AdamW(self.velocity.parameters(), self.preset.learning_rate, weight_decay=1e-4)}

    def motion_steps(self, motions: Motions, clock: Clock) -> Iterator[Step]:
        noise = torch.randn_like(motions.coordinates)
        time = torch.rand(len(noise), device=noise.device)
        between = torch.lerp(noise, motions.coordinates, time[:, None])
        predicted = self._velocity(between, motions.labels, motions.levels, time)
        yield "velocity", F.mse_loss(predicted, motions.coordinates - noise), {}

    def _velocity(self, vectors: Tensor, labels: Tensor, levels: Tensor, time: Tensor) -> Tensor:
        frequencies = 2 ** torch.arange(_TIMES // 2, device=time.device) * (torch.pi / 2)
        angles = time[:, None] * frequencies
        return self.velocity.outputs(vectors, labels, torch.cat([levels[:, None], angles.sin(), angles.cos()], 1))

    def draw(self, labels: Tensor, levels: Tensor, noise: Tensor) -> Tensor:
        steps, x = self.preset.sample_steps, noise
        for i in range(steps):
            time = torch.full((len(x),), i / steps, device=x.device)
            half = x + self._velocity(x, labels, levels, time) / (2 * steps)
            x = x + self._velocity(half, labels, levels, time + 0.5 / steps) / steps
        return x
