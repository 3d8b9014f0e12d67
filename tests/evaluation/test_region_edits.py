"""Scores of the eyes and the mouth: those of the ground truth, of copies, and of a seam."""

import pytest
import torch

from facekit.evaluation.region_edits import across_border, evaluate_regions, region_benchmark
from facekit.layers.local_global import REGIONS


@pytest.fixture(scope="module")
def benchmark():
    return region_benchmark(faces=4, size=48, split="valid")


class Editor:
    """Returns prepared images, as a generator would."""

    def __init__(self, benchmark, images):
        self.benchmark, self.images = benchmark, images

    def edit(self, faces, expression, seed=0):
        rows = seed if isinstance(seed, list) else [seed]
        return self.images[rows]


def test_every_person_is_edited_to_every_emotion(benchmark):
    assert len(benchmark.faces) == len(benchmark.target) == len(benchmark.truth) == 4 * 7
    assert torch.equal(benchmark.faces.images[0], benchmark.faces.images[6])


def test_the_ground_truth_has_the_best_scores(benchmark):
    scores = evaluate_regions(Editor(benchmark, benchmark.truth), benchmark)
    for name in REGIONS:
        assert (scores.relative_error[name], scores.sharpness[name], scores.seam[name]) == (0, 1, 1)
    assert scores.row()["sharpness_mouth"] == 1
    assert scores.multiply_adds == 0


def test_the_unedited_input_has_the_scores_of_a_copy(benchmark):
    scores = evaluate_regions(None, benchmark)
    assert all(value == 1 for value in scores.relative_error.values())


def test_an_error_outside_the_regions_does_not_count(benchmark):
    images = benchmark.truth.clone()
    images[..., 46:, :] = -1
    scores = evaluate_regions(Editor(benchmark, images), benchmark)
    assert all(value == 0 for value in scores.relative_error.values())


def test_a_seam_is_seen_at_the_border_alone(benchmark):
    top, left, height, width = REGIONS["mouth"].box(48, 1)
    images = benchmark.truth.clone()
    images[..., top : top + height, left : left + width] += 0.2
    scores = evaluate_regions(Editor(benchmark, images), benchmark)
    assert scores.seam["mouth"] > 1.5
    assert scores.seam["eyes"] == pytest.approx(1, abs=0.05)
    assert scores.sharpness["mouth"] == pytest.approx(1, abs=0.01)


def test_differences_across_a_border():
    images = torch.zeros(1, 1, 6, 6)
    images[..., 2:4, 0:3] = 1.0
    assert across_border(images, (2, 0, 2, 3)) == 1  # the left side lies on the border of the image
    assert across_border(images, (0, 0, 6, 3)) == pytest.approx(2 / 6)


def test_the_operations_of_a_convolution_are_counted(benchmark):
    class Convolving(Editor):
        def edit(self, faces, expression, seed=0):
            return torch.nn.functional.conv2d(faces.images, torch.zeros(3, 3, 3, 3), padding=1)

    assert evaluate_regions(Convolving(benchmark, None), benchmark).multiply_adds == 48 * 48 * 3 * 27
