"""Presets of systems that consist of a U-Net: its architecture, its training, and its noise schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from facekit.diffusion.sampler import METHODS, Sampler
from facekit.diffusion.schedule import NOISE_SCHEDULES, NoiseSchedule
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.layers.unet import NORMS, UNet
from facekit.models.limits import Count, Counts, Decay, Emotions, OneOf, Positive, Rate, Share, Weight, Whole
from facekit.models.optimisers import OptimiserName
from facekit.models.system import Augmentation, Preset, Schedule


@dataclass(frozen=True)
class UNetPreset(Preset):
    """The architecture of a U-Net, with the arguments of `facekit.layers.unet.UNet`, and its training."""

    optimiser: OptimiserName = "muon"
    learning_rate: Rate = 6e-3
    weight_decay: Weight = 1e-3
    schedule: Schedule = "cosine"
    warmup: Whole = 200
    clip_norm: Positive | None = 1.0
    ema: Decay | None = 0.999
    widths: Counts = (48, 72, 80)
    blocks: Count = 1
    attention: tuple[bool, ...] = (False, False, False)
    factor: Count = 2
    heads: Count = 2
    groups: Count = 8
    dropout: Decay = 0.0
    condition: Count = 96  # length of the condition embedding
    norm: Annotated[str, OneOf(NORMS)] = "adaptive"
    emotions: Emotions = PROTOCOL_EMOTIONS  # the columns of the label

    @property
    def multiple(self) -> int:
        return self.factor * 2 ** (len(self.widths) - 1)

    def unet(self, channels_in: int, channels_out: int) -> UNet:
        """The U-Net of these fields."""
        return UNet(
            channels_in,
            channels_out,
            widths=self.widths,
            blocks=self.blocks,
            condition=self.condition,
            attention=self.attention,
            factor=self.factor,
            heads=self.heads,
            groups=self.groups,
            dropout=self.dropout,
            norm=self.norm,
        )


@dataclass(frozen=True)
class NoisePreset(UNetPreset):
    """The training of a U-Net as a denoiser, and its sampler."""

    augment: Augmentation = "flip"
    noise_schedule: Annotated[str, OneOf(NOISE_SCHEDULES)] = "cosine"
    timesteps: Count = 1000
    drop_label: Share = 0.1  # probability that a label is dropped in training, for classifier-free guidance
    method: Annotated[str, OneOf(METHODS)] = "dpm++"  # of the sampler
    sample_steps: Count = 4
    label_guidance: Weight = 1.0

    @property
    def sampler(self) -> Sampler:
        """The sampler of edits and samples."""
        return Sampler(self.method, self.sample_steps)

    def noise(self) -> NoiseSchedule:
        """The noise schedule."""
        return getattr(NoiseSchedule, self.noise_schedule)(self.timesteps)
