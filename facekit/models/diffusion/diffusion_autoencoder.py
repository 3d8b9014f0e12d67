"""G14: the diffusion autoencoder (DiffAE, Preechakul 2022), whose encoder is trained jointly with the denoiser.

The semantic code describes the face; the stochastic code, obtained by DDIM inversion, holds the remaining detail, so
that both together reconstruct the face almost exactly. An edit inverts the face, and decodes it with the target label
and a changed code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from facekit.diffusion.sampler import METHODS
from facekit.layers.unet import ConvEncoder
from facekit.models.diffusion.base import CODES, STARTS, DiffusionGenerator, DiffusionPreset
from facekit.models.diffusion.label_diffusion import GPU, LAPTOP, LAPTOP_EDITS, SMOKE
from facekit.models.limits import Count, Counts, OneOf, Several, Weight
from facekit.models.system import evaluating

_EVALUATED = 64  # faces in `evaluate`; each takes as many network evaluations as an edit


@dataclass(frozen=True)
class DiffusionAutoencoderPreset(DiffusionPreset):
    """G14. The label in the condition is an addition of this suite; DiffAE conditions on the code alone."""

    batch: Several = 64
    code_length: Count = 128
    encoder_widths: Counts = (48, 64, 96)
    # A jointly trained encoder also encodes the expression, and the denoiser then ignores the label. With the part of
    # the code that is linear in the label erased, the label is the only source of this information.
    code: Annotated[str, OneOf(CODES)] = "erased"
    method: Annotated[str, OneOf(METHODS)] = "ddim"
    start: Annotated[str, OneOf(STARTS)] = "inverted"
    label_guidance: Weight = 1.5


class DiffusionAutoencoder(DiffusionGenerator):
    """A denoiser conditioned on the label and on the code of an encoder that is trained jointly."""

    name = "diffusion_autoencoder"
    presets: ClassVar = {
        "smoke": DiffusionAutoencoderPreset(**SMOKE, encoder_widths=(16, 32)),
        "laptop": DiffusionAutoencoderPreset(
            **LAPTOP | LAPTOP_EDITS | {"steps": 2500}, encoder_widths=(24, 32, 64)
        ),
        "gpu": DiffusionAutoencoderPreset(**GPU),
        # DiffAE's settings for 64 x 64 pixels (its table 6).
        "paper": DiffusionAutoencoderPreset(
            size=64, widths=(64, 128, 256, 512), attention=(False, False, True, False), factor=1, blocks=2, groups=32,
            condition=512, code_length=512, encoder_widths=(64, 128, 256, 512), optimiser="adamw",
            learning_rate=1e-4, weight_decay=0.0, schedule="constant", warmup=0, ema=0.9999, batch=128, steps=560_000,
            noise_schedule="linear", prediction="noise", sample_steps=100, code="kept",
        ),
    }  # fmt: skip

    def __init__(self, preset: DiffusionAutoencoderPreset, channels: int = 3) -> None:
        self.code_length = preset.code_length
        super().__init__(preset, channels)
        self.encoder = ConvEncoder(
            channels, preset.code_length, widths=preset.encoder_widths, factor=preset.factor, groups=preset.groups
        )

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Reconstructions of faces (N, C, H, W) from both codes."""
        return self._decoded(self.face_code(images), self.invert(images))

    @torch.no_grad()
    def interpolate(self, images: Tensor, others: Tensor, frames: int) -> Tensor:
        """Interpolations between faces (N, C, H, W): (N, frames, C, H, W).

        Semantic codes are interpolated linearly, stochastic codes spherically (DiffAE, §5.1).
        """
        codes, noises = ([call(part) for part in (images, others)] for call in (self.face_code, self.invert))
        weights = torch.linspace(0, 1, frames).tolist()
        return torch.stack([self._decoded(torch.lerp(*codes, w), slerp(*noises, w)) for w in weights], 1)

    def _decoded(self, code: Tensor, start: Tensor) -> Tensor:
        """Faces from their semantic code (N, D) and stochastic code (N, C, H, W), without a label."""
        label = code.new_zeros(len(code), len(self.preset.emotions))
        denoise = self.guided(label, code, label_guidance=0.0, label_only_guidance=0.0)
        return self.preset.sampler.sample(denoise, start, self.noise_schedule, strength=self.preset.strength)

    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """`reconstruction_psnr` in dB, over the first held-out faces."""
        self.to(device)
        images = dataset.faces(range(min(_EVALUATED, len(dataset)))).to(device).images
        with evaluating(self):
            error = (self.reconstruct(images) - images).square().mean((1, 2, 3))
        return {"reconstruction_psnr": (10 * torch.log10(4 / error)).mean().item()}  # peak value 2: from -1 to 1


def slerp(start: Tensor, end: Tensor, weight: float) -> Tensor:
    """Spherical linear interpolation of tensors (N, ...), row by row (Shoemake 1985)."""
    a, b = start.flatten(1), end.flatten(1)
    angle = torch.nn.functional.cosine_similarity(a, b).clamp(-1 + 1e-6, 1 - 1e-6).acos()[:, None]
    between = (((1 - weight) * angle).sin() * a + (weight * angle).sin() * b) / angle.sin()
    return between.view_as(start)
