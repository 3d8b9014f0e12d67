import pytest

from facekit.datasets import open_dataset
from facekit.faces.expression import Expression


@pytest.fixture(scope="module")
def pair():
    """Faces and the ground truth of the same people, happy."""
    dataset = open_dataset("synthetic", "train", people=6, faces_per_person=1, emotions=["sad"], size=48)
    return dataset.faces(range(6)).images, dataset.counterfactual(range(6), Expression.of("happy")).images
