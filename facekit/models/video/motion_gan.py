"""G18: MotionGAN (Otberdout 2020; P4 §3.2.1). A conditional Wasserstein GAN of motions on the hypersphere.

The generator turns noise, an emotion and the length of the path into a tangent vector at the Karcher mean of the
training motions; the exponential puts it onto the hypersphere. A critic with gradient penalty (Gulrajani 2017) compares
tangent vectors, five steps for one of the generator. Otberdout 2020 adds the L1 distance of a generated vector from a
real one of the same emotion. It pulls all motions of an emotion towards their median, so that it has no weight here but
in the preset `paper`, whose sizes P4 does not give and which are those of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.losses.adversarial import discriminator_loss, generator_loss, gradient_penalty
from facekit.models.limits import Count, Decay, Rate, Weight
from facekit.models.system import Clock, Schedule, Step
from facekit.models.video.motion import MotionMLP, MotionModel, MotionPreset, Motions

_LOSS = "wasserstein"


@dataclass(frozen=True)
class MotionGANPreset(MotionPreset):
    """How MotionGAN is built and trained."""

    learning_rate: Rate = 3e-4
    schedule: Schedule = "linear"
    ema: Decay | None = 0.999
    betas: tuple[Decay, Decay] = (0.0, 0.9)
    critic_steps: Count = 5  # for one of the generator, each on its own share of the batch
    gradient_penalty: Weight = 1.0
    absolute: Weight = 0.0  # weight of the L1 distance from real motions of the same emotion


class MotionGAN(MotionModel):
    """Generates motions by a generative adversarial network."""

    name = "motion_gan"
    training_only = frozenset({"critic"})
    presets: ClassVar = {
        "smoke": MotionGANPreset(components=8, width=32, blocks=1, batch=64, steps=20),
        "laptop": MotionGANPreset(steps=400),
        "gpu": MotionGANPreset(steps=1200),
        "paper": MotionGANPreset(
            steps=8000, learning_rate=1e-4, betas=(0.5, 0.9), gradient_penalty=10.0, absolute=1.0, ema=None,
            schedule="constant",
        ),
    }  # fmt: skip

    def __init__(self, preset: MotionGANPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        k, emotions = preset.components, len(preset.emotions)
        self.generator = MotionMLP(k, emotions, 1, k, preset.width, preset.blocks)
        self.critic = MotionMLP(k, emotions, 1, 1, 2 * preset.width, preset.blocks)

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        adam = partial(torch.optim.Adam, lr=self.preset.learning_rate, betas=self.preset.betas)
        return {"critic": adam(self.critic.parameters()), "generator": adam(self.generator.parameters())}

    def motion_steps(self, motions: Motions, clock: Clock) -> Iterator[Step]:
        rows = torch.randperm(len(motions.levels), device=motions.levels.device).chunk(self.preset.critic_steps)
        for part in rows:
            real = motions[part]
            yield self._critic_step(real, self._generated(real).detach())
        yield self._generator_step(motions[rows[-1]])

    def _generated(self, like: Motions) -> Tensor:
        """Coordinates (N, K) with the labels and levels of real motions."""
        return self.draw(like.labels, like.levels, torch.randn_like(like.coordinates))

    def _critic_step(self, real: Motions, generated: Tensor) -> Step:
        n, numbers = len(generated), real.levels[:, None]
        both = torch.cat([real.coordinates, generated])
        scores = self.critic.outputs(both, real.labels.repeat(2, 1), numbers.repeat(2, 1))
        loss = discriminator_loss(scores[:n], scores[n:], _LOSS)
        critic = lambda vectors: self.critic.outputs(vectors, real.labels, numbers)  # noqa: E731
        penalty = self.preset.gradient_penalty * gradient_penalty(critic, real.coordinates, generated)
        return "critic", loss + penalty, {"critic/distance": -loss.detach(), "critic/penalty": penalty}

    def _generator_step(self, real: Motions) -> Step:
        generated = self._generated(real)
        scores = self.critic.outputs(generated, real.labels, real.levels[:, None])
        loss = generator_loss(scores, _LOSS)
        if self.preset.absolute:
            loss = loss + self.preset.absolute * F.l1_loss(generated, real.coordinates)
        return "generator", loss, {}

    def draw(self, labels: Tensor, levels: Tensor, noise: Tensor) -> Tensor:
        return self.generator.outputs(noise, labels, levels[:, None])
