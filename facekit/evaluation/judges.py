"""Judges: whoever says what a face shows. Ours by the name of their weights, others' in `facekit.evaluation.external`.

Who may judge: a generator that was trained or guided by a classifier learns to fool that very one. So E1 may
guide, E2 and the others only judge, and `may_judge` reads from the cards whether a generator stands on a judge.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Protocol, Self, runtime_checkable

from torch import Tensor

from facekit.faces.faces import Faces
from facekit.models.judges.action_units import ActionUnitNet
from facekit.models.judges.emotion import EmotionClassifier
from facekit.models.judges.identity import IdentityNet
from facekit.models.load import load_system
from facekit.weights.store import WeightsCard


@runtime_checkable
class Judge(Protocol):
    """Whoever says which of `PROTOCOL_EMOTIONS` faces show.

    name    to be written beside its numbers
    sha256  of its weights, by which a generator's card would name it; empty where it has no file of its own
    """

    name: str
    sha256: str

    def probabilities(self, faces: Faces) -> Tensor:
        """How likely each emotion is: (N, 7), columns as `PROTOCOL_EMOTIONS`, rows summing to 1."""
        ...


@runtime_checkable
class Recogniser(Protocol):
    """Whoever says who a face is."""

    name: str
    sha256: str

    def embed(self, faces: Faces) -> Tensor:
        """Embeddings (N, D) of length 1; the scalar product of two says how alike the faces are."""
        ...


class _SystemJudge:
    """A judge that is one of the suite's own systems."""

    _kind: type

    def __init__(self, system, name: str | None = None) -> None:
        if not isinstance(system, self._kind):
            raise TypeError(f"{type(self).__name__} needs a {self._kind.__name__}, not a {type(system).__name__}")
        card: WeightsCard | None = getattr(system, "card", None)
        self.system = system
        self.name = name or system.name
        self.sha256 = card.sha256 if card else ""

    @classmethod
    def load(cls, source: str | os.PathLike, **options) -> Self:
        """The judge by the name or path of its weights, as `facekit.weights.find_weights` takes it."""
        return cls(load_system(source), name=str(source), **options)


class EmotionJudge(_SystemJudge):
    """E1 or E2 as a judge. `temperature` divides its logits (see `facekit.evaluation.metrics.calibration`)."""

    _kind = EmotionClassifier

    def __init__(self, system: EmotionClassifier, name: str | None = None, temperature: float = 1.0) -> None:
        super().__init__(system, name)
        self.temperature = temperature

    def logits(self, faces: Faces) -> Tensor:
        """What it says before the softmax and the temperature, averaged over faces and mirror images: (N, 7)."""
        return self.system.read(faces.images)

    def probabilities(self, faces: Faces) -> Tensor:
        """See `Judge.probabilities`."""
        return (self.logits(faces) / self.temperature).softmax(1)

    def features(self, faces: Faces) -> Tensor:
        """What its network makes of faces before it decides, (N, D): for FID and KID."""
        return self.system.in_batches(self.system.features, faces.images)


class IdentityJudge(_SystemJudge):
    """The suite's identity network as a judge."""

    _kind = IdentityNet

    def embed(self, faces: Faces) -> Tensor:
        """See `Recogniser.embed`."""
        return self.system.embed(faces.images)


class ActionUnitJudge(_SystemJudge):
    """The suite's action-unit regressor as a judge."""

    _kind = ActionUnitNet

    def action_units(self, faces: Faces) -> Tensor:
        """Strengths (N, A) in [0, 1], columns as `ACTION_UNIT_COLUMNS`."""
        return self.system.read(faces.images)


def may_judge(judge: Judge | Recogniser, generator: WeightsCard, others: Iterable[WeightsCard] = ()) -> bool:
    """Whether a generator was made without a judge's help: none of what it requires or began with is the judge.

    others  cards of those weights, which are looked through in the same way
    """
    cards = {card.sha256: card for card in others}
    seen, waiting = set(), _made_of(generator)
    while waiting:
        digest = waiting.pop()
        seen.add(digest)
        if digest in cards:
            waiting |= _made_of(cards[digest]) - seen
    return judge.sha256 not in seen


def _made_of(card: WeightsCard) -> set[str]:
    """SHA-256 of the weights that others were made with."""
    return {*card.requires.values(), *card.started_from.values()}
