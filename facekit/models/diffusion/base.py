"""What the diffusion systems have in common (G11 to G14): the denoiser, its training step, and ways to edit with it.

A system says what it knows of a face beside the label, by `encode`; all else is settings of its preset.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from facekit.diffusion.guidance import drop_conditions, guide
from facekit.diffusion.noise import Seeds, noise_stream
from facekit.diffusion.sampler import Denoise
from facekit.diffusion.schedule import DENSITIES
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.codes import LabelledCodes
from facekit.layers.embeddings import CodeEmbedding, ExpressionEmbedding, TimestepEmbedding
from facekit.losses.denoising import denoising_loss
from facekit.models.diffusion.unet import NoisePreset
from facekit.models.label import face_labels, label_weights
from facekit.models.optimisers import optimiser
from facekit.models.system import Clock, Generator, Step, check_choices

STARTS = ("noise", "noised", "inverted")
"""Where an edit's way begins: pure noise; the face taken part of the way into noise (Meng 2022); its own stochastic
code, by DDIM's inversion (Preechakul 2022)."""

CODES = ("kept", "erased", "replaced")
"""What becomes of the label's linear share in a face's code: nothing; taken out, in training too; replaced, in edits,
by that of the label asked for. See `facekit.layers.codes`."""


@dataclass(frozen=True)
class DiffusionPreset(NoisePreset):
    """How a diffusion system is built, trained, and asked."""

    prediction: str = "velocity"
    timestep_density: str = "uniform"  # of what it is trained on, one of `DENSITIES`
    drop_label: float = 0.15
    drop_face: float = 0.15  # and without their code, independently
    code: str = "kept"  # one of `CODES`
    sample_steps: int = 20
    start: str = "noise"  # one of `STARTS`
    strength: float = 1.0  # share of the way into noise, of a start from the face
    label_guidance: float = 2.0
    face_guidance: float = 1.0  # other than 1 only for systems with codes
    label_only_guidance: float = (
        0.0  # by what the label changes in nobody's face; other than 0 only for systems with codes
    )


class Denoiser(nn.Module):
    """A U-Net that knows the timestep and, where it is told, the label and the face's code.

    noisy       (N, C, H, W)
    timestep    (N,)
    keep_label  (N,) bool, which faces' labels are told; keep_face likewise of codes
    label       (N, K); code (N, D), where there are codes

    Returns (N, C, H, W): the noise, the clean picture or the velocity, as the preset says. P1 joins its two embeddings
    end to end; here each fills the whole length and they are added, of which P1's form is a special case.
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
    """A diffusion model that is told a label, and by subclasses a code of the face."""

    understands = frozenset({"emotion", "intensity"})
    code_length: ClassVar[int] = 0

    def __init__(self, preset: DiffusionPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        check_choices(preset, start=STARTS, code=CODES, timestep_density=DENSITIES)
        self.noise_schedule = preset.noise()
        self.denoiser = Denoiser(preset, channels, self.code_length)
        self.codes = LabelledCodes(self.code_length, len(preset.emotions)) if self.code_length else None

    def encode(self, images: Tensor) -> Tensor:
        """What is known of faces (N, C, H, W) beside their label, (N, code_length)."""
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
        """The code of faces (N, C, H, W) as the denoiser is told it, (N, D); for an edit, to a label (N, K)."""
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
        """The clean pictures that the denoiser sees behind noisy ones; the arguments are those of `Denoiser`."""
        output = self.denoiser(noisy, timestep, keep_label, keep_face, label, code)
        return self.noise_schedule.to_clean(output, noisy, timestep, self.preset.prediction)

    def guided(self, label: Tensor, code: Tensor, shown: Tensor | None = None, **scales: float) -> Denoise:
        """The denoiser told labels (N, K) and codes (N, D), followed as far as scales of the preset say.

        shown   labels (N, K) of what the faces show, where that is known
        scales  fields of the preset that are to be other than there
        """
        preset = dataclasses.replace(self.preset, **scales)
        return guide(
            self.clean_estimate,
            label,
            code,
            label=preset.label_guidance,
            face=preset.face_guidance,
            label_only=preset.label_only_guidance,
            source_label=shown,
        )

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        preset, images = self.preset, faces.images
        asked = label_weights(expression, preset.emotions, self.name)
        shown = None if source is None else label_weights(source, preset.emotions, self.name)
        noise = noise_stream(seed, images.shape, images.device)
        strength = 1.0 if preset.start == "noise" else preset.strength
        return preset.sampler.sample(
            self.guided(asked, self.face_code(images, asked), shown),
            self._start(images, shown, noise),
            self.noise_schedule,
            strength=strength,
            noise=noise,
        )

    def _start(self, images: Tensor, shown: Tensor | None, noise: Iterator[Tensor]) -> Tensor:
        preset = self.preset
        if preset.start == "noise":
            return next(noise)
        if preset.start == "noised":
            return preset.sampler.noised(images, next(noise), self.noise_schedule, preset.strength)
        return self.invert(images, shown)

    def invert(self, images: Tensor, shown: Tensor | None = None) -> Tensor:
        """The stochastic code of faces (N, C, H, W): the noise from which they come back, as far as `strength` goes.

        shown  labels (N, K) of what they show; without, the denoiser is not told one
        """
        label = images.new_zeros(len(images), len(self.preset.emotions)) if shown is None else shown
        known = float(shown is not None)
        denoise = self.guided(
            label, self.face_code(images), label_guidance=known, face_guidance=1.0, label_only_guidance=0.0
        )
        return self.preset.sampler.invert(denoise, images, self.noise_schedule, strength=self.preset.strength)

    @torch.no_grad()
    def sample(self, expression: Expression, *, seed: Seeds = 0, faces: Faces | None = None) -> Tensor:
        """New faces from noise with an expression: (N, C, H, W) in [-1, 1].

        faces  whose code guides them, where the system has codes; without, nobody's
        """
        preset = self.preset
        expression.require(self.understands, self.name)
        device = self.device
        label = label_weights(expression, preset.emotions, self.name).to(device)
        shape = (len(label), self.channels, preset.size, preset.size)
        noise = noise_stream(seed, shape, device)
        if faces is None:
            denoise = self._without_face(label)
        else:
            denoise = self.guided(label, self.face_code(faces.images.to(device), label))
        return preset.sampler.sample(denoise, next(noise), self.noise_schedule, noise=noise)

    def _without_face(self, label: Tensor) -> Denoise:
        """The denoiser told labels and nobody's code."""
        code = label.new_zeros(len(label), self.code_length)

        def answer(noisy, timestep, keep_label, keep_face, label, code):
            return self.clean_estimate(noisy, timestep, keep_label, torch.zeros_like(keep_face), label, code)

        return guide(answer, label, code, label=self.preset.label_guidance)
