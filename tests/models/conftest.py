"""A few drawn faces for all tests of models."""

import pytest

from facekit.datasets import open_dataset


@pytest.fixture(scope="session")
def drawn():
    """56 faces of eight people."""
    return open_dataset("synthetic", "train", people=8, faces_per_person=7, size=48)
