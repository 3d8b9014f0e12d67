"""The base classes of editors whose denoiser is conditioned on images of the input face: completion, G15, and
G15 fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facekit.diffusion.guidance import guide
from facekit.diffusion.noise import Seeds, noise_stream
from facekit.diffusion.sampler import Denoise
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.emotions import EMOTIONS, PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.embeddings import ExpressionEmbedding, TimestepEmbedding
from facekit.losses.denoising import denoising_loss
from facekit.models.diffusion.unet import NoisePreset
from facekit.models.label import action_unit_labels, label_weights
from facekit.models.limits import Positive
from facekit.models.optimisers import optimiser
from facekit.models.system import Generator


@dataclass(frozen=True)
class EditorPreset(NoisePreset):
    """A denoising editor: architecture, training and editing."""

    spread: Positive = 0.15  # standard deviation of an edit about its prior mean, per pixel; images are in [-1, 1]


class DenoisingEditor(Generator):
    """A denoiser conditioned on a label and on context images, which are concatenated with its noisy input.

    A subclass defines the context images by `context`, and may replace the label (weights over emotions) by another one
    with `label_size` and `label`.

    context_images  number of context images
    """

    understands = frozenset({"emotion", "intensity"})
    context_images: int = 1

    def __init__(self, preset: EditorPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.noise_schedule = preset.noise()
        self.denoiser = EditingDenoiser(preset, channels, self.label_size, self.context_images)

    @property
    def label_size(self) -> int:
        """Columns K of the label."""
        return len(self.preset.emotions)

    def label(self, expression: Expression) -> Tensor:
        """The label (N, K) of an expression."""
        return label_weights(expression, self.preset.emotions, self.name)

    def context(self, images: Tensor, target: Tensor, source: Expression | None) -> tuple[Tensor, ...]:
        """The context images, each (N, C, H, W), of faces (N, C, H, W) that are edited to labels (N, K)."""
        raise NotImplementedError

    def prior_mean(self, *context: Tensor) -> Tensor:
        """The mean of the edited image (N, C, H, W) before denoising, from the context images."""
        return context[0]

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"denoiser": optimiser(self.preset, self.denoiser.parameters())}

    def objective(self, images: Tensor, labels: Tensor, *context: Tensor) -> Tensor:
        """The denoising loss of faces (N, C, H, W) with labels (N, K), given context images."""
        preset, (n, device) = self.preset, (len(images), images.device)
        timestep = torch.randint(preset.timesteps, (n,), device=device)
        noisy = self.noise_schedule.add_noise(images, torch.randn_like(images), timestep)
        keep = torch.rand(n, device=device) >= preset.drop_label
        mean, spread = self._posterior(noisy, timestep, *context)
        return denoising_loss(self.denoiser(noisy, timestep, keep, labels, *context), (images - mean) / spread)

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        images = faces.images
        target = self.label(expression)
        noise = noise_stream(seed, images.shape, images.device)
        denoise = self.guided(target, *self.context(images, target, source))
        return self.preset.sampler.sample(denoise, next(noise), self.noise_schedule, noise=noise)

    def guided(self, label: Tensor, *context: Tensor) -> Denoise:
        """The denoiser under labels (N, K) and context images, with the guidance scale of the preset."""
        return guide(self.clean_estimate, label, *context, label=self.preset.label_guidance)

    def clean_estimate(
        self, noisy: Tensor, timestep: Tensor, keep_label: Tensor, keep_face: Tensor, label: Tensor, *context: Tensor
    ) -> Tensor:
        """The estimate of the clean images (N, C, H, W); `keep_face` is ignored, as the context is never dropped."""
        return self._clean(self.denoiser, noisy, timestep, keep_label, label, *context)

    def _clean(
        self,
        denoiser: EditingDenoiser,
        noisy: Tensor,
        timestep: Tensor,
        keep_label: Tensor,
        label: Tensor,
        *context: Tensor,
    ) -> Tensor:
        """The estimate of the clean images (N, C, H, W) by a denoiser."""
        mean, spread = self._posterior(noisy, timestep, *context)
        return mean + spread * denoiser(noisy, timestep, keep_label, label, *context)

    def _posterior(self, noisy: Tensor, timestep: Tensor, *context: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the clean image given the noisy one, under a Gaussian prior.

        The prior has the mean `prior_mean` and the standard deviation `spread`. The output of the denoiser is relative
        to this posterior: the preconditioning of Karras 2022 (table 1) with a prior mean other than 0, so that an
        output of 0 returns the posterior mean.
        """
        signal, noise = self.noise_schedule.signal_and_noise(timestep, noisy)
        prior, spread = self.prior_mean(*context), self.preset.spread
        total = signal.square() * spread**2 + noise.square()
        mean = prior + signal * spread**2 / total * (noisy - signal * prior)
        return mean, spread * noise / total.sqrt()


class ActionUnitEditor(DenoisingEditor):
    """A denoiser conditioned on the input face and on action units; an emotion is replaced by its prototype.

    The one context image is the face. An edit does not need the source expression.
    """

    understands = frozenset({"emotion", "intensity", "action_units"})
    label_size = len(ACTION_UNIT_COLUMNS)

    def label(self, expression: Expression) -> Tensor:
        if expression.action_units is None:
            self._check_trained(expression)
        return action_unit_labels(expression)

    def _check_trained(self, expression: Expression) -> None:
        """Raise `UnsupportedExpression` for an emotion of the protocol that the training lacked. Others, such as
        contempt, are combinations of action units that it may have had."""
        others = [name for name in EMOTIONS if name not in PROTOCOL_EMOTIONS]
        label_weights(expression, [*self.emotions, "neutral", *others], self.name)  # neutral is no action unit at all

    def context(self, images: Tensor, target: Tensor, source: Expression | None) -> tuple[Tensor, ...]:
        return (images,)


class EditingDenoiser(nn.Module):
    """A U-Net on noisy images and context images, all (N, C, H, W), conditioned on timestep (N,) and label (N, K).

    keep_label  (N,) bool, the faces whose label is used
    """

    def __init__(self, preset: EditorPreset, channels: int, label_size: int, context_images: int) -> None:
        super().__init__()
        self.time = TimestepEmbedding(preset.condition)
        self.label = ExpressionEmbedding(label_size, preset.condition)
        self.unet = preset.unet((1 + context_images) * channels, channels)

    def forward(self, noisy: Tensor, timestep: Tensor, keep_label: Tensor, label: Tensor, *context: Tensor) -> Tensor:
        condition = self.time(timestep) + self.label(label, ~keep_label)
        return self.unet(torch.cat([noisy, *context], 1), condition)
