"""The benchmark of landmark transfer, and the scores of results that are known."""

import pytest
import torch

from facekit.evaluation.benchmark import CannotEvaluate
from facekit.evaluation.transfer import DRIVER, OWN, evaluate_transfer, transfer_benchmark
from facekit.faces.expression import Expression
from facekit.models.gans.landmark_transfer import LandmarkTransfer


@pytest.fixture(scope="module")
def benchmark():
    return transfer_benchmark(faces=12, size=32, split="valid")


class Judges:
    """A judge of landmarks that knows those of the ground truth, and one of identity that accepts everybody."""

    def __init__(self, benchmark):
        self.known = {
            image.numpy().tobytes(): points
            for faces in (benchmark.truth, benchmark.faces)
            for image, points in zip(faces.images, faces.landmarks, strict=True)
        }

    def landmarks(self, faces):
        return torch.stack([self.known[image.numpy().tobytes()] for image in faces.images])

    def embed(self, faces):
        return torch.nn.functional.normalize(faces.images.flatten(1)[:, ::97], dim=1)


class Oracle(LandmarkTransfer):
    """Returns the ground truth for the first drivers, and for the second, and the inputs for others."""

    def __init__(self, benchmark):
        torch.nn.Module.__init__(self)
        self.benchmark = benchmark

    def edit(self, faces, expression, *, source=None, seed=0):
        rows = [
            next(i for i, own in enumerate(self.benchmark.faces.images) if torch.equal(own, face))
            for face in faces.images
        ]
        of_driver = [self.benchmark.driver[rows], self.benchmark.second[rows]]
        known = any(torch.equal(expression.landmarks, each) for each in of_driver)
        return self.benchmark.truth.images[rows] if known else faces.images

    def target(self, faces, expression, source=None):
        return self.benchmark.faces.landmarks, self.benchmark.truth.landmarks


def test_drivers_are_others_with_the_same_expression(benchmark):
    assert torch.equal(benchmark.driver[:-1], benchmark.faces.landmarks[1:])
    assert torch.equal(benchmark.truth.action_units, benchmark.faces.action_units.roll(-1, 0))
    assert not torch.allclose(benchmark.second, benchmark.driver, atol=0.01)
    assert torch.equal(benchmark.truth.person, benchmark.faces.person)
    assert not set(benchmark.others.person.tolist()) & set(benchmark.faces.person.tolist())


def test_the_ground_truth_has_the_best_scores(benchmark):
    judges = Judges(benchmark)
    rows = evaluate_transfer({"oracle": Oracle(benchmark)}, benchmark, judges, judges)
    for name in ("ground truth", "oracle", "oracle, own landmarks estimated"):
        assert (rows[name].rendered_nme, rows[name].relative_error, rows[name].sharpness) == (0, 0, 1)
    assert (rows["oracle"].predicted_nme, rows["oracle"].drivers) == (0, 0)
    assert rows[DRIVER].predicted_nme > rows[OWN].predicted_nme > 0.02
    assert rows[OWN].relative_error != rows[OWN].relative_error  # NaN: it gives no image


def test_other_generators_and_too_few_faces_are_refused(benchmark):
    judges = Judges(benchmark)
    with pytest.raises(CannotEvaluate, match="stargan is no generator of landmark transfer"):
        evaluate_transfer({"stargan": object()}, benchmark, judges, judges)
    with pytest.raises(CannotEvaluate, match="three people"):
        transfer_benchmark(faces=2)


def test_the_expression_of_the_benchmark_is_understood(benchmark):
    Expression(landmarks=benchmark.driver).require(LandmarkTransfer.understands, "landmark_transfer")
