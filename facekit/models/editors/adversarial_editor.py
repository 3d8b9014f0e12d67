"""G15, fine-tuned against discriminators: sharp edits by one evaluation of the network.

One step of a denoiser returns the mean of all plausible edits, so that eyes and mouths are blurred; a few steps leave
grain. This system starts as a copy of such an editor, its teacher, and learns to give one plausible edit instead of the
mean (adversarial diffusion distillation, Sauer 2023). Six losses train it on drawn faces:

* **Adversarial loss.** A patch discriminator conditioned on action units (Miyato & Koyama 2018) separates real faces
  from edits. It also receives the high frequencies of the images, from which it learns sooner that edits are blurred.
* **Adversarial loss of features.** A second discriminator sees the feature maps of an estimator of action units
  (projected GAN, Sauer 2021). It also learns to reject real faces with the action units of other faces (matching-aware
  discriminator, Reed 2016), and so finds remains of the former expression, which are no less real than the rest.
* **Action units.** The estimator finds the same action units in an edit as in the real face whose units are the target.
  The estimator sees edits augmented at random, since patterns that merely please one network do not survive that.
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

**Ground truth.** Drawn faces have what photographs lack: the same face with another expression. On such data
(`synthetic_transfers`) this face is the input, in place of a back-translated one, and edits whose ground truth is
unknown are left out. With `sees_input` the discriminators of images see the input beside the edit (Isola 2017). They
then find lips of another colour, and a shine on the wall behind a chin, which are no less real by themselves.

**Photographs.** They have emotions but no action units, and the teacher and the estimator, trained on drawn faces, are
of little use for them. An emotion classifier that was trained on photographs takes their place: the second
discriminator sees its feature maps, and a further loss requires that it classifies edits, augmented at random, as the
target emotion. Without that loss the editor soon returns its inputs: real faces are realistic and easily recovered, and
the discriminators learn too late that the copies do not have their labels.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.faces.augment import Recipe, augment
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.initialise import initialise_convolutions
from facekit.layers.local_global import REGIONS
from facekit.layers.patches import FeatureDiscriminator, PatchDiscriminator
from facekit.layers.unet import copy_from_coarser
from facekit.losses.adversarial import discriminator_loss, generator_loss, lazy_r1_penalty
from facekit.losses.attribute import condition_loss
from facekit.losses.perceptual import feature_matching
from facekit.models.averages import update_average
from facekit.models.editors.denoising_editor import ActionUnitEditor, EditingDenoiser, EditorPreset
from facekit.models.guided import Guided
from facekit.models.judges.predictor import FacePredictor
from facekit.models.label import has_expression
from facekit.models.limits import Count, Decay, Positive, Rate, Share, Weight, Whole
from facekit.models.optimisers import Muon
from facekit.models.system import CannotTrain, Clock, Schedule, Step
from facekit.models.teacher import edited_twice, teacher_edits

_LOSS = "logistic"
_FEATURE_NETWORKS = ("estimator", "classifier")
_MOMENTUM, _BETAS = 0.5, (0.5, 0.99)  # of both networks, as in the GANs here
_AVERAGE_DECAY = 0.998  # of the moving average that edits the inputs
# Augmentation of the edits that the estimator sees.
_ESTIMATED = Recipe(rotate=10, scale=0.1, shift=0.06, light=0.1, blur=1.2, noise=0.03)
_DISTILLED_SIZE = 16  # pixels; distillation compares edits at this size


@dataclass(frozen=True)
class AdversarialEditorPreset(EditorPreset):
    """The fine-tuned G15: architecture (the teacher's), training and editing."""

    size: Count = 64
    teacher: str | None = "diffusion_editor-synthetic"  # name or path of the weights that the editor starts from
    estimator: str | None = "action_units-synthetic_estimator"  # name or path of weights that estimate action units
    classifier: str | None = None  # name or path of an emotion classifier's weights, for photographs
    batch: Count = 32
    learning_rate: Rate = 2e-3
    weight_decay: Weight = 0.0
    schedule: Schedule = "linear"
    warmup: Whole = 100
    clip_norm: Positive | None = None
    ema: Decay | None = 0.998
    discriminator_rate: Rate = 6e-3
    discriminator_alone: Whole = 100  # steps at the start in which the discriminators learn alone
    discriminator_width: Count = 64
    discriminator_layers: Count = 4
    discriminator_widest: Count = 256
    r1: Weight = 0.3  # γ of R1 (Mescheder 2018)
    r1_every: Count = 16  # steps between computations of R1 (lazy regularisation, Karras 2020, appendix B)
    adversarial: Weight = 1.0  # weight of the adversarial loss
    local: Weight = 0.0  # weight of those of the discriminators of the eyes and of the mouth; 0: there are none
    local_layers: Count = 3  # of these discriminators
    sees_input: bool = False  # with ground truth, the discriminators of images also see the input (Isola 2017)
    adversarial_features: Weight = 3.0  # weight of that of the frozen networks' features
    action_units: Weight = 1.0  # weight of the squared error of estimated action units
    classification: Weight = 3.0  # weight of the classifier's cross-entropy for augmented edits
    absolute: Weight = 10.0  # weight of the absolute error of back-translation
    squared: Weight = 400.0  # weight of its squared error
    features: Weight = 0.5  # weight of feature matching
    distillation: Weight = 200.0  # weight of distillation; it falls to 0 in the first half of the run
    own_inputs: Share = 0.7  # probability that the inputs of a batch are the editor's own edits; else the teacher's
    sample_steps: Count = 1


class Judged(NamedTuple):
    """A discriminator of images.

    suffix   of the names of its terms
    weight   of its losses for the generator, relative to those of the discriminator of the whole face
    network  itself
    seen     what it sees of images (M, C, H, W), where M is a multiple of the number of inputs
    """

    suffix: str
    weight: float
    network: PatchDiscriminator
    seen: Callable[[Tensor], Tensor]


class AdversarialEditor(Guided, ActionUnitEditor):
    """The diffusion editor (G15), fine-tuned against two discriminators. It edits in one step, without guidance."""

    name = "adversarial_editor"
    guided_by = frozenset({"teacher", "estimator", "classifier"})
    training_only = frozenset({"average", "discriminator", "local_discriminators", "feature_discriminator"})
    depends_on: ClassVar = {"teacher": "diffusion_editor", "estimator": "action_units", "classifier": "emotion_cnn"}
    presets: ClassVar = {
        "smoke": AdversarialEditorPreset(steps=20, batch=8, warmup=5, discriminator_width=16, discriminator_alone=5),
        "laptop": AdversarialEditorPreset(steps=400),
        "gpu": AdversarialEditorPreset(steps=2500),
    }

    def __init__(self, preset: AdversarialEditorPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        if preset.adversarial_features and preset.estimator is None and preset.classifier is None:
            raise ValueError(
                f"{self.name} needs an estimator of action units, a classifier of emotions, or both: its second "
                "discriminator sees their feature maps; without them set adversarial_features=0"
            )
        self.average = copy.deepcopy(self.denoiser).requires_grad_(False)
        self.discriminator = self._patch_discriminator(preset.size, preset.discriminator_layers)
        self._boxes = {
            name: region.box(preset.size, 2**preset.local_layers) for name, region in REGIONS.items() if preset.local
        }
        self.local_discriminators = nn.ModuleDict(
            {name: self._patch_discriminator(box[2:], preset.local_layers) for name, box in self._boxes.items()}
        )

    def _patch_discriminator(self, size: int | tuple[int, int], layers: int) -> PatchDiscriminator:
        network = PatchDiscriminator(
            self.channels * (2 if self.preset.sees_input else 1),
            size,
            0,
            width=self.preset.discriminator_width,
            layers=layers,
            widest=self.preset.discriminator_widest,
            slope=0.2,
            labels=self.label_size,
            high_frequencies=True,
        )
        initialise_convolutions(network, "he")
        return network

    # ------------------------------------------------------------------------------------------- training

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        discriminators = nn.ModuleList([self.discriminator, self.local_discriminators])
        if preset.adversarial_features:
            # Not made before: its size depends on networks that are loaded for training only.
            widths = [width for network in self._feature_networks for width in network.preset.widths]
            self.feature_discriminator = FeatureDiscriminator(widths, self.label_size)
            initialise_convolutions(self.feature_discriminator, "he")
            discriminators.append(self.feature_discriminator.to(self.device))
        return {
            "discriminators": Muon(
                discriminators.parameters(), preset.discriminator_rate, momentum=_MOMENTUM, betas=_BETAS
            ),
            "generator": Muon(
                self.denoiser.parameters(),
                preset.learning_rate,
                momentum=_MOMENTUM,
                betas=_BETAS,
                weight_decay=preset.weight_decay,
            ),
        }

    @property
    def _has_discriminators(self) -> bool:
        """Whether any loss of the generator depends on a discriminator."""
        return bool(self.preset.adversarial or self.preset.features or self.preset.adversarial_features)

    @property
    def _feature_networks(self) -> list[FacePredictor]:
        """The frozen networks whose feature maps the second discriminator sees."""
        return [self.guidance_network(field) for field in _FEATURE_NETWORKS if field in self.requires]

    def _maps(self, images: Tensor) -> list[Tensor]:
        return [m for network in self._feature_networks for m in network.maps(images)]

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """Raises `CannotTrain` for faces without action units, unless the preset names a classifier, and for faces
        without ground truth where discriminators should see the input."""
        if batch.action_units is None and self.preset.classifier is None:
            raise CannotTrain(
                f"{self.name} learns from action units, and these faces have none: for photographs, name the weights "
                "of an emotion classifier (--set classifier=...), or it would only learn to copy its input"
            )
        if clock.step == 0:
            if not self.started_from:
                self._start_from_teacher()
            update_average(self.average, self.denoiser, 0, 0.0)
        inputs, faces = _inputs_and_faces(batch[has_expression(batch, self.preset.emotions)])
        if inputs is None and self.preset.sees_input:
            raise CannotTrain(
                f"{self.name} with sees_input needs faces with ground truth: train it on synthetic_transfers, or set "
                "sees_input=False"
            )
        images, label = faces.images, self.label(faces.expression).to(faces.images)
        other = torch.randperm(len(images))
        alone = self._has_discriminators and clock.step < self.preset.discriminator_alone
        with torch.set_grad_enabled(not alone):
            if inputs is None:
                edited = self._one_step(self.denoiser, images, label[other])
                generated, asked = torch.cat([edited, self._recovered(images, label)]), torch.cat([label[other], label])
            else:
                generated, asked = self._one_step(self.denoiser, inputs.images, label), label
        judged = list(self._judged(inputs))
        if self._has_discriminators:
            yield self._discriminator_step(judged, images, label, generated.detach(), asked, other, clock)
        if not alone:
            yield self._generator_step(judged, faces, generated, asked, other, clock)
            update_average(self.average, self.denoiser, clock.step, _AVERAGE_DECAY)

    def _start_from_teacher(self) -> None:
        """Copy the teacher's weights; an editor of another architecture keeps its random ones, with a warning."""
        if self.preset.teacher is None:
            raise CannotTrain(f"without a teacher, {self.name} is fine-tuned: name the first weights by --start-from")
        teacher = self.guidance_network("teacher").denoiser
        try:
            copy_from_coarser(self.denoiser.unet, teacher.unet)
        except ValueError as error:
            warnings.warn(f"{self.name} starts from random weights, not as its teacher: {error}", stacklevel=2)
        else:
            self.denoiser.time.load_state_dict(teacher.time.state_dict())
            self.denoiser.label.load_state_dict(teacher.label.state_dict())

    def _one_step(self, denoiser: EditingDenoiser, images: Tensor, label: Tensor) -> Tensor:
        """Edits (N, C, H, W) of faces (N, C, H, W) to labels (N, A) by one step from pure noise."""
        return self._from_noise(denoiser, label, *self.context(images, label, None))

    def _from_noise(self, denoiser: EditingDenoiser, label: Tensor, *context: Tensor) -> Tensor:
        """Edits (N, C, H, W) to labels (N, A), given context images, by one step from pure noise."""
        n, device = len(label), label.device
        last = torch.full((n,), self.preset.timesteps - 1, device=device)
        noise, keep = torch.randn_like(context[0]), torch.ones(n, dtype=torch.bool, device=device)
        return self._clean(denoiser, noise, last, keep, label, *context)

    def _recovered(self, images: Tensor, label: Tensor) -> Tensor:
        """Faces (N, C, H, W) with labels (N, A), recovered from edits of them by back-translation: (N, C, H, W)."""
        return self._one_step(self.denoiser, self._inputs(images, label), label)

    @torch.no_grad()
    def _inputs(self, images: Tensor, label: Tensor) -> Tensor:
        """Inputs of back-translation (N, C, H, W): edits of edits of the faces, degraded."""
        own = torch.rand(()).item() < self.preset.own_inputs or self.preset.teacher is None
        edit = self._average_edits if own else self._teacher_edits
        return edited_twice(edit, images, label)

    def _average_edits(self, images: Tensor, label: Tensor) -> Tensor:
        return self._one_step(self.average, images, label).clamp(-1, 1)

    def _teacher_edits(self, images: Tensor, label: Tensor) -> Tensor:
        return teacher_edits(self.guidance_network("teacher"), images, Expression(action_units=label))

    def _judged(self, inputs: Faces | None) -> Iterator[Judged]:
        """The discriminators of images, for a batch with these inputs: N, or None where there is no ground truth."""
        if not self._has_discriminators:
            return

        def seen(images: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
            if self.preset.sees_input:
                beside = inputs.images.repeat(len(images) // len(inputs), 1, 1, 1)
                images = torch.cat([images, beside], 1)
            return images[:, :, top : top + height, left : left + width]

        whole = (0, 0, self.preset.size, self.preset.size)
        yield Judged("", 1.0, self.discriminator, lambda images: seen(images, *whole))
        for name, network in self.local_discriminators.items():
            box = self._boxes[name]
            yield Judged(f"_{name}", self.preset.local, network, lambda images, box=box: seen(images, *box))

    def _discriminator_step(
        self,
        judged: Sequence[Judged],
        real: Tensor,
        label: Tensor,
        generated: Tensor,
        asked: Tensor,
        other: Tensor,
        clock: Clock,
    ) -> Step:
        """The discriminators' losses on real images with their labels, and on generated ones with those asked for."""
        preset, n = self.preset, len(real)
        images, labels = torch.cat([real, generated]), torch.cat([label, asked])
        terms = {}
        for suffix, _, network, seen in judged:
            scores, _ = network(seen(images), labels)
            terms[f"adversarial{suffix}"] = discriminator_loss(scores[:n], scores[n:], _LOSS)
            of_real = partial(network.scores, label=label)
            penalty = lazy_r1_penalty(of_real, seen(real), preset.r1, preset.r1_every, clock.step)
            terms[f"penalty{suffix}"] = penalty
        if preset.adversarial_features:
            images, labels = torch.cat([images, real]), torch.cat([labels, label[other]])
            scores = self.feature_discriminator(images, labels, self._maps)
            terms["features"] = discriminator_loss(scores[:n], scores[n:], _LOSS)
        return "discriminators", sum(terms.values()), {f"discriminators/{name}": value for name, value in terms.items()}

    def _generator_step(
        self, judged: Sequence[Judged], faces: Faces, generated: Tensor, asked: Tensor, other: Tensor, clock: Clock
    ) -> Step:
        """The generator's losses on generated images (M, C, H, W): edits whose ground truth is unknown, if there are
        any, and then one for each of the N faces, which it should equal."""
        preset, real = self.preset, faces.images
        edited, recovered = generated.tensor_split([len(generated) - len(real)])
        terms = {
            "absolute": preset.absolute * F.l1_loss(recovered, real),
            "squared": preset.squared * F.mse_loss(recovered, real),
        }
        for suffix, weight, network, seen in judged:
            scores, _ = network(seen(generated), asked)
            with torch.no_grad():
                features = network.maps(seen(real))
            matching = feature_matching(network.maps(seen(recovered)), features)
            terms[f"adversarial{suffix}"] = weight * preset.adversarial * generator_loss(scores, _LOSS)
            terms[f"features{suffix}"] = weight * preset.features * matching
        if preset.adversarial_features:
            scores = self.feature_discriminator(generated, asked, self._maps)
            terms["adversarial_features"] = preset.adversarial_features * generator_loss(scores, _LOSS)
        if len(edited):
            terms |= self._unpaired_terms(faces, edited, asked[: len(edited)], other, clock)
        return "generator", sum(terms.values()), {f"generator/{name}": value for name, value in terms.items()}

    def _unpaired_terms(
        self, faces: Faces, edited: Tensor, target: Tensor, other: Tensor, clock: Clock
    ) -> dict[str, Tensor]:
        """The losses, without ground truth, of edits (N, C, H, W) of faces to labels (N, A), those of faces `other`."""
        preset, terms = self.preset, {}
        if preset.estimator is not None:
            terms["action_units"] = preset.action_units * self._action_unit_loss(edited, faces.images[other])
        if preset.classifier is not None:
            loss = self.guidance_network("classifier").classification_loss(edited, faces.expression[other])
            terms["classification"] = preset.classification * loss
        weight = preset.distillation * max(0.0, 1 - 2 * clock.progress)
        if weight and preset.teacher is not None:
            distilled = _reduced(self._teacher_edits(faces.images, target))
            terms["distillation"] = weight * F.mse_loss(_reduced(edited), distilled)
        return terms

    def _action_unit_loss(self, edited: Tensor, wanted: Tensor) -> Tensor:
        """Squared error of the action units that the estimator finds in augmented edits, and in the wanted faces."""
        estimator = self.guidance_network("estimator")
        with torch.no_grad():
            units = estimator(wanted)
        return condition_loss(estimator(augment(Faces(edited), torch.default_generator, _ESTIMATED).images), units)


def _inputs_and_faces(batch: Faces) -> tuple[Faces | None, Faces]:
    """The inputs of edits and the faces that are their ground truth: the first and the last frame of sequences. Stills
    are faces without such inputs, which are None."""
    if batch.frames is None:
        return None, batch
    frames = batch.flatten_time()
    first = torch.arange(len(batch)) * batch.frames
    return frames[first], frames[first + batch.frames - 1]


def _reduced(images: Tensor) -> Tensor:
    """Images at the size of distillation."""
    return F.adaptive_avg_pool2d(images, _DISTILLED_SIZE)
