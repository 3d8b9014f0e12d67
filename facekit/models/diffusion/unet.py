"""Presets of systems that consist of a U-Net: its architecture, its training, and its noise schedule."""

from __future__ import annotations

from dataclasses import dataclass

from facekit.diffusion.sampler import Sampler
from facekit.diffusion.schedule import NoiseSchedule
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.layers.unet import UNet
from facekit.models.system import Preset, check_choices


@dataclass(frozen=True)
class UNetPreset(Preset):
    """The architecture of a U-Net, with the arguments of `facekit.layers.unet.UNet`, and its training."""

    optimiser: str = "muon"
    learning_rate: float = 6e-3
    weight_decay: float = 1e-3
    schedule: str = "cosine"
    warmup: int = 200
    clip_norm: float | None = 1.0
    ema: float | None = 0.999
    widths: tuple[int, ...] = (48, 72, 80)
    blocks: int = 1
    attention: tuple[bool, ...] = (False, False, False)
    factor: int = 2
    heads: int = 2
    groups: int = 8
    dropout: float = 0.0
    condition: int = 96  # length of the condition embedding
    norm: str = "adaptive"
    emotions: tuple[str, ...] = PROTOCOL_EMOTIONS  # the columns of the label

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

    augment: str = "flip"
    noise_schedule: str = "cosine"  # or "linear"
    timesteps: int = 1000
    drop_label: float = 0.1  # probability that a label is dropped in training, for classifier-free guidance
    method: str = "dpm++"  # of the sampler
    sample_steps: int = 4
    label_guidance: float = 1.0

    @property
    def sampler(self) -> Sampler:
        """The sampler of edits and samples."""
        return Sampler(self.method, self.sample_steps)

    def noise(self) -> NoiseSchedule:
        """The noise schedule."""
        check_choices(self, noise_schedule=("linear", "cosine"))
        return getattr(NoiseSchedule, self.noise_schedule)(self.timesteps)
