"""How well does a generator perform requests for single action units, and for one side of the face?

The benchmark of emotions asks for the same few combinations of units again and again. Here held-out drawn people are
asked for three kinds of action units, each with its ground truth:

* **free**: one to five units drawn at random, some of them stronger on one side, for every person;
* **one-sided**: one unit on the left or on the right side, for every person;
* **single**: each unit alone, on both sides, for the first people.

Free requests are measured by a judge of action units, whose errors on the ground truth are reported beside those on
the edits. A judge reads one unit into another, in the ground truth too, so the other two kinds are compared with
images: how much of the change that the ground truth of each unit shows is in the edit?
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.datasets.synthetic import SyntheticFaces
from facekit.datasets.synthetic.units import free_units
from facekit.evaluation.benchmark.benchmarks import FACES, CannotEvaluate
from facekit.evaluation.judges import ActionUnitJudge
from facekit.evaluation.metrics.counterfactual import changed_region
from facekit.evaluation.metrics.identity import verification_auc
from facekit.evaluation.metrics.sharpness import sharpness
from facekit.evaluation.metrics.two_sample import two_sample_scores
from facekit.faces.action_units import ACTION_UNIT_COLUMNS, ACTION_UNITS, action_unit_columns
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.system import Generator

SINGLE_PEOPLE = 32
"""People who are asked for each unit alone, at most."""

_SINGLE_INTENSITY = 0.8
_MOVED = 0.5  # share of the true change of a side from which on it counts as moved
_RIDGE = 0.01  # of the regression on the changes of all units, relative to their mean energy: some look much alike
_MASKED = 0.1  # value of a mask from which on a pixel counts as edited
_SATURATED = 0.98  # mean attention A, 1 minus the mask, above which an edit is a copy
_BATCH = 128
_LEAST_PEOPLE = 4  # in the two-sample test


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

    other_side  (N, C, H, W) the ground truth of the one-sided requests' units on the other side
    single      all units of the first person, in the order of `ACTION_UNITS`, then those of the second, and so on
    neutral     (N, C, H, W) the ground truth of all people without any expression
    """

    free: UnitRequests
    one_sided: UnitRequests
    other_side: Tensor
    single: UnitRequests
    neutral: Tensor


def unit_benchmark(faces: int = FACES, size: int = 64, channels: int = 3, split: str = "test") -> UnitBenchmark:
    """The benchmark on one face each of held-out drawn people.

    size, channels  of the images, as the generator takes them
    split           "test", or "valid" while hyperparameters are still being chosen
    """
    dataset = SyntheticFaces(split, people=faces, faces_per_person=1, size=size, channels=channels)
    every = torch.arange(faces)

    def truth(rows: Tensor, units: Tensor) -> Tensor:
        return dataset.counterfactual(rows, Expression(action_units=units)).images

    def requests(rows: Tensor, units: Tensor) -> UnitRequests:
        inputs = dataset.faces(rows)
        return UnitRequests(Faces(inputs.images, person=inputs.person), units, truth(rows, units))

    sided = torch.tensor([action_unit_columns(unit.number) for unit in ACTION_UNITS if unit.sided])
    pairs, right = sided[every % len(sided)], (every // len(sided)) % 2
    asked, other = (F.one_hot(pairs[every, side], len(ACTION_UNIT_COLUMNS)).float() for side in (right, 1 - right))
    first = torch.arange(min(SINGLE_PEOPLE, faces))
    alone = torch.zeros(len(ACTION_UNITS), len(ACTION_UNIT_COLUMNS))
    for row, unit in zip(alone, ACTION_UNITS, strict=True):
        row[list(action_unit_columns(unit.number))] = _SINGLE_INTENSITY
    return UnitBenchmark(
        free=requests(every, free_units(dataset.persons)),
        one_sided=requests(every, asked),
        other_side=truth(every, other),
        single=requests(first.repeat_interleave(len(alone)), alone.repeat(len(first), 1)),
        neutral=truth(every, torch.zeros(faces, len(ACTION_UNIT_COLUMNS))),
    )


@dataclass(frozen=True)
class UnitScores:
    """What `evaluate_units` measures.

    error             mean absolute difference of measured and requested units, of free requests
    error_of_truth    the same of the ground truth: the judge's own error
    one_sided         share of one-sided requests whose edit has at least half of the true change of the requested side,
                      and less than half of that of the other side
    relative_error    squared error to the ground truth by that of the unedited input, of free requests
    sharpness         Laplacian energy of the changed region by that of the ground truth, of free requests
    two_sample_auc    AUC of a network that was trained to tell free edits from their ground truth; NaN for fewer than
                      four people
    cross_talk        off-diagonal share of the matrix
    cross_talk_of_truth  the same of the ground truth: units that look alike share their changes in the regression
    matrix            (U, U) mean share of each unit's true change (columns) in the edits to single units (rows), as in
                      `ACTION_UNITS`, by linear regression
    overlap           intersection over union of the mask and the truly changed region, of free requests; NaN for a
                      generator without a mask
    saturated         share of edits whose mask covers less than 2 % of the face on average; NaN likewise
    """

    error: float
    error_of_truth: float
    one_sided: float
    relative_error: float
    sharpness: float
    two_sample_auc: float
    cross_talk: float
    cross_talk_of_truth: float
    matrix: Tensor
    overlap: float
    saturated: float

    def row(self) -> dict[str, float]:
        """The numbers by name, without the matrix."""
        return {name: value for name, value in vars(self).items() if name != "matrix"}


def evaluate_units(
    generator: Generator | None, benchmark: UnitBenchmark, judge: ActionUnitJudge, *, two_sample: bool = True
) -> UnitScores:
    """The scores of a generator; None is the no-op baseline.

    two_sample  whether to run the two-sample test, which takes most of the time; else its number is NaN

    Raises `CannotEvaluate` for a generator that does not understand action units.
    """
    if generator is not None and "action_units" not in generator.understands:
        raise CannotEvaluate(
            f"{generator.name} understands {', '.join(sorted(generator.understands))}, and cannot be asked for action "
            "units: name a generator that can, such as ganimation or diffusion_editor"
        )
    free = benchmark.free
    edits = {name: _edits(generator, getattr(benchmark, name)) for name in ("free", "one_sided", "single")}
    squares = [(images - free.truth).square().mean() for images in (edits["free"], free.faces.images)]
    matrix = _cross_talk(edits["single"], benchmark)
    overlap, saturated = _of_masks(generator, free)
    return UnitScores(
        error=_error(judge, edits["free"], free.units),
        error_of_truth=_error(judge, free.truth, free.units),
        one_sided=_one_sided(edits["one_sided"], benchmark),
        relative_error=(squares[0] / squares[1]).item(),
        sharpness=sharpness(edits["free"], free.truth, free.faces.images),
        two_sample_auc=_two_sample_auc(edits["free"], free) if two_sample else float("nan"),
        cross_talk=_off_diagonal(matrix),
        cross_talk_of_truth=_off_diagonal(_cross_talk(benchmark.single.truth, benchmark)),
        matrix=matrix,
        overlap=overlap,
        saturated=saturated,
    )


def _edits(generator: Generator | None, requests: UnitRequests) -> Tensor:
    if generator is None:
        return requests.faces.images
    expression, parts = Expression(action_units=requests.units), torch.arange(len(requests)).split(_BATCH)
    return torch.cat([generator.edit(requests.faces[p], expression[p], seed=p.tolist()) for p in parts])


def _error(judge: ActionUnitJudge, images: Tensor, units: Tensor) -> float:
    return (judge.action_units(Faces(images)) - units).abs().mean().item()


def _two_sample_auc(edits: Tensor, requests: UnitRequests) -> float:
    person = requests.faces.person
    if len(person) < _LEAST_PEOPLE:
        return float("nan")
    return verification_auc(*two_sample_scores(edits, requests.truth, person, person))


def _one_sided(edits: Tensor, benchmark: UnitBenchmark) -> float:
    """The share of one-sided requests whose edits show the unit on the requested side, and not on the other.

    Changes are taken from the neutral face, since an edit also removes the expression that the input shows.
    """
    neutral, truths = benchmark.neutral, (benchmark.one_sided.truth, benchmark.other_side)
    requested, other = (_share_of(edits - neutral, truth - neutral) for truth in truths)
    return ((requested >= _MOVED) & (other < _MOVED)).float().mean().item()


def _share_of(change: Tensor, true: Tensor) -> Tensor:
    """How much of a true change (N, C, H, W) is in another change, (N,): 1 if they are equal, 0 if orthogonal."""
    return (change * true).flatten(1).sum(1) / true.square().flatten(1).sum(1)


def _cross_talk(edits: Tensor, benchmark: UnitBenchmark) -> Tensor:
    """The matrix of `UnitScores`.

    Each edit, minus the neutral face, is regressed on the changes that the ground truth of every unit shows.
    """
    people = len(benchmark.single) // len(ACTION_UNITS)
    neutral = benchmark.neutral[:people].flatten(1)[:, None]
    true, edited = (images.view(people, -1, neutral.shape[-1]) - neutral for images in (benchmark.single.truth, edits))
    products = true @ true.mT  # (P, U, U)
    energy = products.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    regular = products + _RIDGE * energy * torch.eye(products.shape[-1])
    return torch.linalg.solve(regular, true @ edited.mT).mT.mean(0)


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
