import pytest
import torch
from torchvision.transforms.functional import adjust_sharpness, gaussian_blur

from facekit.datasets import open_dataset
from facekit.evaluation.metrics.counterfactual import changed_region
from facekit.evaluation.metrics.sharpness import laplacian_energy, sharpness
from facekit.faces.expression import Expression


@pytest.fixture(scope="module")
def pair():
    """Faces and the ground truth of the same people, happy."""
    dataset = open_dataset("synthetic", "train", people=6, faces_per_person=1, emotions=["sad"], size=48)
    return dataset.faces(range(6)).images, dataset.counterfactual(range(6), Expression.of("happy")).images


def test_the_ground_truth_has_sharpness_one(pair):
    source, ground_truth = pair
    assert sharpness(ground_truth, ground_truth, source).tolist() == [1] * 6


def test_blur_lowers_sharpness_and_sharpening_raises_it(pair):
    source, ground_truth = pair
    blurred = gaussian_blur(ground_truth, 5, 1.0)
    sharpened = adjust_sharpness(ground_truth / 2 + 0.5, 3.0) * 2 - 1
    assert (sharpness(blurred, ground_truth, source) < 0.5).all()
    assert (sharpness(sharpened, ground_truth, source) > 1.3).all()


def test_only_the_changed_region_counts(pair):
    source, ground_truth = pair
    near = torch.nn.functional.max_pool2d(changed_region(ground_truth, source).float(), 3, stride=1, padding=1) > 0
    noisy = torch.where(near, ground_truth, torch.rand_like(ground_truth))
    torch.testing.assert_close(sharpness(noisy, ground_truth, source), torch.ones(6))


def test_nothing_to_change_has_no_sharpness(pair):
    source, _ = pair
    assert sharpness(source, source, source).isnan().all()


def test_the_energy_of_a_single_bright_pixel():
    image, everywhere = torch.zeros(1, 1, 5, 5), torch.ones(1, 1, 5, 5, dtype=torch.bool)
    image[0, 0, 2, 2] = 0.5
    assert laplacian_energy(image, everywhere).item() == pytest.approx((4 + 4 * 0.25) / 25)
    assert laplacian_energy(image + 0.3, everywhere).item() == pytest.approx(0.2)  # a constant has no edges
