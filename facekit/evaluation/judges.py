"""Judges: networks that evaluate edits. The suite's own are loaded by the name of their weights; external ones are in
`facekit.evaluation.external`.

A judge must be independent of the generator: a generator that was trained with or guided by a classifier learns to fool
that classifier. Therefore E1 is used for guidance, and E2 and the others for evaluation only. `is_independent` checks
the cards of a generator's weights for a dependency on a judge.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from facekit.faces.faces import Faces
from facekit.models.judges.action_units import ActionUnitNet
from facekit.models.judges.emotion import EmotionClassifier
from facekit.models.judges.identity import IdentityNet
from facekit.models.judges.landmarks import LandmarkNet
from facekit.models.load import load_system
from facekit.weights.store import WeightsCard


@runtime_checkable
class Judge(Protocol):
    """A judge of emotion.

    name    reported beside its numbers
    sha256  of its weights, as a generator's card names a dependency; empty if it has no weights file
    """

    name: str
    sha256: str

    def probabilities(self, faces: Faces) -> Tensor:
        """Probabilities of the emotions: (N, 7), columns as `PROTOCOL_EMOTIONS`, rows sum to 1."""
        ...


@runtime_checkable
class Recogniser(Protocol):
    """A judge of identity: a face-recognition network."""

    name: str
    sha256: str

    def embed(self, faces: Faces) -> Tensor:
        """Embeddings (N, D) of length 1; the scalar product of two is their cosine similarity."""
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
        """Logits (N, 7) before the temperature, averaged over each face and its mirror image."""
        return self.system.predict(faces.images)

    def probabilities(self, faces: Faces) -> Tensor:
        """See `Judge.probabilities`."""
        return (self.logits(faces) / self.temperature).softmax(1)

    def features(self, faces: Faces) -> Tensor:
        """Features (N, D) of its last layer but one, for FID and KID."""
        return self.system.in_batches(self.system.features, faces.images)

    def features_and_probabilities(self, faces: Faces) -> tuple[Tensor, Tensor]:
        """`features` and `probabilities`, in less time than one after the other."""

        def both(images: Tensor) -> Tensor:
            return torch.cat(self.system.features_and_logits(images), dim=1)

        width = len(self.system.emotions)
        answers = self.system.in_batches(both, faces.images)
        return answers[:, :-width], (answers[:, -width:] / self.temperature).softmax(1)


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
        """Intensities (N, A) in [0, 1], columns as `ACTION_UNIT_COLUMNS`."""
        return self.system.predict(faces.images)


class LandmarkJudge(_SystemJudge):
    """The suite's landmark regressor as a judge."""

    _kind = LandmarkNet

    def landmarks(self, faces: Faces) -> Tensor:
        """Landmarks (N, 68, 2) in the iBUG order, x to the right and y down, from -1 to 1 across the image."""
        return self.system.predict(faces.images)


def is_independent(judge: Judge | Recogniser, generator: WeightsCard, others: Iterable[WeightsCard] = ()) -> bool:
    """Whether a generator was trained without a judge: the judge is neither among its dependencies (required and
    initial weights) nor among theirs.

    generator  the card of its weights
    others     cards of known weights, in which dependencies are followed
    """
    cards = {card.sha256: card for card in others}
    seen, waiting = set(), _dependencies(generator)
    while waiting:
        digest = waiting.pop()
        seen.add(digest)
        if digest in cards:
            waiting |= _dependencies(cards[digest]) - seen
    return judge.sha256 not in seen


def _dependencies(card: WeightsCard) -> set[str]:
    """SHA-256 of the weights that a system requires or was initialised from."""
    return {*card.requires.values(), *card.started_from.values()}
