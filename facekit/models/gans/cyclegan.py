"""G8: CycleGAN (Zhu 2017), P3's baseline: for each pair of emotions, a generator and a discriminator each way.

What StarGAN does with one generator takes two for every pair here; none of them is told anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.diffusion.noise import Seeds
from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces, from_uint8, to_uint8
from facekit.losses.adversarial import generator_loss
from facekit.models.gans.adversarial import AdversarialGenerator, CollapseWatch
from facekit.models.gans.stargan import TranslatorPreset
from facekit.models.label import NOTHING, label_weights
from facekit.models.system import Clock, Step


@dataclass(frozen=True)
class CycleGANPreset(TranslatorPreset):
    """How CycleGAN is built and trained."""

    pairs: tuple[str, ...] = ("happy", "sad", "surprise")  # each with neutral
    per_side: int | None = None  # faces of each side of a pair in a step; None: all that a batch holds
    intensity: float = 0.6  # faces with an emotion weaker than this, where that is known, show neither side of a pair
    reconstruction: float = 10.0  # λ of the cycle
    identity: float = 0.5  # of faces that show the emotion already, as a share of λ
    pool: int = 50  # made pictures that are kept to be shown to a discriminator again (Shrivastava 2017, §2.3)
    norm: bool = False  # in the discriminators


# Zhu 2017, §4 and §7.1, for 128 pixels, P3's size: one face of each side, least squares, λ 10, 200 epochs, the rate
# falling in the second half; one pair at a time. An epoch is taken to be of 1,000 faces of each side. Not to the
# letter: the layers that halve and double have kernels of 4 instead of 3, the borders are padded with zeros instead of
# mirrored, and the norms have a scale and shift, all as in StarGAN's generator.
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

DIRECTIONS = ("there", "back")
"""From neutral to the emotion of a pair, and back."""

IDLE = 50
"""Batches in a row without a pair after which the training stops."""


class CycleGAN(AdversarialGenerator):
    """Faces at rest to faces with an emotion, and back.

    An edit needs to know which way to go: `source` says what the faces show. Between two emotions other than neutral
    the way leads through neutral.
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
        self.generators, self.discriminators, self.pools = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for way in self.ways:
            self.generators[way] = preset.translator(channels)
            self.discriminators[way] = preset.discriminator(channels, norm=preset.norm)
            self.pools[way] = PicturePool(preset.pool, channels, preset.size)
        self.watches = nn.ModuleDict({way: CollapseWatch() for way in self.ways})
        self.register_buffer("idle", torch.zeros((), dtype=torch.long))

    @property
    def ways(self) -> list[str]:
        """Names of the ways, two a pair: "happy_there", "happy_back"."""
        return [f"{emotion}_{direction}" for emotion in self.preset.pairs for direction in DIRECTIONS]

    # ------------------------------------------------------------------------------------------- training

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        rate = self.preset.discriminator_rate
        return {
            "generators": self.optimiser(self.generators.values()),
            "discriminators": self.optimiser(self.discriminators.values(), rate),
        }

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """The generators first, as Zhu 2017's code has it. Pairs of which the batch does not hold both sides are left
        out; where that is all of them, nothing is learned, and after `IDLE` such batches in a row, that is an error."""
        sides = {emotion: self._sides(batch, emotion) for emotion in self.preset.pairs}
        sides = {emotion: both for emotion, both in sides.items() if all(map(len, both))}
        self.idle.copy_(0 if sides else self.idle + 1)
        if self.idle >= IDLE:
            raise ValueError(
                f"{self.name} needs faces of both sides of a pair in a batch, and the last {IDLE} had neither neutral "
                f"with {' nor with '.join(self.preset.pairs)}: take larger batches, and balanced ones"
            )
        if not sides:
            return
        losses, told, made = [], {}, {}
        for emotion, (neutral, shown) in sides.items():
            loss, terms = self._cycle(emotion, neutral, shown, made)
            losses.append(loss)
            told |= terms
        yield "generators", torch.stack(losses).sum(), told
        losses, told = [], {}
        for emotion, (neutral, shown) in sides.items():
            for way, real in zip(self._both(emotion), (shown, neutral), strict=True):
                loss = self._judged(way, real, made[way], clock)
                told[f"discriminator/{way}"] = loss
                losses.append(loss)
        yield "discriminators", torch.stack(losses).sum(), told

    def _sides(self, batch: Faces, emotion: str) -> tuple[Tensor, Tensor]:
        """Pictures of faces at rest, and of faces that show an emotion clearly enough."""
        if batch.emotion is None:
            raise ValueError(f"{self.name} learns from labelled faces, and these have no labels")
        clear = torch.ones_like(batch.emotion, dtype=torch.bool)
        if batch.intensity is not None:
            clear = batch.intensity >= self.preset.intensity
        neutral = batch.emotion == EMOTIONS.index("neutral")
        shown = (batch.emotion == EMOTIONS.index(emotion)) & clear
        few = slice(self.preset.per_side)
        return batch.images[neutral][few], batch.images[shown][few]

    def _both(self, emotion: str) -> tuple[str, str]:
        return f"{emotion}_{DIRECTIONS[0]}", f"{emotion}_{DIRECTIONS[1]}"

    def _cycle(
        self, emotion: str, neutral: Tensor, shown: Tensor, made: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a pair's two generators (Zhu 2017, eq. 3, and its identity loss in §5.2) and its terms. What
        they make goes into `made`."""
        preset = self.preset
        there, back = self._both(emotion)
        loss = neutral.new_zeros(())
        told = {}
        for way, other, start, goal in ((there, back, neutral, shown), (back, there, shown, neutral)):
            turned = self.generators[way](start)
            made[way] = turned.detach()
            adversarial = generator_loss(self.discriminators[way](self.augmented(turned))[0], preset.adversarial)
            cycle = F.l1_loss(self.generators[other](turned), start)
            loss = loss + adversarial + preset.reconstruction * cycle
            told |= {f"generator/adversarial_{way}": adversarial, f"generator/reconstruction_{way}": cycle}
            if preset.identity:
                same = F.l1_loss(self.generators[way](goal), goal)
                loss = loss + preset.identity * preset.reconstruction * same
                told[f"generator/identity_{way}"] = same
        return loss, told

    def _judged(self, way: str, real: Tensor, made: Tensor, clock: Clock) -> Tensor:
        """The loss of one discriminator, which also sees pictures that were made before."""
        discriminator = self.discriminators[way]
        real_seen, made_seen = self.augmented(real), self.augmented(self.pools[way].exchange(made))
        of_real, of_made = discriminator(real_seen)[0], discriminator(made_seen)[0]
        self.watches[way].observe(
            real, made, torch.cat([of_real.flatten(), of_made.flatten()]), clock, f"{self.name}, {way}"
        )
        return self.discriminator_loss(of_real, of_made) + self.slope_penalty(
            discriminator.scores, real_seen, made_seen, clock
        )

    # ---------------------------------------------------------------------------------------------- in use

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """Nothing is drawn at random, so that `seed` changes nothing. A face that shows what is asked for, however
        weakly, stays as it is."""
        if source is None:
            raise ValueError(
                f"{self.name} needs to know what the faces show, one of neutral, {', '.join(self.preset.pairs)}: give "
                "source=Expression.of(...), or that of the faces' labels, source=faces.expression.only('emotion')"
            )
        names = ("neutral", *self.preset.pairs)
        shown, asked = (label_weights(each, names, self.name) for each in (source, expression))
        moved = (shown - asked).abs().amax(1) > NOTHING
        # A face may show an emotion weakly, in part neutral: it is what it is.
        shown[:, 0] = shown[:, 0].where((shown[:, 1:] <= NOTHING).all(1), 0.0)
        now, then = ([names[i] for i in weights.argmax(1)] for weights in (shown, asked))
        if ((torch.stack([shown, asked]) > NOTHING).sum(2) > 1)[:, moved].any():
            raise UnsupportedExpression(
                f"{self.name} goes all the way from neutral to {', '.join(self.preset.pairs)} or back: a face shows "
                "one of them, and is asked for one in full"
            )
        edited = faces.images.clone()
        for direction, side, other in (("back", now, then), ("there", then, now)):
            for emotion in self.preset.pairs:
                rows = [i for i, m in enumerate(moved) if m and side[i] == emotion != other[i]]
                if rows:
                    edited[rows] = self.generators[f"{emotion}_{direction}"](edited[rows])
        return edited


class PicturePool(nn.Module):
    """Pictures that a generator made before, for its discriminator to be shown again (Shrivastava 2017, §2.3).

    They are kept in eight bits, as a part of the state, so that a resumed run goes on with them, and drawn from the
    global generator. `size` 0 keeps none.
    """

    def __init__(self, size: int, channels: int, pixels: int) -> None:
        super().__init__()
        self.register_buffer("pictures", torch.zeros(size, channels, pixels, pixels, dtype=torch.uint8))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    def exchange(self, made: Tensor) -> Tensor:
        """Pictures (N, C, H, W): while there is room, each is kept and returned; then each is, with probability a
        half, kept in place of an older one, which is returned in its stead."""
        size = len(self.pictures)
        if not size:
            return made
        shown, filled = made.clone(), int(self.filled)
        for i, swapped in enumerate(torch.rand(len(made)) < 0.5):
            if filled < size:
                self.pictures[filled] = to_uint8(made[i])
                filled += 1
            elif swapped:
                place = int(torch.randint(size, ()))
                shown[i] = from_uint8(self.pictures[place])
                self.pictures[place] = to_uint8(made[i])
        self.filled.fill_(filled)
        return shown


def _check(preset: CycleGANPreset) -> None:
    unknown = [emotion for emotion in preset.pairs if emotion not in EMOTIONS or emotion == "neutral"]
    if unknown or not preset.pairs:
        raise ValueError(f"the preset's pairs are {preset.pairs}; each is an emotion other than neutral")
    if preset.norm and (preset.gradient_penalty or preset.r1):
        raise ValueError("a discriminator with norms cannot be penalised for its slopes: leave norm, or r1, out")
