"""G2: StarGAN (Choi 2018; P0 §3.2, P2 §3.1), one generator for all target expressions.

The training set contains no pairs of one person with two expressions. Instead, a discriminator scores whether an image
is real and has its label, and a cycle consistency loss requires that the generator can restore the original face from
the edited one. The variants G3 to G7 are settings of the preset: see `facekit.models.gans.stargan_variants`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.diffusion.noise import Seeds, face_generators
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.dropout import seeded_dropout
from facekit.layers.translator import DropoutFunction
from facekit.losses.adversarial import generator_loss
from facekit.losses.perceptual import feature_distance
from facekit.models.gans.adversarial import AdversarialGenerator, CollapseWatch
from facekit.models.gans.joint_label import JointLabels
from facekit.models.gans.networks import TranslatorPreset
from facekit.models.guided import Guided
from facekit.models.label import label_to_expression
from facekit.models.limits import Count, Decay, Emotion, Emotions, OneOf, Share, Weight
from facekit.models.system import CannotTrain, Clock, Step
from facekit.models.teacher import teacher_edits

TARGETS = ("permuted", "drawn")
"""Target labels in training. "permuted": those of other faces of the batch (Choi 2018); "drawn": all emotions equally
often, at full and at partial intensity."""

Labels = tuple[Tensor, Tensor]
"""Emotion weights (N, emotions) and domains (N,) of faces; see `JointLabels`."""

FEATURE_LAYERS = 4
"""Number of layers of the discriminator whose features P2's reconstruction loss compares."""


@dataclass(frozen=True)
class StarGANPreset(TranslatorPreset):
    """How StarGAN is built and trained. The losses' λ are those of Choi 2018, eq. 5 and 6."""

    emotions: Emotions = PROTOCOL_EMOTIONS  # labels of photographs
    cartoon_emotions: tuple[Emotion, ...] = ()  # labels of cartoons; none: one domain, and labels without a mask
    cross_domain: bool = False  # translate faces to the other domain too; the discriminator then classifies domains
    discriminator_steps: Count = 1  # discriminator steps per generator step, each on its own share of the batch
    # Projection discriminator: scores depend on the label (Miyato & Koyama 2018), so that a generated face must look
    # real for its target label. An auxiliary classifier learns from real faces only, and can be fooled by faint dots.
    conditional: bool = False
    classes: Weight = 1.0  # λ_cls, weight of the classification loss
    classes_in_generator: Weight | None = None  # the same for the generator; None: as for the discriminator
    reconstruction: Weight = 10.0  # λ_rec, weight of the cycle consistency loss
    residual: Weight = 0.0  # weight of the mean absolute change of a face (Shen & Liu 2017, eq. 3)
    # Fraction of the training after which reconstructions are compared by features of the discriminator instead of
    # pixels (P2 §3.2); None: never.
    features_from: Share | None = None
    drop: Decay = 0.5  # dropout rate, in training and in use (P2 §3.4)
    targets: Annotated[str, OneOf(TARGETS)] = "drawn"
    partial: Share = 0.5  # fraction of drawn targets with partial intensity
    neutral: Share | None = None  # fraction of drawn targets that are neutral, the hardest target; None: as any other
    teacher: str | None = None  # name or path of another generator's weights, for distillation
    distillation: Weight = 400.0  # weight of the mean squared difference from the teacher's edits
    classifier: str | None = None  # name or path of an emotion classifier's weights (E1), a further loss on edits
    classifier_weight: Weight = 1.0  # weight of the classifier's cross-entropy


# Choi 2018, §5.1 and tables 4 and 5; initialisation and the decay in the second half follow its code. 200,000 steps of
# the discriminator are 40,000 batches of 5 x 16. P0 uses 224 pixels and CK+, which has contempt; P2's code uses 64
# pixels and FER-2013.
PAPER = {
    "size": 64, "batch": 80, "steps": 40_000, "learning_rate": 1e-4, "betas": (0.5, 0.999), "schedule": "linear",
    "ema": None, "augment": "flip", "adversarial": "wasserstein", "gradient_penalty": 10.0, "discriminator_steps": 5,
    "initialisation": "uniform", "width": 64, "halvings": 2, "blocks": 6, "factor": 1, "condition": "planes",
    "skips": "none", "discriminator_width": 64, "discriminator_layers": 5, "discriminator_widest": 2048,
    "discriminator_slope": 0.01, "targets": "permuted",
}  # fmt: skip

OURS = {
    "augment": "flip", "r1": 0.01, "optimiser": "muon", "learning_rate": 1.6e-2, "discriminator_rate": 6e-3,
    "warmup": 50, "conditional": True, "classes_in_generator": 0.0, "reconstruction": 3.0, "neutral": 0.3, "groups": 8,
    "discriminator_width": 64, "discriminator_widest": 256,
}  # fmt: skip

# For training several times as long. At OURS' learning rate the discriminator dominates in the end: after 3,000 steps
# with batches of 32 at 64 pixels, the edit success rate is 82 %. At this one it is 91 %.
LONG = {"learning_rate": 4e-3, "warmup": 100, "groups": None}

# For training in minutes: smaller networks allow two thirds more steps in the same time, which makes up for their size.
QUICK = {"width": 48, "blocks": 2, "discriminator_width": 48, "discriminator_widest": 192, "batch": 64, "steps": 900}

SMOKE = {
    "warmup": 0, "learning_rate": 1e-2, "width": 8, "blocks": 1, "discriminator_width": 8, "batch": 16, "steps": 40,
}  # fmt: skip


class StarGAN(Guided, AdversarialGenerator):
    """Translates faces to target labels, with one generator for all of them.

    A label is a row of emotion weights. Intensity is expressed as a blend with neutral: happy at 0.5 is half happy and
    half neutral. With `cartoon_emotions`, a label has a part for each domain and a mask (G3). The domain of an edit
    then selects the part and, after training with `cross_domain`, the style of the generated image.
    """

    name = "stargan"
    training_only = frozenset({"discriminator", "watch"})
    guided_by = frozenset({"teacher", "classifier"})
    depends_on: ClassVar = {"teacher": "diffusion_editor", "classifier": "emotion_cnn"}
    understands = frozenset({"emotion", "intensity"})
    presets: ClassVar = {
        "smoke": StarGANPreset(**OURS | SMOKE),
        "laptop": StarGANPreset(**OURS | QUICK),
        "gpu": StarGANPreset(**OURS | LONG, size=64, batch=32, steps=3000),
        "paper": StarGANPreset(**PAPER),
    }

    def __init__(self, preset: StarGANPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        cartoons = (preset.cartoon_emotions,) if preset.cartoon_emotions else ()
        self.labels = JointLabels((preset.emotions, *cartoons))
        if cartoons:
            self.understands = self.understands | {"domain"}
        elif preset.cross_domain:
            raise ValueError("cross_domain needs cartoon_emotions: without them there is only one domain")
        self.generator = preset.build_generator(channels, self.condition_size)
        self.discriminator = preset.build_discriminator(
            channels, self.auxiliary_outputs, labels=self.condition_size if preset.conditional else 0
        )
        self.watch = CollapseWatch()

    @property
    def condition_size(self) -> int:
        """Length of a label as the generator receives it."""
        return self.labels.width

    @property
    def auxiliary_outputs(self) -> int:
        """Number of outputs of the discriminator beside its scores: emotion logits first, then domain logits."""
        return len(self.labels.emotions) + (self.labels.domains if self.preset.cross_domain else 0)

    def condition_vector(self, label: Labels) -> Tensor:
        """A label as the generator receives it, (N, condition_size)."""
        return self.labels.vector(*label)

    # ------------------------------------------------------------------------------------------- training

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {
            "discriminator": self.optimiser([self.discriminator], self.preset.discriminator_rate),
            "generator": self.optimiser([self.generator]),
        }

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """`discriminator_steps` steps of the discriminator, then one of the generator on the last share of the batch.

        Faces without a label are left out. Raises `CannotTrain` for a batch without labelled faces.
        """
        weights, domain, labelled = self.labels.from_faces(batch)
        if not labelled.any():
            raise CannotTrain(f"{self.name} is trained on labelled faces, and this batch contains none")
        shares = labelled.nonzero()[:, 0].chunk(self.preset.discriminator_steps)
        for i, rows in enumerate(shares):
            images, source = batch.images[rows], (weights[rows], domain[rows])
            target = self.draw_targets(source)
            with torch.set_grad_enabled(i == len(shares) - 1):  # only the last share trains the generator
                generated = self.translate(images, target)
            yield self._discriminator_step(images, generated.detach(), source, target, clock)
        yield self._generator_step(images, generated, source, target, clock)

    def draw_targets(self, source: Labels) -> Labels:
        """Random target labels for faces with given source labels."""
        preset = self.preset
        if preset.targets == "permuted":
            return self.labels.permuted_targets(*source, preset.cross_domain)
        return self.labels.random_targets(source[1], preset.partial, preset.cross_domain, preset.neutral)

    def translate(self, images: Tensor, label: Labels, seed: Seeds | None = None) -> Tensor:
        """Faces (N, C, H, W) translated to target labels, (N, C, H, W).

        seed  of dropout, if there is any: one integer, or one per face; None uses the global random generator
        """
        return self.generator(images, self.condition_vector(label), self._dropout(seed, len(images)))

    def _dropout(self, seed: Seeds | None, n: int) -> DropoutFunction | None:
        if self.preset.dropout == "none":
            return None
        if seed is None:
            return partial(F.dropout, p=self.preset.drop)
        return partial(seeded_dropout, rate=self.preset.drop, generators=face_generators(seed, n))

    def discriminator_terms(self, outputs: Tensor, source: Labels, target: Labels) -> dict[str, Tensor]:
        """Further weighted losses of the discriminator, by name, for subclasses.

        outputs  (2 N, auxiliary_outputs) for N real faces, which have the source labels, and the N faces generated
                 from them, which have the target labels
        """
        return {}

    def generator_terms(self, outputs: Tensor, target: Labels) -> dict[str, Tensor]:
        """Further weighted losses of the generator, by name, for subclasses.

        outputs  (N, auxiliary_outputs) for N generated faces, which have the target labels
        """
        return {}

    def cycled(self, images: Tensor, generated: Tensor, source: Labels) -> Tensor:
        """Generated faces translated back to the source labels: (N, C, H, W)."""
        return self.translate(generated, source)

    def _discriminator_step(
        self, real: Tensor, generated: Tensor, source: Labels, target: Labels, clock: Clock
    ) -> Step:
        n, preset = len(real), self.preset
        real_input, generated_input = self.augmented(real), self.augmented(generated)
        real_label, generated_label = self._discriminator_label(source), self._discriminator_label(target)
        label = None if real_label is None else torch.cat([real_label, generated_label])
        scores, outputs = self.discriminator(torch.cat([real_input, generated_input]), label)
        self.watch.observe(real, generated, scores, clock, self.name)
        adversarial = self.discriminator_loss(scores[:n], scores[n:])
        classes = self._class_loss(outputs[:n], source)
        conditional_scores = partial(self.discriminator.scores, label=real_label)
        penalty = self.gradient_penalties(conditional_scores, real_input, generated_input, clock)
        further = self.discriminator_terms(outputs, source, target)
        scalars = {
            "discriminator/adversarial": adversarial,
            "discriminator/classes": classes,
            "discriminator/penalty": penalty,
            **{f"discriminator/{name}": value for name, value in further.items()},
        }
        loss = adversarial + preset.classes * classes + penalty
        return "discriminator", sum(further.values(), loss), scalars

    def _generator_step(self, images: Tensor, generated: Tensor, source: Labels, target: Labels, clock: Clock) -> Step:
        preset = self.preset
        scores, outputs = self.discriminator(self.augmented(generated), self._discriminator_label(target))
        adversarial = generator_loss(scores, preset.adversarial)
        classes = self._class_loss(outputs, target)
        pixels, reconstruction = self._reconstruction(images, self.cycled(images, generated, source), clock)
        change = F.l1_loss(generated, images)
        further = self.generator_terms(outputs, target) | self._guidance_terms(images, generated, target)
        weight = preset.classes if preset.classes_in_generator is None else preset.classes_in_generator
        loss = adversarial + weight * classes + preset.reconstruction * reconstruction + preset.residual * change
        scalars = {
            "generator/adversarial": adversarial,
            "generator/classes": classes,
            "generator/pixels": pixels,
            "generator/reconstruction": reconstruction,
            "generator/change": change,
            **{f"generator/{name}": value for name, value in further.items()},
        }
        return "generator", sum(further.values(), loss), scalars

    def _discriminator_label(self, label: Labels) -> Tensor | None:
        """The label as a conditional discriminator receives it, (N, condition_size); None for an unconditional one."""
        return self.condition_vector(label) if self.preset.conditional else None

    def _class_loss(self, outputs: Tensor, label: Labels) -> Tensor:
        """Classification loss of the discriminator: the emotion and, with `cross_domain`, the domain."""
        emotions = len(self.labels.emotions)
        loss = self.labels.loss(outputs[:, :emotions], *label)
        return loss + F.cross_entropy(outputs[:, emotions:], label[1]) if self.preset.cross_domain else loss

    def _reconstruction(self, images: Tensor, cycled: Tensor, clock: Clock) -> tuple[Tensor, Tensor]:
        """Cycle consistency: the mean absolute error in pixels, and the loss that is minimised.

        The loss is the error itself or, from `features_from` on, the distance in features (P2, eq. 5). P2's sentence
        on the switch has "pixel" and "feature" interchanged.
        """
        pixels = F.l1_loss(cycled, images)
        if self.preset.features_from is None or clock.progress < self.preset.features_from:
            return pixels, pixels
        with torch.no_grad():
            features = self.discriminator.maps(images, FEATURE_LAYERS)
        return pixels, feature_distance(self.discriminator.maps(cycled, FEATURE_LAYERS), features)

    def _guidance_terms(self, images: Tensor, generated: Tensor, target: Labels) -> dict[str, Tensor]:
        """Weighted losses by the guidance networks: distillation from the teacher, cross-entropy of the classifier."""
        terms, preset = {}, self.preset
        if preset.teacher is not None:
            difference = F.mse_loss(generated, self.teacher_edits(images, target))
            terms["distillation"] = preset.distillation * difference
        if preset.classifier is not None:
            expression = label_to_expression(target[0], self.labels.emotions)
            loss = self.guidance_network("classifier").classification_loss(generated, expression)
            terms["classifier"] = preset.classifier_weight * loss
        return terms

    def teacher_edits(self, images: Tensor, target: Labels) -> Tensor:
        """The teacher's edits of faces (N, C, H, W) to target labels: (N, C, H, W)."""
        expression = label_to_expression(target[0], self.labels.emotions)
        return teacher_edits(self.guidance_network("teacher"), images, expression)

    # ---------------------------------------------------------------------------------------------- in use

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """`source` is not used; `seed` is that of dropout, if there is any."""
        return self.translate(faces.images, self.labels.from_expression(expression, faces, self.name), seed)
