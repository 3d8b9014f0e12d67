import math

import pytest
import torch
from torchvision.transforms.functional import adjust_sharpness, gaussian_blur

from facekit.evaluation.metrics.counterfactual import changed_region
from facekit.evaluation.metrics.sharpness import laplacian_energy, sharpness


def of_each(edits, ground_truth, source):
    """The sharpness of every edit alone."""
    return [sharpness(*(part[i : i + 1] for part in (edits, ground_truth, source))) for i in range(len(edits))]


def test_the_ground_truth_has_sharpness_one(pair):
    source, ground_truth = pair
    assert sharpness(ground_truth, ground_truth, source) == 1
    assert of_each(ground_truth, ground_truth, source) == [1] * 6


def test_blur_lowers_sharpness_and_sharpening_raises_it(pair):
    source, ground_truth = pair
    blurred = gaussian_blur(ground_truth, 5, 1.0)
    sharpened = adjust_sharpness(ground_truth / 2 + 0.5, 3.0) * 2 - 1
    assert max(of_each(blurred, ground_truth, source)) < 0.5
    assert min(of_each(sharpened, ground_truth, source)) > 1.3


def test_only_the_changed_region_counts(pair):
    source, ground_truth = pair
    near = torch.nn.functional.max_pool2d(changed_region(ground_truth, source).float(), 3, stride=1, padding=1) > 0
    noisy = torch.where(near, ground_truth, torch.rand_like(ground_truth))
    assert of_each(noisy, ground_truth, source) == pytest.approx([1] * 6)


def test_edits_that_should_change_nothing_do_not_count(pair):
    source, ground_truth = pair
    assert math.isnan(sharpness(source, source, source))
    blurred = gaussian_blur(ground_truth, 5, 1.0)
    unchanged = torch.cat([blurred, source]), torch.cat([ground_truth, source]), torch.cat([source, source])
    assert sharpness(*unchanged) == pytest.approx(sharpness(blurred, ground_truth, source))


def test_the_energy_of_a_single_bright_pixel():
    image, everywhere = torch.zeros(1, 1, 5, 5), torch.ones(1, 1, 5, 5, dtype=torch.bool)
    image[0, 0, 2, 2] = 0.5
    assert laplacian_energy(image, everywhere).item() == pytest.approx((4 + 4 * 0.25) / 25)
    assert laplacian_energy(image + 0.3, everywhere).item() == pytest.approx(0.2)  # a constant has no edges
