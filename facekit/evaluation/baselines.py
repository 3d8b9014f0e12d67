"""Baselines without training, and the ground truth: the scale on which a metric is read.

The no-op baseline scores well in every metric that compares edit and input, the retrieval baseline in every metric that
looks at the emotion alone. The ground truth is the upper bound, and shows the judges' own error. All have the `edit`
method of a generator.
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


class NoOp:
    """Returns the unedited input."""

    name = "no-op baseline"
    understands = _EMOTIONAL

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`."""
        return faces.images


class Noise:
    """Returns uniform noise in [-1, 1], independent for each channel of each pixel."""

    name = "noise baseline"
    understands = _EMOTIONAL

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`."""
        shape = faces.images.shape[1:]
        draws = [torch.rand(shape, generator=generator) for generator in _random_generators(seed, len(faces))]
        return 2 * torch.stack(draws) - 1


class Retrieval:
    """Returns a random face of the training set that shows the target emotion: a real image of another person.

    training  a dataset that contains every target emotion
    """

    name = "retrieval baseline"
    understands = frozenset({"emotion"})

    def __init__(self, training: FaceDataset) -> None:
        self._labels, self._fetch = training.labels, training.faces

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`; the emotion with the largest weight is the target."""
        targets = expression.for_faces(len(faces)).emotion.argmax(1).tolist()
        generators = _random_generators(seed, len(faces))
        chosen = [self._draw(target, generator) for target, generator in zip(targets, generators, strict=True)]
        return self._fetch(chosen).images

    def _draw(self, emotion: int, generator: torch.Generator) -> int:
        shown = (self._labels == emotion).nonzero()[:, 0]
        return shown[torch.randint(len(shown), (), generator=generator)].item()


class HeldOutRetrieval(Retrieval):
    """Retrieval from held-out faces: it shows how often the judges agree with the labels of real faces.

    faces  labelled, with every target emotion among them
    """

    name = "held-out retrieval baseline"

    def __init__(self, faces: Faces) -> None:
        self._labels, self._fetch = faces.emotion, faces.__getitem__


class GroundTruthEdit:
    """Returns the ground truth: the upper bound of every metric.

    persons       (F,) identities of the benchmark's faces, ascending
    ground_truth  see `facekit.evaluation.benchmark.Benchmark.ground_truth`
    """

    name = "ground truth"
    understands = _EMOTIONAL

    def __init__(self, persons: Tensor, ground_truth: Callable[[Tensor, Expression], Tensor]) -> None:
        self._persons, self._ground_truth = persons, ground_truth

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`; the faces must have `person`."""
        rows = torch.searchsorted(self._persons, faces.person)
        return self._ground_truth(rows, expression.for_faces(len(faces)))


def _random_generators(seed: Seeds, n: int) -> list[torch.Generator]:
    """One random generator for each of n faces."""
    return face_generators([seed] * n if isinstance(seed, int) else seed, n)
