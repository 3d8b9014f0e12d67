"""G15 fine-tuned against a discriminator: sharp edits by one evaluation of the network.

One step of a denoiser returns the mean of all plausible edits, so that eyes and mouths are blurred; a few steps leave
grain. This system starts as a copy of such an editor, its teacher, and learns to give one plausible edit instead of the
mean (adversarial diffusion distillation, Sauer 2023). Four losses train it:

* **Adversarial loss.** A patch discriminator conditioned on action units (Miyato & Koyama 2018) separates real faces
  from edits. It also receives the high frequencies of the images, from which it learns sooner that edits are blurred.
* **Back-translation.** As in `diffusion_editor`, the editor recovers real faces from edits of them. The inputs are its
  own edits (by the moving average of its weights) or the teacher's. Each input is edited twice in a row and degraded by
  camera noise and blur: one edit leaves traces of the present expression, from which the editor learns to change too
  little. As its edits become sharp, the inputs become more like real faces, and its errors on real faces fall.
* **Feature matching.** The recovered face and the real one have similar features in the discriminator (Wang 2018).
* **Distillation.** Reduced to 16 x 16 pixels, edits stay close to the teacher's, so that the expression is not lost to
  the discriminator.

**Size.** The teacher's images may be smaller than the editor's, by a power of two that the pixel-unshuffle factors
share. The editor then starts as the teacher on reduced images, and learns the detail of the larger ones. An editor of
another architecture than the teacher's starts from random weights, and needs more steps.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.augment import RECIPES, augment
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.initialise import initialise_convolutions
from facekit.layers.patches import PatchDiscriminator
from facekit.layers.unet import copy_from_coarser
from facekit.losses.adversarial import discriminator_loss, generator_loss, lazy_r1_penalty
from facekit.losses.perceptual import feature_matching
from facekit.models.averages import update_average
from facekit.models.editors.denoising_editor import ActionUnitEditor, EditingDenoiser, EditorPreset
from facekit.models.label import has_label
from facekit.models.load import load_system
from facekit.models.optimisers import Muon
from facekit.models.system import Clock, Step, System

_LOSS = "logistic"
_MOMENTUM, _BETAS = 0.5, (0.5, 0.99)  # of both networks, as in the GANs here
_AVERAGE_DECAY = 0.998  # of the moving average that edits the inputs
_DEGRADATION = RECIPES["camera"]  # of the inputs
_DISTILLED_SIZE = 16  # pixels; distillation compares edits at this size


@dataclass(frozen=True)
class AdversarialEditorPreset(EditorPreset):
    """The fine-tuned G15: architecture (the teacher's), training and editing."""

    size: int = 64
    teacher: str = "diffusion_editor-synthetic"  # name or path of the weights that the editor starts from
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    schedule: str = "linear"
    warmup: int = 100
    clip_norm: float | None = None
    ema: float | None = 0.998
    discriminator_rate: float = 4e-3
    discriminator_width: int = 64
    discriminator_layers: int = 4
    discriminator_widest: int = 256
    r1: float = 0.1  # γ of R1 (Mescheder 2018)
    r1_every: int = 16  # steps between computations of R1 (lazy regularisation, Karras 2020, appendix B)
    adversarial: float = 0.5  # weight of the adversarial loss
    absolute: float = 10.0  # weight of the absolute error of back-translation
    squared: float = 400.0  # weight of its squared error
    features: float = 0.5  # weight of feature matching
    distillation: float = 600.0  # weight of distillation; it falls to a share of that in the first half of the run
    distillation_left: float = 0.1  # that share
    own_inputs: float = 0.5  # probability that the inputs of a batch are the editor's own edits; else the teacher's
    sample_steps: int = 1


class AdversarialEditor(ActionUnitEditor):
    """The diffusion editor (G15), fine-tuned against a discriminator. It edits in one step, without guidance."""

    name = "adversarial_editor"
    guided_by = frozenset({"teacher"})
    training_only = frozenset({"average", "discriminator"})
    depends_on: ClassVar = {"teacher": "diffusion_editor"}
    presets: ClassVar = {
        "smoke": AdversarialEditorPreset(steps=20, batch=8, warmup=5, discriminator_width=16),
        "laptop": AdversarialEditorPreset(steps=400),
        "gpu": AdversarialEditorPreset(steps=700),
    }

    def __init__(self, preset: AdversarialEditorPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.average = copy.deepcopy(self.denoiser).requires_grad_(False)
        self.discriminator = PatchDiscriminator(
            channels,
            preset.size,
            0,
            width=preset.discriminator_width,
            layers=preset.discriminator_layers,
            widest=preset.discriminator_widest,
            slope=0.2,
            labels=self.label_size,
            high_frequencies=True,
        )
        initialise_convolutions(self.discriminator, "he")

    @cached_property
    def guidance_networks(self) -> Sequence[System]:
        """The teacher, in a list, which keeps it from becoming a child module."""
        return [load_system(self.preset.teacher).requires_grad_(False)]

    # ------------------------------------------------------------------------------------------- training

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        return {
            "discriminator": Muon(
                self.discriminator.parameters(), preset.discriminator_rate, momentum=_MOMENTUM, betas=_BETAS
            ),
            "generator": Muon(
                self.denoiser.parameters(),
                preset.learning_rate,
                momentum=_MOMENTUM,
                betas=_BETAS,
                weight_decay=preset.weight_decay,
            ),
        }

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        if clock.step == 0:
            if not self.started_from:
                self._start_from_teacher()
            update_average(self.average, self.denoiser, 0, 0.0)
        faces = batch[has_label(batch, self.preset.emotions)]
        images, label = faces.images, self.label(faces.expression).to(faces.images)
        target = _permuted(label)
        edited = self._one_step(self.denoiser, images, target)
        recovered = self._one_step(self.denoiser, self._inputs(images, label), label)
        yield self._discriminator_step(images, edited.detach(), recovered.detach(), label, target, clock)
        yield self._generator_step(images, edited, recovered, label, target, clock)
        update_average(self.average, self.denoiser, clock.step, _AVERAGE_DECAY)

    def _start_from_teacher(self) -> None:
        """Copy the teacher's weights; an editor of another architecture keeps its random ones, with a warning."""
        teacher = self.guidance_networks[0].denoiser
        try:
            copy_from_coarser(self.denoiser.unet, teacher.unet)
        except ValueError as error:
            warnings.warn(f"{self.name} starts from random weights, not as its teacher: {error}", stacklevel=2)
        else:
            self.denoiser.time.load_state_dict(teacher.time.state_dict())
            self.denoiser.label.load_state_dict(teacher.label.state_dict())

    def _one_step(self, denoiser: EditingDenoiser, images: Tensor, label: Tensor) -> Tensor:
        """Edits (N, C, H, W) of faces (N, C, H, W) to labels (N, A) by one step from pure noise."""
        n = len(images)
        last = torch.full((n,), self.preset.timesteps - 1, device=images.device)
        noise, keep = torch.randn_like(images), torch.ones(n, dtype=torch.bool, device=images.device)
        mean, spread = self._posterior(noise, last, images)
        return mean + spread * denoiser(noise, last, keep, label, images)

    @torch.no_grad()
    def _inputs(self, images: Tensor, label: Tensor) -> Tensor:
        """Inputs of back-translation (N, C, H, W): edits of edits of the faces, degraded."""
        own = torch.rand(()).item() < self.preset.own_inputs
        edit = self._average_edits if own else self.teacher_edits
        twice = edit(edit(images, _permuted(label)), _permuted(label))
        return augment(Faces(twice), torch.default_generator, _DEGRADATION).images

    def _average_edits(self, images: Tensor, label: Tensor) -> Tensor:
        return self._one_step(self.average, images, label).clamp(-1, 1)

    def teacher_edits(self, images: Tensor, label: Tensor) -> Tensor:
        """The teacher's edits of faces (N, C, H, W) to labels (N, A), at the editor's size."""
        teacher = self.guidance_networks[0]
        faces = Faces(images).fitted(teacher.preset.size, teacher.channels)
        seeds = torch.randint(2**31, (len(images),)).tolist()
        edited = teacher.edit(faces, Expression(action_units=label), seed=seeds)
        return Faces(edited).fitted(self.preset.size, self.channels).images

    def _discriminator_step(
        self, real: Tensor, edited: Tensor, recovered: Tensor, label: Tensor, target: Tensor, clock: Clock
    ) -> Step:
        preset, n = self.preset, len(real)
        scores, _ = self.discriminator(torch.cat([real, edited, recovered]), torch.cat([label, target, label]))
        adversarial = discriminator_loss(scores[:n], scores[n:], _LOSS)
        scores_of_real = partial(self.discriminator.scores, label=label)
        penalty = lazy_r1_penalty(scores_of_real, real, preset.r1, preset.r1_every, clock.step)
        scalars = {"discriminator/adversarial": adversarial, "discriminator/penalty": penalty}
        return "discriminator", adversarial + penalty, scalars

    def _generator_step(
        self, real: Tensor, edited: Tensor, recovered: Tensor, label: Tensor, target: Tensor, clock: Clock
    ) -> Step:
        preset = self.preset
        scores, _ = self.discriminator(torch.cat([edited, recovered]), torch.cat([target, label]))
        with torch.no_grad():
            features = self.discriminator.maps(real)
        terms = {
            "adversarial": preset.adversarial * generator_loss(scores, _LOSS),
            "absolute": preset.absolute * F.l1_loss(recovered, real),
            "squared": preset.squared * F.mse_loss(recovered, real),
            "features": preset.features * feature_matching(self.discriminator.maps(recovered), features),
        }
        if preset.distillation:
            left = preset.distillation_left
            share = left + (1 - left) * max(0.0, 1 - 2 * clock.progress)
            with torch.no_grad():
                distilled = _reduced(self.teacher_edits(real, target))
            terms["distillation"] = share * preset.distillation * F.mse_loss(_reduced(edited), distilled)
        return "generator", sum(terms.values()), {f"generator/{name}": value for name, value in terms.items()}


def _permuted(labels: Tensor) -> Tensor:
    """Labels in random order, from the global generator."""
    return labels[torch.randperm(len(labels))]


def _reduced(images: Tensor) -> Tensor:
    """Images at the size of distillation."""
    return F.adaptive_avg_pool2d(images, _DISTILLED_SIZE)
