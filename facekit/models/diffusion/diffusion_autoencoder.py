"""G14: the diffusion autoencoder (DiffAE, Preechakul 2022), whose encoder is trained with the denoiser.

Its code says what a face is like, its stochastic code (DDIM's inversion) all that the code does not, so that a face
comes back nearly as it was. An edit changes label and code between the way in and the way out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from facekit.layers.unet import ConvEncoder
from facekit.models.diffusion.base import DiffusionGenerator, DiffusionPreset
from facekit.models.diffusion.label_diffusion import GPU, LAPTOP, LAPTOP_EDITS, SMOKE
from facekit.models.system import evaluating

_MEASURED = 64  # faces of `evaluate`, each of which takes as many network calls as an edit


@dataclass(frozen=True)
class DiffusionAutoencoderPreset(DiffusionPreset):
    """How G14 is built and trained. The label beside the code is the suite's addition; DiffAE has none."""

    code_length: int = 128
    encoder_widths: tuple[int, ...] = (48, 64, 96)
    # An encoder that learns with the denoiser tells it the expression too, and the label is not listened to. Codes that
    # are freed of the label leave no other way to know it, in training as in edits.
    code: str = "erased"
    method: str = "ddim"
    start: str = "inverted"
    label_guidance: float = 1.5


class DiffusionAutoencoder(DiffusionGenerator):
    """A denoiser that is told the label, and the code of an encoder that learns with it."""

    name = "diffusion_autoencoder"
    presets: ClassVar = {
        "smoke": DiffusionAutoencoderPreset(**SMOKE, encoder_widths=(16, 32)),
        "laptop": DiffusionAutoencoderPreset(
            **LAPTOP | LAPTOP_EDITS | {"steps": 2500}, encoder_widths=(24, 32, 64)
        ),
        "gpu": DiffusionAutoencoderPreset(**GPU),
        # DiffAE's own, for 64 x 64 (its table 6), smaller than its 128-pixel ones.
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
        """What is left of faces (N, C, H, W) on their way through both codes."""
        return self._decoded(self.face_code(images), self.invert(images))

    @torch.no_grad()
    def interpolate(self, images: Tensor, others: Tensor, frames: int) -> Tensor:
        """The way from faces to others (N, C, H, W), codes straight and stochastic codes along the sphere that noise
        lies on (DiffAE, §5.1): (N, frames, C, H, W)."""
        codes, noises = ([call(part) for part in (images, others)] for call in (self.face_code, self.invert))
        shares = torch.linspace(0, 1, frames).tolist()
        return torch.stack([self._decoded(torch.lerp(*codes, share), slerp(*noises, share)) for share in shares], 1)

    def _decoded(self, code: Tensor, start: Tensor) -> Tensor:
        """Faces from their code (N, D) and their stochastic one (N, C, H, W), told no label."""
        label = code.new_zeros(len(code), len(self.preset.emotions))
        denoise = self.guided(label, code, label_guidance=0.0, label_only_guidance=0.0)
        return self.preset.sampler.sample(denoise, start, self.noise_schedule, strength=self.preset.strength)

    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """Of the first held-out faces: `reconstruction_psnr` in dB."""
        self.to(device)
        images = dataset.faces(range(min(_MEASURED, len(dataset)))).to(device).images
        with evaluating(self):
            error = (self.reconstruct(images) - images).square().mean((1, 2, 3))
        return {"reconstruction_psnr": (10 * torch.log10(4 / error)).mean().item()}  # from -1 to 1: a peak of 2


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Between two noises (N, ...) along the great circle through both (Shoemake 1985)."""
    a, b = start.flatten(1), end.flatten(1)
    angle = torch.nn.functional.cosine_similarity(a, b).clamp(-1 + 1e-6, 1 - 1e-6).acos()[:, None]
    between = (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / angle.sin()
    return between.view_as(start)
