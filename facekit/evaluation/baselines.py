"""What a generator is compared with: rows that need no training, and show what each number is worth.

Copying scores high wherever little should change, a training face wherever only the emotion is read, and the true
counterfactual is what a judge says of the right answer. All have the `edit` of a generator.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from facekit.datasets.base import FaceDataset
from facekit.diffusion.noise import Seeds, face_generators
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces

_EMOTIONAL = frozenset({"emotion", "intensity"})


class Copy:
    """The input, whatever is asked for."""

    name = "copy"
    understands = _EMOTIONAL

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`."""
        return faces.images


class Noise:
    """Even noise between black and white, each channel of each pixel by itself, whatever is asked for."""

    name = "noise"
    understands = _EMOTIONAL

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`."""
        shape = faces.images.shape[1:]
        return torch.stack([2 * torch.rand(shape, generator=drawing) - 1 for drawing in _drawings(seed, len(faces))])


class Retrieval:
    """Another person of the training set, who shows the emotion that is asked for: perfectly real, and not an edit.

    training  a dataset in which every emotion that will be asked for occurs
    """

    name = "retrieval"
    understands = frozenset({"emotion"})

    def __init__(self, training: FaceDataset) -> None:
        self._labels, self._fetch = training.labels, training.faces

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`; the strongest emotion asked for decides."""
        asked = expression.for_faces(len(faces)).emotion.argmax(1).tolist()
        drawings = _drawings(seed, len(faces))
        chosen = [self._any(emotion, drawing) for emotion, drawing in zip(asked, drawings, strict=True)]
        return self._fetch(chosen).images

    def _any(self, emotion: int, drawing: torch.Generator) -> int:
        shown = (self._labels == emotion).nonzero()[:, 0]
        return shown[torch.randint(len(shown), (), generator=drawing)].item()


class HeldOutRetrieval(Retrieval):
    """The same with people whom nobody trained on: what judges say of real faces, by the labels that these have.

    faces  with labels, in which every emotion that will be asked for occurs
    """

    name = "held-out retrieval"

    def __init__(self, faces: Faces) -> None:
        self._labels, self._fetch = faces.emotion, faces.__getitem__


class GroundTruthEdit:
    """The right answer, from who knows it: the ceiling of every measure.

    persons  (F,) who the faces are that will be given, in rising order
    truth    rows (N,) of these and an expression of N rows to the true pictures (N, C, H, W)
    """

    name = "ground truth"
    understands = _EMOTIONAL

    def __init__(self, persons: Tensor, truth: Callable[[Tensor, Expression], Tensor]) -> None:
        self._persons, self._truth = persons, truth

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`; the faces must know their person."""
        rows = torch.searchsorted(self._persons, faces.person)
        return self._truth(rows, expression.for_faces(len(faces)))


def _drawings(seed: Seeds, n: int) -> list[torch.Generator]:
    """A source of random numbers for each of n faces."""
    return face_generators([seed] * n if isinstance(seed, int) else seed, n)
