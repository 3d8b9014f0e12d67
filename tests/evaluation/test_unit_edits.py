"""Requests for action units: what is asked for, and the scores of generators whose answers are known."""

import dataclasses

import pytest
import torch

from facekit.evaluation.benchmark import CannotEvaluate
from facekit.evaluation.unit_edits import evaluate_units, unit_benchmark
from facekit.faces.action_units import ACTION_UNIT_COLUMNS, ACTION_UNITS
from facekit.faces.faces import Faces


@pytest.fixture(scope="module")
def benchmark():
    return unit_benchmark(faces=40, size=32)


class Reader:
    """A judge that knows the units of some images, and sees none in others."""

    def __init__(self, *requests):
        self.known = {
            image.numpy().tobytes(): row for each in requests for image, row in zip(each.truth, each.units, strict=True)
        }

    def action_units(self, faces):
        none = torch.zeros(len(ACTION_UNIT_COLUMNS))
        return torch.stack([self.known.get(image.numpy().tobytes(), none) for image in faces.images])


class Oracle:
    """Returns the ground truth."""

    name, understands = "oracle", frozenset({"action_units"})

    def __init__(self, *requests):
        self.answers = {
            (face.numpy().tobytes(), units.numpy().tobytes()): image
            for each in requests
            for face, units, image in zip(each.faces.images, each.units, each.truth, strict=True)
        }

    def edit(self, faces, expression, seed):
        keys = zip(faces.images, expression.action_units, strict=True)
        return torch.stack([self.answers[face.numpy().tobytes(), units.numpy().tobytes()] for face, units in keys])

    def inspect(self, faces, expression):
        changed = (self.edit(faces, expression, 0) - faces.images).abs().amax(1, keepdim=True) > 0.1
        return {"mask": torch.nn.functional.max_pool2d(changed.float(), 3, 1, 1)}


def all_of(benchmark):
    return benchmark.free, benchmark.one_sided, benchmark.single


def test_requests_have_their_ground_truth(benchmark):
    free, sided, single = all_of(benchmark)
    assert len(free) == len(sided) == len(benchmark.other_side) == 40
    assert len(single) == 32 * len(ACTION_UNITS)
    assert len(benchmark.neutral) == 40
    assert ((free.units > 0).sum(1) >= 1).all()
    assert (sided.units.sum(1) == 1).all()
    names = {ACTION_UNIT_COLUMNS[i] for i in sided.units.argmax(1).tolist()}
    assert {name[-1] for name in names} == {"L", "R"}
    assert all((each.truth - each.faces.images).flatten(1).any(1).all() for each in (free, sided))
    assert not torch.equal(sided.truth, benchmark.other_side)
    assert torch.equal(free.faces.images, sided.faces.images)


def test_the_ground_truth_has_the_best_scores(benchmark):
    scores = evaluate_units(Oracle(*all_of(benchmark)), benchmark, Reader(*all_of(benchmark)))
    assert (scores.error, scores.error_of_truth, scores.relative_error) == (0, 0, 0)
    assert (scores.one_sided, scores.sharpness, scores.saturated, scores.overlap) == (1, 1, 0, 1)
    assert scores.two_sample_auc == pytest.approx(0.5, abs=0.01)
    assert scores.cross_talk == pytest.approx(scores.cross_talk_of_truth)
    assert scores.cross_talk < 0.15
    assert (scores.matrix.diagonal() > 0.45).all()  # units that look alike share their changes
    assert scores.matrix.diagonal().mean() > 0.85


def test_the_unedited_input_has_the_scores_of_a_copy(benchmark):
    scores = evaluate_units(None, benchmark, Reader(*all_of(benchmark)))
    assert scores.relative_error == 1
    assert scores.one_sided < 0.15  # a few people show the requested side already
    assert scores.cross_talk > 0.8  # the same units in every row
    assert scores.error == pytest.approx(benchmark.free.units.mean().item())
    assert scores.error_of_truth == 0
    assert scores.overlap != scores.overlap  # it has no mask


@pytest.mark.parametrize("other", ["other side", "both sides"])
def test_an_edit_of_the_other_side_does_not_count(benchmark, other):
    sided = benchmark.one_sided
    wrong = benchmark.other_side
    if other == "both sides":
        wrong = sided.truth + benchmark.other_side - benchmark.neutral
    edited = dataclasses.replace(sided, truth=wrong)
    oracle = Oracle(benchmark.free, edited, benchmark.single)
    assert evaluate_units(oracle, benchmark, Reader(*all_of(benchmark))).one_sided == 0


def test_cross_talk_is_the_share_of_other_units(benchmark):
    single, people = benchmark.single, 32
    truth = single.truth.unflatten(0, (people, -1))
    leaking = truth.clone()
    leaking[:, 1] += 0.5 * (truth[:, 7] - benchmark.neutral[:people])  # AU2 always comes with half of another unit
    edited = dataclasses.replace(single, truth=leaking.flatten(0, 1))
    judge = Reader(*all_of(benchmark))
    exact = evaluate_units(Oracle(*all_of(benchmark)), benchmark, judge).matrix
    found = evaluate_units(Oracle(benchmark.free, benchmark.one_sided, edited), benchmark, judge).matrix
    assert (found - exact)[1, 7].item() == pytest.approx(0.5, abs=0.1)
    assert (found - exact).abs().sum().item() < 0.8


def test_a_saturated_mask_is_counted(benchmark):
    oracle = Oracle(*all_of(benchmark))
    oracle.inspect = lambda faces, _: {"mask": torch.full((len(faces), 1, 32, 32), 0.01)}
    scores = evaluate_units(oracle, benchmark, Reader(*all_of(benchmark)))
    assert (scores.saturated, scores.overlap) == (1, 0)


def test_a_generator_of_emotions_alone_is_refused(benchmark):
    class Emotional:
        name, understands = "stargan", frozenset({"emotion"})

    with pytest.raises(CannotEvaluate, match=r"stargan understands emotion, .* ganimation"):
        evaluate_units(Emotional(), benchmark, Reader())


def test_faces_carry_no_annotations_to_the_generator(benchmark):
    assert isinstance(benchmark.free.faces, Faces)
    assert benchmark.free.faces.action_units is None
    assert benchmark.free.faces.landmarks is None
