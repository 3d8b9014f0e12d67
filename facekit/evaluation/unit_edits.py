"""How well does a generator perform requests for single action units, and for one side of the face?

The benchmark of emotions asks for the same few combinations of units again and again. Here held-out drawn people are
asked for three kinds of action units, each with its ground truth:

* **free**: one to five units drawn at random, some of them stronger on one side, for every person;
* **one-sided**: one unit on the left or on the right side, for every person;
* **single**: each unit alone, on both sides, for the first people. Their mean changes are the cross-talk matrix.

A judge of action units measures the edits. It makes errors on the ground truth too, which are reported beside those on
the edits.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.datasets.synthetic import SyntheticFaces
from facekit.datasets.synthetic.units import free_units
from facekit.evaluation.benchmark.benchmarks import FACES, CannotEvaluate
from facekit.evaluation.judges import ActionUnitJudge
from facekit.evaluation.metrics.counterfactual import changed_region
from facekit.evaluation.metrics.sharpness import sharpness
from facekit.faces.action_units import ACTION_UNIT_COLUMNS, ACTION_UNITS, action_unit_columns
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.system import Generator

SINGLE_PEOPLE = 32
"""People who are asked for each unit alone, at most."""

_SINGLE_INTENSITY = 0.8
_MOVED = 0.5  # share of the true change of a side from which on it counts as moved
_MASKED = 0.1  # value of a mask from which on a pixel counts as edited
_SATURATED = 0.98  # mean attention A, 1 minus the mask, above which an edit is a copy
_BATCH = 128


@dataclass(frozen=True)
class UnitRequests:
    """N requests for action units.

    faces   inputs, N
    units   (N, A) requested intensities
    truth   (N, C, H, W) images of these people with these units
    """

    faces: Faces
    units: Tensor
    truth: Tensor

    def __len__(self) -> int:
        return len(self.units)


@dataclass(frozen=True)
class UnitBenchmark:
    """The three kinds of requests; see the module.

    column  (N,) of each one-sided request: the column of its unit and side
    other   (N,) the column of the same unit on the other side
    """

    free: UnitRequests
    one_sided: UnitRequests
    column: Tensor
    other: Tensor
    single: UnitRequests


def unit_benchmark(faces: int = FACES, size: int = 64, channels: int = 3, split: str = "test") -> UnitBenchmark:
    """The benchmark on one face each of held-out drawn people.

    size, channels  of the images, as the generator takes them
    split           "test", or "valid" while hyperparameters are still being chosen
    """
    dataset = SyntheticFaces(split, people=faces, faces_per_person=1, size=size, channels=channels)
    every = torch.arange(faces)

    def requests(rows: Tensor, units: Tensor) -> UnitRequests:
        expression = Expression(action_units=units)
        parts = torch.arange(len(rows)).split(_BATCH)
        truth = [dataset.counterfactual(rows[p], expression[p]).images for p in parts]
        inputs = Faces.cat([dataset.faces(rows[p]) for p in parts])
        return UnitRequests(Faces(inputs.images, person=inputs.person), units, torch.cat(truth))

    sided = torch.tensor([action_unit_columns(unit.number) for unit in ACTION_UNITS if unit.sided])
    pairs = sided[every % len(sided)]
    right = (every // len(sided)) % 2
    column, other = pairs.gather(1, right[:, None])[:, 0], pairs.gather(1, 1 - right[:, None])[:, 0]
    people = min(SINGLE_PEOPLE, faces)
    alone = torch.zeros(len(ACTION_UNITS), len(ACTION_UNIT_COLUMNS))
    for row, unit in zip(alone, ACTION_UNITS, strict=True):
        row[list(action_unit_columns(unit.number))] = _SINGLE_INTENSITY
    return UnitBenchmark(
        free=requests(every, free_units(dataset.persons)),
        one_sided=requests(every, F.one_hot(column, len(ACTION_UNIT_COLUMNS)).float()),
        column=column,
        other=other,
        single=requests(torch.arange(people).repeat_interleave(len(alone)), alone.repeat(people, 1)),
    )


@dataclass(frozen=True)
class UnitScores:
    """What `evaluate_units` measures.

    error             mean absolute difference of measured and requested units, of free requests
    error_of_truth    the same of the ground truth: the judge's own error
    one_sided         share of one-sided requests in which the judge sees the requested side change by at least half of
                      its true change, and the other side by less
    one_sided_of_truth  the same of the ground truth
    relative_error    squared error to the ground truth by that of the unedited input, of free requests
    sharpness         Laplacian energy of the changed region by that of the ground truth, of free requests
    cross_talk        share of the changes that are in other units than the requested one, of single requests; NaN where
                      nothing changes
    cross_talk_of_truth  the same of the ground truth
    matrix            (U, U) mean changes: row requested unit, column measured unit, as in `ACTION_UNITS`
    overlap           intersection over union of the mask and the truly changed region, of free requests; NaN for a
                      generator without a mask
    saturated         share of edits whose mask covers less than 2 % of the face on average; NaN likewise
    """

    error: float
    error_of_truth: float
    one_sided: float
    one_sided_of_truth: float
    relative_error: float
    sharpness: float
    cross_talk: float
    cross_talk_of_truth: float
    matrix: Tensor
    overlap: float
    saturated: float

    def row(self) -> dict[str, float]:
        """The numbers by name, without the matrix."""
        return {name: value for name, value in vars(self).items() if name != "matrix"}


def evaluate_units(generator: Generator | None, benchmark: UnitBenchmark, judge: ActionUnitJudge) -> UnitScores:
    """The scores of a generator; None is the no-op baseline.

    Raises `CannotEvaluate` for a generator that does not understand action units.
    """
    if generator is not None and "action_units" not in generator.understands:
        raise CannotEvaluate(
            f"{generator.name} understands {', '.join(sorted(generator.understands))}, and cannot be asked for action "
            "units: name a generator that can, such as ganimation or diffusion_editor"
        )
    free, sided = benchmark.free, benchmark.one_sided
    edits = {name: _edits(generator, getattr(benchmark, name)) for name in ("free", "one_sided", "single")}
    measure = functools.partial(_measured, judge)
    before, truth = measure(sided.faces.images), measure(sided.truth)
    moved = functools.partial(_share_moved, true=truth - before, column=benchmark.column, other=benchmark.other)
    matrix, true_matrix = (
        _cross_talk(measure(images), benchmark) for images in (edits["single"], benchmark.single.truth)
    )
    squares = [(images - free.truth).square().mean() for images in (edits["free"], free.faces.images)]
    overlap, saturated = _of_masks(generator, free)
    return UnitScores(
        error=(measure(edits["free"]) - free.units).abs().mean().item(),
        error_of_truth=(measure(free.truth) - free.units).abs().mean().item(),
        one_sided=moved(measure(edits["one_sided"]) - before),
        one_sided_of_truth=moved(truth - before),
        relative_error=(squares[0] / squares[1]).item(),
        sharpness=sharpness(edits["free"], free.truth, free.faces.images),
        cross_talk=_off_diagonal(matrix),
        cross_talk_of_truth=_off_diagonal(true_matrix),
        matrix=matrix,
        overlap=overlap,
        saturated=saturated,
    )


def _edits(generator: Generator | None, requests: UnitRequests) -> Tensor:
    if generator is None:
        return requests.faces.images
    expression, parts = Expression(action_units=requests.units), torch.arange(len(requests)).split(_BATCH)
    return torch.cat([generator.edit(requests.faces[p], expression[p], seed=p.tolist()) for p in parts])


def _measured(judge: ActionUnitJudge, images: Tensor) -> Tensor:
    return judge.action_units(Faces(images))


def _share_moved(change: Tensor, true: Tensor, column: Tensor, other: Tensor) -> float:
    """The share of one-sided requests, given the changes (N, A) of edits and truth, that moved the one side alone."""
    at = lambda values, index: values.gather(1, index[:, None])[:, 0]  # noqa: E731
    least = _MOVED * at(true, column)
    return ((at(change, column) >= least) & (at(change, other) < least)).float().mean().item()


def _cross_talk(units: Tensor, benchmark: UnitBenchmark) -> Tensor:
    """(U, U) mean changes of each unit, of both its sides, relative to the other single requests of the same person.

    The median over a person's requests takes the place of a neutral face, since few requests move any one unit.
    """
    sides = [list(action_unit_columns(unit.number)) for unit in ACTION_UNITS]
    by_unit = torch.stack([units[:, columns].mean(1) for columns in sides], 1).unflatten(0, (-1, len(sides)))
    return (by_unit - by_unit.median(1, keepdim=True).values).mean(0)


def _off_diagonal(matrix: Tensor) -> float:
    masses = matrix.abs()
    return (1 - masses.diagonal().sum() / masses.sum()).item()


def _of_masks(generator: Generator | None, requests: UnitRequests) -> tuple[float, float]:
    """`overlap` and `saturated` of `UnitScores`."""
    inspect = getattr(generator, "inspect", None)
    expression, parts = Expression(action_units=requests.units), torch.arange(len(requests)).split(_BATCH)
    found = [inspect(requests.faces[p], expression[p]) for p in parts] if inspect is not None else []
    if not found or "mask" not in found[0]:
        return float("nan"), float("nan")
    masks = torch.cat([maps["mask"] for maps in found])
    edited, changed = masks > _MASKED, changed_region(requests.truth, requests.faces.images)
    overlap = (edited & changed).flatten(1).sum(1) / (edited | changed).flatten(1).sum(1)
    return overlap.nanmean().item(), ((1 - masks).flatten(1).mean(1) > _SATURATED).float().mean().item()
