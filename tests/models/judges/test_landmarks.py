"""The landmark regressor: soft-argmax, mirroring, what it learns, and its metrics."""

import dataclasses

import pytest
import torch

from facekit.datasets import open_dataset
from facekit.faces.faces import Faces
from facekit.faces.landmarks import mirror_landmarks, normalised_offsets
from facekit.models.judges.landmarks import LandmarkNet, expectation
from facekit.models.system import CannotTrain, Clock


@pytest.fixture(scope="module")
def faces(drawn):
    return drawn.faces(range(16)).resized(64)


def test_the_expectation_of_a_sharp_heat_map_is_its_peak_and_of_two_peaks_their_middle():
    maps = torch.full((1, 2, 4, 8), -40.0)
    maps[0, 0, 3, 1] = 0
    maps[0, 1, 0, 0] = maps[0, 1, 2, 0] = 0
    torch.testing.assert_close(expectation(maps)[0], torch.tensor([[-5 / 8, 3 / 4], [-7 / 8, -1 / 4]]))


def test_offsets_are_in_interocular_distances():
    true = torch.zeros(1, 68, 2)
    true[:, 36:42, 0], true[:, 42:48, 0] = -0.25, 0.25
    detected = true + torch.tensor([0.05, 0.0])
    torch.testing.assert_close(normalised_offsets(detected, true).norm(dim=-1), torch.full((1, 68), 0.1))


def test_a_prediction_is_the_mirror_image_of_that_for_the_mirrored_image(faces):
    torch.manual_seed(0)
    system = LandmarkNet(LandmarkNet.presets["smoke"]).eval()
    predicted, mirrored = system.predict(faces.images), system.predict(faces.images.flip(-1))
    assert predicted.shape == (16, 68, 2)
    torch.testing.assert_close(mirror_landmarks(mirrored), predicted, atol=1e-4, rtol=0)


def test_it_learns_the_points_of_a_few_faces_and_reports_its_errors():
    data = open_dataset("synthetic", "train", people=4, faces_per_person=4, size=64)
    torch.manual_seed(0)
    preset = dataclasses.replace(LandmarkNet.presets["smoke"], learning_rate=1e-2)
    system, faces = LandmarkNet(preset), data.faces(range(16))
    optimiser = system.optimisers()["regressor"]
    for step in range(60):
        [(_, loss, _)] = system.training_step(faces, Clock(step, 60))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    metrics = system.evaluate(data)
    assert metrics["nme"] < 0.15
    assert set(metrics) == {"nme", "failures"} | {f"nme/{p}" for p in ("outline", "brows", "nose", "eyes", "mouth")}
    assert 0 <= metrics["failures"] < 1


def test_faces_without_landmarks_are_refused(faces):
    system = LandmarkNet(LandmarkNet.presets["smoke"])
    with pytest.raises(CannotTrain, match="known landmarks"):
        next(system.training_step(Faces(faces.images), Clock(0, 1)))
