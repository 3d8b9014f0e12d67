"""Following a face through a video: which face, gaps, and smoothing."""

import types

import numpy as np
import pytest
import torch

from facekit.datasets.detection import FoundFace
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.faces import to_uint8
from facekit.models.load import load_system
from facekit.models.video.tracking import FaceTracker, NoFaceInVideo, SeenFace, bridged, smoothed

BLACK = np.zeros((8, 8, 3), np.uint8)


def points(value):
    return np.full((68, 2), float(value))


def seen(*values):
    return [SeenFace(BLACK, None if v is None else points(v), v is not None) for v in values]


def values(frames):
    return [float(each.landmarks[0, 0]) for each in frames]


def test_short_gaps_are_interpolated_and_reported():
    frames = list(bridged(iter(seen(0, None, None, 6, 7))))
    assert values(frames) == [0, 2, 4, 6, 7]
    assert [each.found for each in frames] == [True, False, False, True, True]


def test_in_long_gaps_the_landmarks_stay():
    frames = list(bridged(iter(seen(0, *[None] * 7, 8)), longest=3))
    assert values(frames)[:5] == [0, 0, 0, 0, 0]
    assert values(frames)[5:] == [2, 4, 6, 8]
    assert len(frames) == 9


def test_frames_before_and_after_the_face():
    assert values(bridged(iter(seen(None, None, 5, None)))) == [5, 5, 5, 5]
    assert values(bridged(iter(seen(*[None] * 6, 5)), longest=3)) == [5, 5, 5, 5]  # the first frames are dropped


def test_a_video_without_a_face_is_refused():
    with pytest.raises(NoFaceInVideo, match="no frame of the video shows a face"):
        list(bridged(iter(seen(None, None))))


def test_smoothing_keeps_constant_and_linear_motion_and_lessens_noise():
    steady = list(smoothed(iter(seen(3, 3, 3, 3, 3, 3))))
    assert values(steady) == pytest.approx([3] * 6)
    line = values(smoothed(iter(seen(*range(9)))))
    assert line[2:-2] == pytest.approx(range(2, 7))
    noise = np.random.default_rng(0).normal(size=200)
    assert np.std(values(smoothed(iter(seen(*noise))))) < 0.6
    assert values(smoothed(iter(seen(4)))) == [4]
    assert list(smoothed(iter([]))) == []


def test_frames_stream_through():
    read = []

    def frames():
        for i in range(1000):
            read.append(i)
            yield seen(i)[0]

    stream = smoothed(bridged(frames()))
    for _ in range(3):
        next(stream)
    assert len(read) < 10


class Finder:
    """Two faces that change places in the order of size."""

    def __init__(self):
        self.count = 0

    def find(self, image):
        left, right = (FoundFace(np.array([[x, 20.0], [x + 10, 20.0]]), 30.0, "eyes") for x in (10, 40))
        self.count += 1
        return [left, right] if self.count % 2 else [right, left]


def test_the_same_face_is_followed():
    class Estimator:
        preset = types.SimpleNamespace(size=32)

        def predict(self, images):
            relative = torch.zeros(1, 68, 2)
            relative[:, 36:42, 0], relative[:, 42:48, 0], relative[:, 36:48, 1] = -0.37, 0.37, -0.26
            return relative

    tracker = FaceTracker(Estimator(), Finder())
    eyes = [each.landmarks[36:48].mean(0) for each in tracker.seen(np.zeros((5, 64, 64, 3), np.uint8))]
    np.testing.assert_allclose(eyes, np.tile([15.0, 20.0], (5, 1)), atol=0.5)


def test_landmarks_of_drawn_faces_are_found(drawn_sequence):
    frames, true = drawn_sequence
    tracker = FaceTracker(load_system("landmarks-synthetic_estimator"))
    found = list(tracker.seen(frames))
    assert sum(each.found for each in found) >= 6
    between = np.linalg.norm(true[:, 36:42].mean(1) - true[:, 42:48].mean(1), axis=-1).mean()
    errors = [np.linalg.norm(each.landmarks - t, axis=-1).mean() / between for each, t in zip(found, true, strict=True)]
    assert np.mean(errors) < 0.1
    assert found[0].crop(48, 1).shape == (1, 48, 48)


@pytest.fixture(scope="module")
def drawn_sequence():
    """Eight frames of a drawn person at 160 pixels inside a larger picture, and the landmarks in its pixels."""
    data = SyntheticFaces(
        "test", people=1, first_person=40, faces_per_person=1, size=160, frames=8, emotions=("happy",), until="apex"
    )
    faces = data.faces([0])
    canvas = np.full((8, 240, 320, 3), 120, np.uint8)
    canvas[:, 40:200, 80:240] = to_uint8(faces.images[0]).permute(0, 2, 3, 1).numpy()
    return canvas, ((faces.landmarks[0].numpy() + 1) * 80 + np.array([80, 40]))
