"""G2 to G7: StarGAN (Choi 2018; P0 §3.2, P2 §3.1), its training on two domains at once, and P2's changes to it.

One generator gives a face any expression. It learns without pairs: a discriminator has to take its pictures for real
and for what was asked, and what it has changed it has to be able to change back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.diffusion.noise import Seeds, face_generators
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.initialise import initialise_convolutions
from facekit.layers.patches import PatchDiscriminator
from facekit.layers.translator import Translator
from facekit.losses.adversarial import generator_loss
from facekit.losses.perceptual import feature_distance
from facekit.models.gans.adversarial import AdversarialGenerator, AdversarialPreset, CollapseWatch
from facekit.models.gans.joint_label import JointLabels
from facekit.models.label import label_expression
from facekit.models.load import load_system
from facekit.models.system import Clock, Step, System, check_choices

TARGETS = ("permuted", "drawn")
"""What a face is turned into while training: what another face of its batch shows (Choi 2018); any expression, each as
often as any other, also weaker than in full."""

Labels = tuple[Tensor, Tensor]
"""Weights (N, emotions) and domains (N,); see `JointLabels`."""

MAPS = 4
"""Layers of the discriminator in whose features P2 measures reconstructions."""


@dataclass(frozen=True)
class TranslatorPreset(AdversarialPreset):
    """A generator and a discriminator; the fields are those of `Translator` and `PatchDiscriminator`."""

    width: int = 64
    halvings: int = 1
    blocks: int = 3
    block: str = "residual"
    scales: int = 3
    factor: int = 2
    condition: str = "adaptive"
    groups: int | None = None
    slope: float = 0.0
    skips: str = "residual"
    dropout: str = "none"
    discriminator_width: int = 32
    discriminator_layers: int = 4
    discriminator_widest: int = 192
    discriminator_slope: float = 0.2

    def translator(self, channels: int, labels: int = 0) -> Translator:
        """The generator that these fields describe, started; one that changes pictures starts by changing nothing."""
        network = Translator(
            channels,
            labels,
            width=self.width,
            halvings=self.halvings,
            blocks=self.blocks,
            block=self.block,
            scales=self.scales,
            factor=self.factor,
            condition=self.condition,
            groups=self.groups,
            slope=self.slope,
            skips=self.skips,
            dropout=self.dropout,
        )
        initialise_convolutions(network, self.initialisation)
        if network.adds_input:
            nn.init.zeros_(network.last.weight)
        return network

    def discriminator(
        self, channels: int, classes: int = 0, *, norm: bool = False, labels: int = 0
    ) -> PatchDiscriminator:
        """The discriminator that these fields describe, started."""
        network = PatchDiscriminator(
            channels,
            self.size,
            classes,
            width=self.discriminator_width,
            layers=self.discriminator_layers,
            widest=self.discriminator_widest,
            slope=self.discriminator_slope,
            norm=norm,
            labels=labels,
        )
        initialise_convolutions(network, self.initialisation)
        return network


@dataclass(frozen=True)
class StarGANPreset(TranslatorPreset):
    """How StarGAN is built and trained."""

    emotions: tuple[str, ...] = PROTOCOL_EMOTIONS  # that photographs are labelled with
    cartoon_emotions: tuple[str, ...] = ()  # and cartoons; none: all faces are of one domain, without a mask (G3)
    cross_domain: bool = False  # faces are also turned into the other domain, which the discriminator tells apart
    discriminator_steps: int = 1  # of the discriminator for one of the generator, each on its own share of the batch
    conditional: bool = False  # faces are judged together with their labels (Miyato & Koyama 2018), so that a made one
    # has to look real as what was asked. A class head learns of real faces alone, and dots are enough to please it
    classes: float = 1.0  # λ_cls
    classes_in_generator: float | None = None  # the same for the generator; None: λ_cls
    reconstruction: float = 10.0  # λ_rec
    residual: float = 0.0  # weight of the mean absolute change of a face (Shen & Liu 2017, eq. 3)
    features_from: float | None = None  # share of the training after which reconstructions are compared in features of
    # the discriminator instead of pixels (P2 §3.2); None: never
    drop: float = 0.5  # share of features that dropout drops, in training and in use (P2 §3.4)
    targets: str = "drawn"  # one of `TARGETS`
    partial: float = 0.5  # share of drawn targets that are weaker than in full
    neutral: float | None = None  # share of drawn targets that are neutral: to take an expression away is the hardest
    teacher: str | None = None  # name or path of the weights of another generator, whose edits it also learns to make
    distillation: float = 400.0  # weight of the mean squared difference from its edits, where there is a teacher
    classifier: str | None = (
        None  # name or path of the weights of an emotion network (E1), which is to read edits as asked
    )
    classifier_weight: float = 1.0  # weight of what it reads


# Choi 2018: §5.1, tables 4 and 5; the start and the halves of the schedule are of its code. 200,000 steps of the
# discriminator are 40,000 batches of 5 x 16. P0 takes 224 pixels and CK+, which has contempt; P2's code 64, FER-2013.
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

# Of a training several times as long. At the rate above, the discriminator wins in the end: after 3,000 steps of 32 at
# 64 pixels, 82 % of the edits are as asked and of the same person, and at this rate 91 %.
LONG = {"learning_rate": 4e-3, "warmup": 100, "groups": None}

# Of a training of minutes: two thirds more steps make up for smaller networks, and take no longer.
QUICK = {"width": 48, "blocks": 2, "discriminator_width": 48, "discriminator_widest": 192, "batch": 64, "steps": 900}

SMOKE = {
    "warmup": 0,
    "learning_rate": 1e-2,
    "width": 8,
    "blocks": 1,
    "discriminator_width": 8,
    "batch": 16,
    "steps": 40,
}

# In P2 the pixels are left after 40 epochs: of FER-2013's 28,709 faces, 0.36 of StarGAN's 200,000 steps of 16.
_FEATURES = {"features_from": 0.36}
_SKIPS = {"skips": "residual"}
_LEAKY = {"slope": 0.01}

VARIANTS: Mapping[str, Mapping[str, object]] = {
    "stargan": {"skips": "none"},
    "features": {"skips": "none", **_FEATURES},
    "features_skips": {**_SKIPS, **_FEATURES},
    "dropout": {"skips": "none", **_LEAKY, "dropout": "ends"},
    "skips": {**_SKIPS},
    "skips_dropout": {**_SKIPS, **_LEAKY, "dropout": "blocks"},
}
"""P2's table 2, rows (d) to (i): what each sets in a preset of StarGAN, all else being equal (G4 to G7)."""

JOINT: Mapping[str, Mapping[str, object]] = {
    "same labels": {"cartoon_emotions": PROTOCOL_EMOTIONS, "cross_domain": True},
    "labels in parts": {
        "emotions": ("happy", "sad", "surprise", "neutral"),
        "cartoon_emotions": ("angry", "disgust", "fear", "neutral"),
        "cross_domain": False,
    },
}
"""G3, on photographs and cartoons at once: with the same labels in both, and faces that cross over (P2, figure 10);
and with labels of which each domain has its part, where no face crosses over, but may be asked for what only the other
domain is labelled with (Choi 2018, §3.3)."""


class StarGAN(AdversarialGenerator):
    """A face and the label that it should have to the same face with it.

    A label is a row of weights over emotions, and intensity is said by blending: happy at 0.5 is half happy, half
    neutral. With `cartoon_emotions` it has a part for each domain and a mask (G3): an edit's domain is then whose
    label counts and, trained with `cross_domain`, how the answer is drawn.
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
    }  # fmt: skip

    def __init__(self, preset: StarGANPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        check_choices(preset, targets=TARGETS)
        cartoons = (preset.cartoon_emotions,) if preset.cartoon_emotions else ()
        self.labels = JointLabels((preset.emotions, *cartoons))
        if cartoons:
            self.understands = self.understands | {"domain"}
        elif preset.cross_domain:
            raise ValueError("cross_domain needs cartoon_emotions, without which there is one domain alone")
        self.generator = preset.translator(channels, self.columns)
        self.discriminator = preset.discriminator(
            channels, self.heads, labels=self.columns if preset.conditional else 0
        )
        self.watch = CollapseWatch()

    @cached_property
    def guidance_networks(self) -> Sequence[System]:
        """The teacher and the classifier, where there are any. In a list they are no part of this system."""
        return [load_system(name).requires_grad_(False) for name in self.requires.values()]

    def guidance_network(self, part: str) -> System:
        """The one of `guidance_networks` that a field of the preset names."""
        return self.guidance_networks[list(self.requires).index(part)]

    @property
    def columns(self) -> int:
        """Numbers that the generator is told."""
        return self.labels.width

    @property
    def heads(self) -> int:
        """Numbers that the discriminator says of a picture beside its scores: logits of emotions come first."""
        return len(self.labels.emotions) + (self.labels.domains if self.preset.cross_domain else 0)

    def told(self, label: Labels) -> Tensor:
        """A label as the generator is told it, (N, columns)."""
        return self.labels.vector(*label)

    # ------------------------------------------------------------------------------------------- training

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {
            "discriminator": self.optimiser([self.discriminator], self.preset.discriminator_rate),
            "generator": self.optimiser([self.generator]),
        }

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        weights, domain, known = self.labels.of_faces(batch)
        if not known.any():
            raise ValueError(f"{self.name} learns from labelled faces, and there is none among these")
        parts = known.nonzero()[:, 0].chunk(self.preset.discriminator_steps)
        for i, rows in enumerate(parts):
            images, shown = batch.images[rows], (weights[rows], domain[rows])
            target = self.target(shown)
            with torch.set_grad_enabled(i == len(parts) - 1):  # the last share's are the generator's to learn from
                made = self.translated(images, target)
            yield self._discriminator_step(images, made.detach(), shown, target, clock)
        yield self._generator_step(images, made, shown, target, clock)

    def target(self, shown: Labels) -> Labels:
        """What faces that show something are to be turned into."""
        preset = self.preset
        if preset.targets == "permuted":
            return self.labels.permuted(*shown, preset.cross_domain)
        return self.labels.drawn(shown[1], preset.partial, preset.cross_domain, preset.neutral)

    def translated(self, images: Tensor, label: Labels, seed: Seeds | None = None) -> Tensor:
        """Faces (N, C, H, W) with other labels. Dropout, where there is some, draws from the seed, one integer or
        one a face; without one, from the global generator."""
        return self.generator(images, self.told(label), self._dropping(seed, len(images)))

    def _dropping(self, seed: Seeds | None, n: int) -> Callable[[Tensor], Tensor] | None:
        if self.preset.dropout == "none":
            return None
        if seed is None:
            return partial(F.dropout, p=self.preset.drop)
        return partial(seeded_dropout, share=self.preset.drop, generators=face_generators(seed, n))

    def discriminator_terms(self, said: Tensor, shown: Labels, target: Labels) -> dict[str, Tensor]:
        """Further losses of the discriminator, weighed, by name: of what it says, (2 N, heads), of N real faces and of
        what was made of them."""
        return {}

    def generator_terms(self, said: Tensor, target: Labels) -> dict[str, Tensor]:
        """Further losses of the generator, weighed, by name: of what the discriminator says, (N, heads)."""
        return {}

    def cycled(self, images: Tensor, made: Tensor, shown: Labels) -> Tensor:
        """What was made of faces, given their own expression again: (N, C, H, W)."""
        return self.translated(made, shown)

    def _discriminator_step(self, real: Tensor, made: Tensor, shown: Labels, target: Labels, clock: Clock) -> Step:
        n, preset = len(real), self.preset
        real_seen, made_seen = self.augmented(real), self.augmented(made)
        of_real, of_made = self._judged_with(shown), self._judged_with(target)
        label = None if of_real is None else torch.cat([of_real, of_made])
        scores, logits = self.discriminator(torch.cat([real_seen, made_seen]), label)
        self.watch.observe(real, made, scores, clock, self.name)
        adversarial = self.discriminator_loss(scores[:n], scores[n:])
        classes = self._class_loss(logits[:n], shown)
        penalty = self.slope_penalty(partial(self.discriminator.scores, label=of_real), real_seen, made_seen, clock)
        further = self.discriminator_terms(logits, shown, target)
        told = {
            "discriminator/adversarial": adversarial,
            "discriminator/classes": classes,
            "discriminator/penalty": penalty,
            **{f"discriminator/{name}": value for name, value in further.items()},
        }
        loss = adversarial + preset.classes * classes + penalty
        return "discriminator", sum(further.values(), loss), told

    def _generator_step(self, images: Tensor, made: Tensor, shown: Labels, target: Labels, clock: Clock) -> Step:
        preset = self.preset
        scores, logits = self.discriminator(self.augmented(made), self._judged_with(target))
        adversarial = generator_loss(scores, preset.adversarial)
        classes = self._class_loss(logits, target)
        pixels, distance = self._reconstruction(images, self.cycled(images, made, shown), clock)
        change = F.l1_loss(made, images)
        further = self.generator_terms(logits, target)
        if preset.teacher is not None:
            further |= {"imitation": preset.distillation * F.mse_loss(made, self.taught(images, target))}
        if preset.classifier is not None:
            asked = label_expression(target[0], self.labels.emotions)
            further |= {
                "classifier_weight": preset.classifier_weight
                * self.guidance_network("classifier").classification_loss(made, asked)
            }
        weight = preset.classes if preset.classes_in_generator is None else preset.classes_in_generator
        loss = adversarial + weight * classes + preset.reconstruction * distance + preset.residual * change
        told = {
            "generator/adversarial": adversarial,
            "generator/classes": classes,
            "generator/pixels": pixels,
            "generator/reconstruction": distance,
            "generator/change": change,
            **{f"generator/{name}": value for name, value in further.items()},
        }
        return "generator", sum(further.values(), loss), told

    def taught(self, images: Tensor, target: Labels) -> Tensor:
        """The teacher's edits of faces (N, C, H, W), which it is shown in the size and colour that it knows."""
        teacher = self.guidance_network("teacher")
        known = Faces(images).fitted(teacher.preset.size, teacher.channels)
        seeds = torch.randint(2**31, (len(images),)).tolist()
        edited = teacher.edit(known, label_expression(target[0], self.labels.emotions), seed=seeds)
        return Faces(edited).fitted(self.preset.size, self.channels).images

    def _judged_with(self, label: Labels) -> Tensor | None:
        """A label as the discriminator is told it: (N, columns), or None where it judges faces by themselves."""
        return self.told(label) if self.preset.conditional else None

    def _reconstruction(self, images: Tensor, back: Tensor, clock: Clock) -> tuple[Tensor, Tensor]:
        """Mean absolute error of faces on their way there and back, and what is minimised of it: that, or the distance
        in features (P2's eq. 5; its sentence on the switch says pixel and feature the wrong way round)."""
        pixels = F.l1_loss(back, images)
        if self.preset.features_from is None or clock.progress < self.preset.features_from:
            return pixels, pixels
        with torch.no_grad():
            maps = self.discriminator.maps(images, MAPS)
        return pixels, feature_distance(self.discriminator.maps(back, MAPS), maps)

    def _class_loss(self, logits: Tensor, label: Labels) -> Tensor:
        """How far the discriminator is from telling the emotion and, where it should, the domain."""
        emotions = len(self.labels.emotions)
        loss = self.labels.loss(logits[:, :emotions], *label)
        return loss + F.cross_entropy(logits[:, emotions:], label[1]) if self.preset.cross_domain else loss

    # ---------------------------------------------------------------------------------------------- in use

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """What the faces show now is not needed; `seed` counts where there is dropout."""
        return self.translated(faces.images, self.labels.of_expression(expression, faces, self.name), seed)


def seeded_dropout(x: Tensor, share: float, generators: list[torch.Generator]) -> Tensor:
    """Dropout of maps (N, C, H, W) that is drawn for each face from its own generator, or from one for all."""
    kept = torch.empty(len(generators), *x.shape[1:])
    for row, generator in zip(kept, generators, strict=True):
        row.uniform_(generator=generator)
    return x * ((kept >= share) / (1 - share)).to(x)
