"""The base class of the diffusion systems (G11 to G14): the denoiser, its training step, editing and sampling.

A subclass defines the code of a face by `encode`; all other differences are settings of the preset.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from facekit.diffusion.guidance import drop_conditions, guide
from facekit.diffusion.noise import Seeds, noise_stream
from facekit.diffusion.sampler import Denoise
from facekit.diffusion.schedule import DENSITIES, PREDICTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.codes import LabelledCodes
from facekit.layers.embeddings import CodeEmbedding, ExpressionEmbedding, TimestepEmbedding
from facekit.losses.denoising import denoising_loss
from facekit.models.diffusion.unet import NoisePreset
from facekit.models.label import face_labels, label_weights
from facekit.models.limits import Count, Fraction, OneOf, Share, Weight
from facekit.models.optimisers import optimiser
from facekit.models.system import Clock, Generator, Step

STARTS = ("noise", "noised", "inverted")
"""The start of an edit: pure noise; the face with noise added (SDEdit, Meng 2022); the face's stochastic code by DDIM
inversion (Preechakul 2022)."""

CODES = ("kept", "erased", "replaced")
"""The treatment of the part of a face's code that is linear in the label: it is kept; it is erased, in training too; in
edits it is replaced by that of the target label. See `facekit.layers.codes`."""


@dataclass(frozen=True)
class DiffusionPreset(NoisePreset):
    """A diffusion system: architecture, training and editing."""

    prediction: Annotated[str, OneOf(PREDICTIONS)] = "velocity"
    timestep_density: Annotated[str, OneOf(DENSITIES)] = "uniform"  # of the timesteps in training
    drop_label: Share = 0.15
    drop_face: Share = 0.15  # probability that a code is dropped in training, independently of the label
    code: Annotated[str, OneOf(CODES)] = "kept"
    sample_steps: Count = 20
    start: Annotated[str, OneOf(STARTS)] = "noise"
    strength: Fraction = 1.0  # fraction of the noise levels that an edit traverses, for a start from the face
    label_guidance: Weight = 2.0
    face_guidance: Weight = 1.0  # other than 1 only for systems with codes
    label_only_guidance: Weight = 0.0  # s_only of `guide`; other than 0 only for systems with codes


class Denoiser(nn.Module):
    """A U-Net conditioned on the timestep, the label and the code of the face.

    noisy       (N, C, H, W)
    timestep    (N,)
    keep_label  (N,) bool, the faces whose label is used; `keep_face` likewise for codes
    label       (N, K); code (N, D), where there are codes

    Returns (N, C, H, W): the noise, the clean image or the velocity, according to the preset. P1 concatenates its two
    embeddings; here embeddings of the full length are added, which includes P1's form as a special case.
    """

    def __init__(self, preset: DiffusionPreset, channels: int, code: int = 0) -> None:
        super().__init__()
        self.time = TimestepEmbedding(preset.condition)
        self.label = ExpressionEmbedding(len(preset.emotions), preset.condition)
        self.code = CodeEmbedding(code, preset.condition) if code else None
        self.unet = preset.unet(channels, channels)

    def forward(
        self, noisy: Tensor, timestep: Tensor, keep_label: Tensor, keep_face: Tensor, label: Tensor, code: Tensor
    ) -> Tensor:
        condition = self.time(timestep) + self.label(label, ~keep_label)
        if self.code is not None:
            condition = condition + self.code(code, ~keep_face)
        return self.unet(noisy, condition)


class DiffusionGenerator(Generator):
    """A diffusion model conditioned on the label and, in subclasses, on a code of the face."""

    understands = frozenset({"emotion", "intensity"})
    code_length: ClassVar[int] = 0

    def __init__(self, preset: DiffusionPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.noise_schedule = preset.noise()
        self.denoiser = Denoiser(preset, channels, self.code_length)
        self.codes = LabelledCodes(self.code_length, len(preset.emotions)) if self.code_length else None

    def encode(self, images: Tensor) -> Tensor:
        """The codes of faces (N, C, H, W), which condition the denoiser beside the label: (N, code_length)."""
        return images.new_empty(len(images), 0)

    # ------------------------------------------------------------------------------------------- training

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"denoiser": optimiser(self.preset, self.parameters())}

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        preset, images = self.preset, batch.images
        n, device = len(images), images.device
        label, known = face_labels(batch, preset.emotions)
        code = self._training_code(images, label, known)
        keep_label, keep_face = drop_conditions(n, preset.drop_label, preset.drop_face, device=device)
        timestep = self.noise_schedule.sample_timesteps(n, preset.timestep_density, device)
        noise = torch.randn_like(images)
        noisy = self.noise_schedule.add_noise(images, noise, timestep)
        output = self.denoiser(noisy, timestep, keep_label & known, keep_face, label, code)
        target = self.noise_schedule.target(images, noise, timestep, preset.prediction)
        yield "denoiser", denoising_loss(output, target), {}

    def _training_code(self, images: Tensor, label: Tensor, known: Tensor) -> Tensor:
        if self.codes is None:
            return self.encode(images)
        code = self.codes(self.encode(images))
        self.codes.observe(code[known], label[known])
        return self.codes.erase(code) if self.preset.code == "erased" else code

    # ---------------------------------------------------------------------------------------------- in use

    def face_code(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """The codes of faces (N, C, H, W) in the condition of the denoiser, (N, D).

        label  the target label (N, K) of an edit
        """
        code = self.encode(images)
        if self.codes is None:
            return code
        code = self.codes(code)
        if self.preset.code == "erased":
            return self.codes.erase(code)
        return self.codes.replace(code, label) if self.preset.code == "replaced" and label is not None else code

    def clean_estimate(
        self, noisy: Tensor, timestep: Tensor, keep_label: Tensor, keep_face: Tensor, label: Tensor, code: Tensor
    ) -> Tensor:
        """The denoiser's estimate of the clean images; the arguments are those of `Denoiser`."""
        output = self.denoiser(noisy, timestep, keep_label, keep_face, label, code)
        return self.noise_schedule.to_clean(output, noisy, timestep, self.preset.prediction)

    def guided(self, label: Tensor, code: Tensor, source: Tensor | None = None, **scales: float) -> Denoise:
        """The denoiser under labels (N, K) and codes (N, D), with the guidance scales of the preset.

        source  labels (N, K) of the input faces, where they are known
        scales  guidance scales of the preset, by field, that take another value
        """
        preset = dataclasses.replace(self.preset, **scales)
        return guide(
            self.clean_estimate,
            label,
            code,
            label=preset.label_guidance,
            face=preset.face_guidance,
            label_only=preset.label_only_guidance,
            source_label=source,
        )

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        preset, images = self.preset, faces.images
        target = label_weights(expression, preset.emotions, self.name)
        source_label = None if source is None else label_weights(source, preset.emotions, self.name)
        noise = noise_stream(seed, images.shape, images.device)
        strength = 1.0 if preset.start == "noise" else preset.strength
        return preset.sampler.sample(
            self.guided(target, self.face_code(images, target), source_label),
            self._start(images, source_label, noise),
            self.noise_schedule,
            strength=strength,
            noise=noise,
        )

    def _start(self, images: Tensor, source: Tensor | None, noise: Iterator[Tensor]) -> Tensor:
        """The noisy images (N, C, H, W) at which an edit starts, as the preset's `start` says."""
        preset = self.preset
        if preset.start == "noise":
            return next(noise)
        if preset.start == "noised":
            return preset.sampler.noised(images, next(noise), self.noise_schedule, preset.strength)
        return self.invert(images, source)

    def invert(self, images: Tensor, source: Tensor | None = None) -> Tensor:
        """The stochastic codes (N, C, H, W) of faces, at the noise level of the preset's `strength`.

        source  their labels (N, K); None inverts without a label
        """
        label = images.new_zeros(len(images), len(self.preset.emotions)) if source is None else source
        known = float(source is not None)
        denoise = self.guided(
            label, self.face_code(images), label_guidance=known, face_guidance=1.0, label_only_guidance=0.0
        )
        return self.preset.sampler.invert(denoise, images, self.noise_schedule, strength=self.preset.strength)

    @torch.no_grad()
    def sample(self, expression: Expression, *, seed: Seeds = 0, faces: Faces | None = None) -> Tensor:
        """Sample new faces with an expression: (N, C, H, W) in [-1, 1].

        faces  faces whose codes condition the samples, where the system has codes; None samples from the label alone
        """
        preset = self.preset
        expression.require(self.understands, self.name)
        device = self.device
        label = label_weights(expression, preset.emotions, self.name).to(device)
        shape = (len(label), self.channels, preset.size, preset.size)
        noise = noise_stream(seed, shape, device)
        if faces is None:
            denoise = self._guided_by_label(label)
        else:
            denoise = self.guided(label, self.face_code(faces.images.to(device), label))
        return preset.sampler.sample(denoise, next(noise), self.noise_schedule, noise=noise)

    def _guided_by_label(self, label: Tensor) -> Denoise:
        """The denoiser under labels (N, K) with the codes dropped."""
        code = label.new_zeros(len(label), self.code_length)

        def estimate(noisy, timestep, keep_label, keep_face, label, code):
            return self.clean_estimate(noisy, timestep, keep_label, torch.zeros_like(keep_face), label, code)

        return guide(estimate, label, code, label=self.preset.label_guidance)
