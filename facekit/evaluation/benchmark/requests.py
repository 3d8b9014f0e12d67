"""Edit requests: which face is edited to which emotion and intensity, and how a generator performs them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from facekit.diffusion.noise import Seeds
from facekit.evaluation.benchmark.benchmarks import Benchmark, CannotEvaluate
from facekit.faces.emotions import NEUTRAL
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces

SWEEP_FACES = 64
"""Number of faces, the first of the benchmark, in the sweep over intensities."""

INTENSITIES = tuple(i / 8 for i in range(9))
"""Target intensities of the sweep: nine from 0 (a neutral face) to 1 (the full expression)."""


class Editor(Protocol):
    """What the protocol needs of a generator. Every `facekit.models.system.Generator` is one.

    name         its name in the leaderboard
    understands  the parts of an `Expression` that it is conditioned on
    """

    name: str
    understands: Collection[str]

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`."""
        ...


@dataclass(frozen=True)
class EditRequests:
    """N edit requests.

    rows       (N,) indices of the benchmark's faces
    target     (N,) target emotions
    intensity  (N,) target intensities in [0, 1]
    emotions   the benchmark's `emotions`
    """

    rows: Tensor
    target: Tensor
    intensity: Tensor
    emotions: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index) -> EditRequests:
        return EditRequests(self.rows[index], self.target[index], self.intensity[index], self.emotions)

    @property
    def expression(self) -> Expression:
        """The target expressions, N rows."""
        return Expression.from_labels(self.target, self.intensity)

    @property
    def full_index(self) -> Tensor:
        """Index (N,) into `full_requests` of each face with its target emotion at full intensity."""
        return self._full_index(self.target)

    @property
    def neutral_index(self) -> Tensor:
        """Index (N,) into `full_requests` of each face with a neutral expression."""
        return self._full_index(torch.full_like(self.target, NEUTRAL))

    def _full_index(self, emotions: Tensor) -> Tensor:
        position = torch.searchsorted(torch.tensor(self.emotions), emotions.contiguous())
        return self.rows * len(self.emotions) + position


def full_requests(benchmark: Benchmark) -> EditRequests:
    """Each face to each of the benchmark's emotions at full intensity, face by face."""
    count, emotions = len(benchmark.faces), torch.tensor(benchmark.emotions)
    rows, target = torch.arange(count).repeat_interleave(len(emotions)), emotions.repeat(count)
    return EditRequests(rows, target, torch.ones(len(rows)), benchmark.emotions)


def self_requests(benchmark: Benchmark) -> EditRequests:
    """Each face to the emotion and intensity that it shows already (self-reconstruction)."""
    faces = benchmark.faces
    intensity = torch.ones(len(faces)) if faces.intensity is None else faces.intensity
    return EditRequests(torch.arange(len(faces)), faces.emotion, intensity, benchmark.emotions)


def sweep_requests(benchmark: Benchmark) -> EditRequests:
    """The first `SWEEP_FACES` faces to each emotion but neutral at each of `INTENSITIES`."""
    emotions = [i for i in benchmark.emotions if i != NEUTRAL]
    rows, target, step = torch.cartesian_prod(
        torch.arange(min(SWEEP_FACES, len(benchmark.faces))), torch.tensor(emotions), torch.arange(len(INTENSITIES))
    ).unbind(1)
    return EditRequests(rows, target, torch.tensor(INTENSITIES)[step], benchmark.emotions)


def adapted(expression: Expression, understands: Collection[str]) -> Expression:
    """The same expression in the parts that a generator understands.

    A generator without intensity gets the intensity as label weights shared with neutral. A generator without emotions
    gets action units.
    """
    if "emotion" not in understands and "action_units" in understands:
        return expression.to_action_units()
    return expression if "intensity" in understands else expression.intensity_to_weights()


def rows_by_emotion(target: Tensor, emotions: Tensor) -> Tensor:
    """For each target emotion (N,) the row of a real face that shows it, among faces with emotions (M,): (N,).

    The faces of an emotion take turns; where none shows it, all faces take turns.
    """
    rows = torch.empty_like(target)
    for emotion in target.unique():
        wanted, showing = target == emotion, (emotions == emotion).nonzero()[:, 0]
        showing = showing if len(showing) else torch.arange(len(emotions))
        rows[wanted] = showing[torch.arange(int(wanted.sum())) % len(showing)]
    return rows


def run_edits(generator: Editor, benchmark: Benchmark, requests: EditRequests) -> Tensor:
    """A generator's edits (N, C, H, W) of N requests, on the CPU.

    The generator receives the labels of the input faces, as in a labelled dataset, and nothing else: no action units,
    landmarks or masks. The seed of a face is its row, the same for all its requests.

    Raises `CannotEvaluate` if the result is not N finite images of the input's shape.
    """
    faces = benchmark.faces[requests.rows]
    shown = Expression.from_labels(faces.emotion, faces.intensity)
    target = adapted(requests.expression, generator.understands)
    if benchmark.target_domain is not None and "domain" in generator.understands:
        target = target.with_domain(benchmark.target_domain)
    edited = generator.edit(
        Faces(faces.images, person=faces.person, domain=faces.domain),
        target,
        source=adapted(shown, generator.understands),
        seed=requests.rows.tolist(),
    ).cpu()
    finite = bool(edited.isfinite().all())
    if edited.shape != faces.images.shape or not finite:
        raise CannotEvaluate(
            f"{generator.name} edited images of shape {tuple(faces.images.shape)} into shape {tuple(edited.shape)}"
            f"{'' if finite else ' with values that are not finite'}"
        )
    return edited
