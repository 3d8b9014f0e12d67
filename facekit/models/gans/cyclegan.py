"""G8: CycleGAN (Zhu 2017), the baseline of P3: unconditional generators for each pair of neutral and an emotion.

Each pair has two generators, from neutral to the emotion and from the emotion to neutral, each with a discriminator of
its own. StarGAN replaces all of them by one conditional generator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.diffusion.noise import Seeds
from facekit.faces.emotions import EMOTIONS, PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces, from_uint8, to_uint8
from facekit.losses.adversarial import generator_loss
from facekit.models.gans.adversarial import AdversarialGenerator, CollapseWatch
from facekit.models.gans.networks import TranslatorPreset
from facekit.models.label import NEGLIGIBLE, label_weights
from facekit.models.limits import Count, Emotions, Weight, Whole
from facekit.models.system import CannotTrain, Clock, Step


@dataclass(frozen=True)
class CycleGANPreset(TranslatorPreset):
    """How CycleGAN is built and trained."""

    pairs: Emotions = ("happy", "sad", "surprise")  # emotions, each paired with neutral
    per_side: Count | None = None  # faces of each side of a pair per step; None: all faces of the batch
    min_intensity: Weight = 0.6  # faces with a weaker emotion, where intensities are labelled, are not used
    reconstruction: Weight = 10.0  # λ, weight of the cycle consistency loss
    identity: Weight = 0.5  # weight of the identity loss, relative to λ
    pool: Whole = 50  # size of the pool of generated images of each discriminator (Shrivastava 2017, §2.3)
    norm: bool = False  # instance norm in the discriminators


# Zhu 2017, §4 and §7.1, for 128 pixels, P3's size: one face of each side, least squares, λ 10, 200 epochs with the
# learning rate decaying in the second half, one pair at a time. An epoch is taken as 1,000 faces of each side. Three
# details differ, as in StarGAN's generator: kernels of 4 instead of 3 where the size changes, zero padding instead of
# reflection padding, and norms with a scale and a shift.
PAPER = {
    "size": 128, "batch": 28, "per_side": 1, "steps": 200_000, "learning_rate": 2e-4, "betas": (0.5, 0.999),
    "ema": None, "augment": "flip", "balanced": True, "adversarial": "least_squares", "initialisation": "normal",
    "width": 64, "halvings": 2, "blocks": 6, "factor": 1, "condition": "planes", "skips": "none",
    "discriminator_width": 64, "discriminator_layers": 3, "discriminator_widest": 512,
    "norm": True, "pairs": ("happy",),
}  # fmt: skip

OURS = {
    "augment": "flip", "r1": 0.01, "optimiser": "muon", "learning_rate": 1.6e-2, "discriminator_rate": 6e-3,
    "warmup": 50, "balanced": True, "reconstruction": 3.0, "width": 48, "groups": 8, "discriminator_width": 48,
    "discriminator_widest": 192, "batch": 112, "steps": 800, "pool": 32,
}  # fmt: skip

SMOKE = OURS | {
    "warmup": 0, "learning_rate": 1e-2, "width": 8, "blocks": 1, "discriminator_width": 8, "batch": 32, "steps": 30,
    "pool": 8,
}  # fmt: skip

MAX_BATCHES_WITHOUT_PAIRS = 50
"""Training stops after this many consecutive batches in which no pair has faces of both sides."""


def directions(emotion: str) -> tuple[str, str]:
    """Names of a pair's two generators: from neutral to the emotion, and back.

    >>> directions("happy")
    ('neutral_to_happy', 'happy_to_neutral')
    """
    return f"neutral_to_{emotion}", f"{emotion}_to_neutral"


class CycleGAN(AdversarialGenerator):
    """Translates neutral faces to faces with an emotion, and back.

    An edit needs `source`, the expression of the input faces, to choose the generator. An edit between two emotions
    other than neutral applies two generators, by way of neutral.
    """

    name = "cyclegan"
    training_only = frozenset({"discriminators", "pools", "watches"})
    understands = frozenset({"emotion"})
    presets: ClassVar = {
        "smoke": CycleGANPreset(**SMOKE),
        "laptop": CycleGANPreset(**OURS),
        "gpu": CycleGANPreset(**OURS | {"size": 64, "batch": 128, "steps": 15_000}),
        "paper": CycleGANPreset(**PAPER),
    }

    def __init__(self, preset: CycleGANPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        _check(preset)
        names = [direction for emotion in preset.pairs for direction in directions(emotion)]
        self.generators, self.discriminators, self.pools = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for direction in names:
            self.generators[direction] = preset.build_generator(channels)
            self.discriminators[direction] = preset.build_discriminator(channels, norm=preset.norm)
            self.pools[direction] = ImagePool(preset.pool, channels, preset.size)
        self.watches = nn.ModuleDict({direction: CollapseWatch() for direction in names})
        self.register_buffer("batches_without_pairs", torch.zeros((), dtype=torch.long))

    @property
    def emotions(self) -> tuple[str, ...]:
        return tuple(name for name in PROTOCOL_EMOTIONS if name in ("neutral", *self.preset.pairs))

    # ------------------------------------------------------------------------------------------- training

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        rate = self.preset.discriminator_rate
        return {
            "generators": self.optimiser(self.generators.values()),
            "discriminators": self.optimiser(self.discriminators.values(), rate),
        }

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """A step of all generators, then one of all discriminators, in the order of Zhu 2017's code.

        A pair is skipped if the batch has no faces for one of its sides. A batch without a complete pair gives no step;
        too many of them in a row raise `CannotTrain`.
        """
        pairs = self._complete_pairs(batch)
        if not pairs:
            return
        losses, scalars, generated = [], {}, {}
        for emotion, (neutral, emotional) in pairs.items():
            for direction, inverse, inputs, real in _both_directions(emotion, neutral, emotional):
                loss, terms, generated[direction] = self._generator_loss(direction, inverse, inputs, real)
                losses.append(loss)
                scalars |= {f"generator/{name}_{direction}": value for name, value in terms.items()}
        yield "generators", torch.stack(losses).sum(), scalars
        losses, scalars = [], {}
        for emotion, (neutral, emotional) in pairs.items():
            for direction, _, _, real in _both_directions(emotion, neutral, emotional):
                loss = self._discriminator_loss(direction, real, generated[direction], clock)
                losses.append(loss)
                scalars[f"discriminator/{direction}"] = loss
        yield "discriminators", torch.stack(losses).sum(), scalars

    def _complete_pairs(self, batch: Faces) -> dict[str, tuple[Tensor, Tensor]]:
        """By emotion, the neutral images and those with the emotion, for the pairs that have both in the batch."""
        sides = {emotion: self._sides(batch, emotion) for emotion in self.preset.pairs}
        pairs = {emotion: both for emotion, both in sides.items() if all(map(len, both))}
        self.batches_without_pairs.copy_(0 if pairs else self.batches_without_pairs + 1)
        if self.batches_without_pairs >= MAX_BATCHES_WITHOUT_PAIRS:
            raise CannotTrain(
                f"{self.name} needs batches that contain neutral faces and faces that are "
                f"{' or '.join(self.preset.pairs)}, but the last {MAX_BATCHES_WITHOUT_PAIRS} batches did not: use "
                "larger or balanced batches"
            )
        return pairs

    def _sides(self, batch: Faces, emotion: str) -> tuple[Tensor, Tensor]:
        """Images of neutral faces, and of faces that have the emotion with sufficient intensity."""
        if batch.emotion is None:
            raise CannotTrain(f"{self.name} is trained on labelled faces, and these have no labels")
        sufficient = torch.ones_like(batch.emotion, dtype=torch.bool)
        if batch.intensity is not None:
            sufficient = batch.intensity >= self.preset.min_intensity
        neutral = batch.emotion == EMOTIONS.index("neutral")
        emotional = (batch.emotion == EMOTIONS.index(emotion)) & sufficient
        first = slice(self.preset.per_side)
        return batch.images[neutral][first], batch.images[emotional][first]

    def _generator_loss(
        self, direction: str, inverse: str, inputs: Tensor, real: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Loss of one generator (Zhu 2017, eq. 3, and the identity loss of §5.2), its terms, and the generated images.

        inputs  images that the generator translates
        real    real images of its target emotion
        """
        preset = self.preset
        generated = self.generators[direction](inputs)
        scores, _ = self.discriminators[direction](self.augmented(generated))
        adversarial = generator_loss(scores, preset.adversarial)
        cycle = F.l1_loss(self.generators[inverse](generated), inputs)
        loss, terms = adversarial + preset.reconstruction * cycle, {"adversarial": adversarial, "reconstruction": cycle}
        if preset.identity:
            terms["identity"] = F.l1_loss(self.generators[direction](real), real)
            loss = loss + preset.identity * preset.reconstruction * terms["identity"]
        return loss, terms, generated.detach()

    def _discriminator_loss(self, direction: str, real: Tensor, generated: Tensor, clock: Clock) -> Tensor:
        """Loss of one discriminator, which also receives images generated in earlier steps."""
        discriminator = self.discriminators[direction]
        real_input, generated_input = self.augmented(real), self.augmented(self.pools[direction].exchange(generated))
        real_scores, generated_scores = discriminator(real_input)[0], discriminator(generated_input)[0]
        scores = torch.cat([real_scores.flatten(), generated_scores.flatten()])
        self.watches[direction].observe(real, generated, scores, clock, f"{self.name}, {direction}")
        penalties = self.gradient_penalties(discriminator.scores, real_input, generated_input, clock)
        return self.discriminator_loss(real_scores, generated_scores) + penalties

    # ---------------------------------------------------------------------------------------------- in use

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """Deterministic: `seed` is not used. A face that already has the target emotion, even weakly, is unchanged."""
        if source is None:
            raise ValueError(
                f"{self.name} needs the expression of the input faces, one of neutral, {', '.join(self.preset.pairs)}: "
                "pass source=Expression.of(...), or for labelled faces source=faces.expression.only('emotion')"
            )
        names = ("neutral", *self.preset.pairs)
        source_emotions, target_emotions, changed = self._emotions(source, expression, names)
        edited = faces.images.clone()
        for emotion in self.preset.pairs:
            rows = [i for i in changed if source_emotions[i] == emotion != target_emotions[i]]
            if rows:
                edited[rows] = self.generators[f"{emotion}_to_neutral"](edited[rows])
        for emotion in self.preset.pairs:
            rows = [i for i in changed if target_emotions[i] == emotion != source_emotions[i]]
            if rows:
                edited[rows] = self.generators[f"neutral_to_{emotion}"](edited[rows])
        return edited

    def _emotions(
        self, source: Expression, target: Expression, names: tuple[str, ...]
    ) -> tuple[list[str], list[str], list[int]]:
        """Names of the source and target emotions of all faces, and the rows of those to be edited.

        Raises `UnsupportedExpression` for blends, which the generators have not been trained for.
        """
        source_weights, target_weights = (label_weights(each, names, self.name) for each in (source, target))
        changed = (source_weights - target_weights).abs().amax(1) > NEGLIGIBLE
        # A weak source emotion is a blend with neutral; the neutral part is ignored.
        has_emotion = (source_weights[:, 1:] > NEGLIGIBLE).any(1)
        source_weights[:, 0] = source_weights[:, 0].where(~has_emotion, 0.0)
        if ((torch.stack([source_weights, target_weights]) > NEGLIGIBLE).sum(2) > 1)[:, changed].any():
            raise UnsupportedExpression(
                f"{self.name} edits between neutral and one of {', '.join(self.preset.pairs)} at full intensity: "
                "neither the source nor the target may be a blend of emotions"
            )
        emotions = ([names[i] for i in weights.argmax(1)] for weights in (source_weights, target_weights))
        return *emotions, changed.nonzero()[:, 0].tolist()


class ImagePool(nn.Module):
    """A pool of generated images from earlier steps, for the discriminator (Shrivastava 2017, §2.3).

    Images are stored with 8 bits per channel, in a buffer, so that a resumed run continues with them. Random numbers
    come from the global generator. A pool of size 0 stores none.
    """

    def __init__(self, size: int, channels: int, pixels: int) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, channels, pixels, pixels, dtype=torch.uint8))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    def exchange(self, generated: Tensor) -> Tensor:
        """Images (N, C, H, W) for the discriminator: new ones and, at random, earlier ones in place of new ones.

        While the pool is not full, each new image is stored and returned. After that, with probability 1 / 2, a new
        image replaces a random one of the pool, which is returned instead.
        """
        size = len(self.images)
        if not size:
            return generated
        output, filled = generated.clone(), int(self.filled)
        for i, exchanged in enumerate(torch.rand(len(generated)) < 0.5):
            if filled < size:
                self.images[filled] = to_uint8(generated[i])
                filled += 1
            elif exchanged:
                index = int(torch.randint(size, ()))
                output[i] = from_uint8(self.images[index])
                self.images[index] = to_uint8(generated[i])
        self.filled.fill_(filled)
        return output


def _both_directions(
    emotion: str, neutral: Tensor, emotional: Tensor
) -> tuple[tuple[str, str, Tensor, Tensor], tuple[str, str, Tensor, Tensor]]:
    """For each direction of a pair: its name, that of its inverse, its input images, and real images of its target."""
    forward, backward = directions(emotion)
    return (forward, backward, neutral, emotional), (backward, forward, emotional, neutral)


def _check(preset: CycleGANPreset) -> None:
    unknown = [emotion for emotion in preset.pairs if emotion not in EMOTIONS or emotion == "neutral"]
    if unknown or not preset.pairs:
        raise ValueError(f"the preset's pairs are {preset.pairs}; each must be an emotion other than neutral")
    if preset.norm and (preset.gradient_penalty or preset.r1):
        raise ValueError("the gradients of a discriminator with norms cannot be penalised: leave out norm or r1")
