"""The motion classifier: what it sees, and that it learns."""

import dataclasses

import pytest
import torch

from facekit.datasets import open_dataset
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.trajectories import moved
from facekit.models.judges.motion import MotionClassifier
from facekit.models.system import CannotTrain, Clock
from facekit.training import fit


@pytest.fixture(scope="module")
def data():
    return open_dataset("synthetic_motions", "train", people=16, frames=8, size=16)


def test_it_sees_movements_and_not_the_shape_of_the_face(data):
    torch.manual_seed(0)
    network = MotionClassifier(MotionClassifier.presets["smoke"]).eval()
    motion = data.faces([0, 1]).landmarks
    other = moved(data.faces([20, 21]).landmarks[:, 0], motion)
    torch.testing.assert_close(network(other), network(motion), atol=1e-4, rtol=0)
    assert not torch.allclose(network(motion[:, [0, 3, 1, 5, 2, 7, 4, 6]]), network(motion), atol=1e-3)


def test_it_learns_the_emotions_of_sequences(data):
    torch.manual_seed(0)
    preset = dataclasses.replace(MotionClassifier.presets["smoke"], steps=120)
    network = MotionClassifier(preset)
    list(fit(network, data, profile="smoke"))
    assert network.evaluate(data)["accuracy"] > 0.8
    probabilities = network.predict(data.faces(range(5)).landmarks)
    assert probabilities.shape == (5, 6)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))


def test_it_refuses_stills_and_sequences_without_labels(data):
    network = MotionClassifier(MotionClassifier.presets["smoke"])
    stills = SyntheticFaces("train", people=1, size=16).faces(range(4))
    unlabelled = dataclasses.replace(data.faces([0, 1]), emotion=torch.full((2,), -1))
    for faces in (stills, unlabelled):
        with pytest.raises(CannotTrain, match="--data synthetic_motions"):
            list(network.training_step(faces, Clock(0, 10)))
