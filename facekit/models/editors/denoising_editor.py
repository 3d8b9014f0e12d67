"""What the editors have in common that see pictures of the face beside the noise: G15 and the one that teaches it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facekit.diffusion.guidance import guide
from facekit.diffusion.noise import Seeds, noise_stream
from facekit.diffusion.sampler import Denoise
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.embeddings import ExpressionEmbedding, TimestepEmbedding
from facekit.losses.denoising import denoising_loss
from facekit.models.diffusion.unet import NoisePreset
from facekit.models.label import label_weights
from facekit.models.optimisers import optimiser
from facekit.models.system import Generator


@dataclass(frozen=True)
class EditorPreset(NoisePreset):
    """How an editor is built, trained and asked."""

    spread: float = 0.15  # how far, roughly, an edit is from the picture that its estimates are counted from


class DenoisingEditor(Generator):
    """A denoiser that is told a label and shown pictures. A subclass says which pictures, by `show`, and may have
    another label than weights over emotions, by `columns` and `label`.

    shown  how many pictures it is shown
    """

    understands = frozenset({"emotion", "intensity"})
    shown: int = 1

    def __init__(self, preset: EditorPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.noise_schedule = preset.noise()
        self.denoiser = EditingDenoiser(preset, channels, self.columns, self.shown)

    @property
    def columns(self) -> int:
        """Of the label, K."""
        return len(self.preset.emotions)

    def label(self, expression: Expression) -> Tensor:
        """An expression as the denoiser is told it, (N, K)."""
        return label_weights(expression, self.preset.emotions, self.name)

    def show(self, images: Tensor, asked: Tensor, source: Expression | None) -> tuple[Tensor, ...]:
        """The pictures that the denoiser is shown of faces (N, C, H, W) on the way to labels (N, K)."""
        raise NotImplementedError

    def expected(self, *pictures: Tensor) -> Tensor:
        """The picture that, of all that can be told from those shown, is likeliest to be near the answer."""
        return pictures[0]

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"denoiser": optimiser(self.preset, self.denoiser.parameters())}

    def denoising(self, images: Tensor, labels: Tensor, *pictures: Tensor) -> Tensor:
        """The loss of drawing faces (N, C, H, W) with labels (N, K), given pictures."""
        preset, (n, device) = self.preset, (len(images), images.device)
        timestep = torch.randint(preset.timesteps, (n,), device=device)
        noisy = self.noise_schedule.add_noise(images, torch.randn_like(images), timestep)
        keep = torch.rand(n, device=device) >= preset.drop_label
        mean, spread = self._expected(noisy, timestep, *pictures)
        return denoising_loss(self.denoiser(noisy, timestep, keep, labels, *pictures), (images - mean) / spread)

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        images = faces.images
        asked = self.label(expression)
        noise = noise_stream(seed, images.shape, images.device)
        denoise = self.guided(asked, *self.show(images, asked, source))
        return self.preset.sampler.sample(denoise, next(noise), self.noise_schedule, noise=noise)

    def guided(self, label: Tensor, *pictures: Tensor) -> Denoise:
        """The denoiser told labels (N, K) and shown pictures, followed as far as the preset says."""
        return guide(self.clean_estimate, label, *pictures, label=self.preset.label_guidance)

    def clean_estimate(
        self, noisy: Tensor, timestep: Tensor, keep_label: Tensor, keep_face: Tensor, label: Tensor, *pictures: Tensor
    ) -> Tensor:
        """The clean pictures that the denoiser sees behind noisy ones; it is always shown the pictures."""
        mean, spread = self._expected(noisy, timestep, *pictures)
        return mean + spread * self.denoiser(noisy, timestep, keep_label, label, *pictures)

    def _expected(self, noisy: Tensor, timestep: Tensor, *pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the clean picture, were it the expected one give or take `spread` a pixel.

        The denoiser's answer is counted from there, in these units: preconditioning as Karras 2022 (table 1) does it
        about a mean of 0, here about a picture, so that an answer of 0 leaves that as it is.
        """
        signal, noise = self.noise_schedule.signal_and_noise(timestep, noisy)
        picture, spread = self.expected(*pictures), self.preset.spread
        total = signal.square() * spread**2 + noise.square()
        mean = picture + signal * spread**2 / total * (noisy - signal * picture)
        return mean, spread * noise / total.sqrt()


class EditingDenoiser(nn.Module):
    """A U-Net that sees noisy pictures beside some others, all (N, C, H, W), and knows timestep (N,) and, where
    `keep_label` (N,) says so, label (N, K)."""

    def __init__(self, preset: EditorPreset, channels: int, columns: int, shown: int) -> None:
        super().__init__()
        self.time = TimestepEmbedding(preset.condition)
        self.label = ExpressionEmbedding(columns, preset.condition)
        self.unet = preset.unet((1 + shown) * channels, channels)

    def forward(self, noisy: Tensor, timestep: Tensor, keep_label: Tensor, label: Tensor, *pictures: Tensor) -> Tensor:
        condition = self.time(timestep) + self.label(label, ~keep_label)
        return self.unet(torch.cat([noisy, *pictures], 1), condition)
