"""Driving a face: by an emotion, a saved motion, another face and a video."""

import types

import numpy as np
import pytest
import torch

from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.faces.trajectories import moved, to_curves
from facekit.models.load import load_system
from facekit.models.system import Generator
from facekit.models.video import driving
from facekit.models.video.driving import CannotDrive, Portrait, animate
from facekit.models.video.tracking import SeenFace


class Stub(Generator):
    """Returns the input, and remembers what it was asked for."""

    def __init__(self, *parts):
        super().__init__(types.SimpleNamespace(size=64, check=lambda: None))
        self.name, self.understands, self.asked = "stub", frozenset(parts), []

    def edit(self, faces, expression, *, source=None, seed=0):
        self.asked.append((expression, source))
        return faces.images[:, None].expand(-1, expression.frames, -1, -1, -1)

    @property
    def request(self):
        """All that was asked for, as one expression."""
        part = next(iter(self.asked[0][0].parts))
        return torch.cat([getattr(e, part) for e, _ in self.asked], 1)


@pytest.fixture(scope="module")
def portrait():
    return Portrait.drawn(12, Stub("landmarks"))


def run(portrait, driver, generator):
    return [edit for _, edits in animate(portrait, driver, generator) for edit in edits]


def landmarks_of(first, frames=20):
    """A driver that opens its mouth."""
    path = first.expand(frames, -1, -1).clone()
    path[:, 57, 1] += 0.2 * torch.linspace(0, 1, frames)
    return path


def test_an_emotion_rises_stays_and_falls(portrait):
    class Motion:
        def sample(self, expression, *, first, seed):
            self.asked = (expression, seed)
            way = torch.linspace(0, 1, 5)[:, None, None] * torch.tensor([0.2, 0.0])
            return Expression(landmarks=first[:, None] + way)

    motion, generator = Motion(), Stub("landmarks")
    driver = driving.by_emotion(portrait, generator, "happy", intensity=0.7, fps=10, seed=3, motion=motion)
    frames = run(portrait, driver, generator)
    assert len(frames) == 25
    assert motion.asked[0].intensity.item() == pytest.approx(0.7)
    assert motion.asked[1] == 3
    way = (generator.request - portrait.landmarks[:, None])[0, :, 0, 0]
    assert way[0] == 0
    assert way[-1].abs() < 1e-6
    torch.testing.assert_close(way[6:15], torch.full((9,), 0.2))
    assert (way[:7].diff() >= 0).all()
    assert torch.equal(generator.asked[0][1].landmarks, portrait.landmarks)


@pytest.mark.parametrize(
    "parts", [("emotion", "intensity"), ("action_units",), ("emotion", "intensity", "action_units")]
)
def test_other_generators_are_asked_for_the_emotion(portrait, parts):
    generator = Stub(*parts)
    run(portrait, driving.by_emotion(portrait, generator, "sad", fps=10), generator)
    asked = generator.asked[1][0].at(0)
    wanted = Expression.of("sad")
    if parts == ("action_units",):
        torch.testing.assert_close(asked.action_units, wanted.to_action_units().action_units)
    else:
        torch.testing.assert_close(asked.intensity_to_weights().emotion, wanted.emotion)
    assert generator.asked[0][1] is None


def test_a_relative_motion_starts_from_the_face_as_it_is(portrait):
    generator, driver = Stub("landmarks"), landmarks_of(Portrait.drawn(33, Stub("landmarks")).landmarks)
    run(portrait, driving.by_landmarks(portrait, generator, driver), generator)
    torch.testing.assert_close(generator.request, moved(portrait.landmarks, driver[None]), atol=1e-5, rtol=0)
    torch.testing.assert_close(generator.request[:, 0], portrait.landmarks, atol=1e-5, rtol=0)


def test_an_absolute_motion_takes_on_the_drivers_expression(portrait):
    generator, driver = Stub("landmarks"), landmarks_of(Portrait.drawn(33, Stub("landmarks")).landmarks)
    run(portrait, driving.by_landmarks(portrait, generator, driver, relative=False), generator)
    converter = load_system(driving.CONVERTER).converter
    with torch.no_grad():
        wanted = converter(portrait.landmarks.expand(20, -1, -1), driver)
    torch.testing.assert_close(generator.request[0], wanted, atol=1e-5, rtol=0)


def test_another_face_gives_its_expression_and_takes_it_back(portrait):
    generator = Stub("landmarks")
    frames = run(portrait, driving.by_face(portrait, generator, Portrait.drawn(33, generator), fps=10), generator)
    path = generator.request[0]
    torch.testing.assert_close(path[0], portrait.landmarks[0])
    torch.testing.assert_close(path[-1], portrait.landmarks[0])
    assert len(frames) == len(path) == 25


def seen_faces(landmarks):
    frame = np.full((64, 64, 3), 90, np.uint8)
    return [SeenFace(frame, (each.numpy() + 1.0) * 32, i != 2) for i, each in enumerate(landmarks)]


def test_a_video_drives_frame_by_frame_and_says_where_the_face_was_lost(portrait):
    generator, driver = Stub("landmarks"), landmarks_of(portrait.landmarks, 11)
    chunks = list(animate(portrait, driving.by_video(portrait, generator, iter(seen_faces(driver))), generator))
    assert [len(edits) for _, edits in chunks] == [8, 3]
    assert [found for chunk, _ in chunks for found in chunk.found] == [i != 2 for i in range(11)]
    assert chunks[0][0].frames[0].shape == (64, 64, 3)
    change = to_curves(generator.request)[0]
    torch.testing.assert_close(change - change[0], (to_curves(driver[None]) - to_curves(driver[None])[:, :1])[0],
                               atol=1e-4, rtol=0)  # fmt: skip


def test_generators_of_action_units_are_driven_by_estimated_ones(portrait):
    generator, driver = Stub("action_units"), landmarks_of(portrait.landmarks, 4)
    seen = seen_faces(driver)
    run(portrait, driving.by_video(portrait, generator, iter(seen), relative=False), generator)
    estimator = load_system(driving.UNITS)
    crops = torch.stack([each.crop(estimator.preset.size, 3) for each in seen])
    torch.testing.assert_close(generator.request[0], estimator.predict(crops).clamp(0, 1))
    relative = Stub("action_units")
    run(portrait, driving.by_video(portrait, relative, iter(seen)), relative)
    own = estimator.predict(portrait.faces.images).clamp(0, 1)
    torch.testing.assert_close(relative.request[:, 0], own)


def test_what_cannot_be_driven_is_named(portrait):
    emotions = Stub("emotion", "intensity")
    with pytest.raises(CannotDrive, match="understands emotion, intensity, and a face can drive"):
        next(driving.by_landmarks(portrait, emotions, landmarks_of(portrait.landmarks)))
    with pytest.raises(CannotDrive, match="a saved motion has landmarks only"):
        next(driving.by_landmarks(portrait, Stub("action_units"), landmarks_of(portrait.landmarks)))


def test_a_motion_is_saved_and_loaded(tmp_path):
    landmarks = torch.randn(7, 68, 2)
    driving.save_motion(tmp_path / "m.safetensors", landmarks, 12.5)
    loaded, fps = driving.load_motion(tmp_path / "m.safetensors")
    assert torch.equal(loaded, landmarks)
    assert fps == 12.5
    assert (tmp_path / "m.safetensors").stat().st_size < 8000
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(CannotDrive, match="is no motion saved by facekit"):
        driving.load_motion(tmp_path / "x.safetensors")
    driving.save_motion(tmp_path / "bad.safetensors", torch.zeros(3, 5, 2), 25)
    with pytest.raises(CannotDrive, match="shape"):
        driving.load_motion(tmp_path / "bad.safetensors")


def test_an_edit_is_pasted_where_the_face_is():
    picture = np.full((200, 300, 3), 100, np.uint8)
    matrix = np.array([[0.5, 0.0, -50.0], [0.0, 0.5, -20.0]])  # the face is at (100, 40), 128 pixels wide
    face = Faces(torch.full((1, 3, 64, 64), 100 / 127.5 - 1))
    portrait = Portrait(picture, matrix, face, torch.zeros(1, 68, 2))
    assert np.array_equal(portrait.pasted(face.images[0]), picture)
    edit = face.images[0].clone()
    edit[:, 24:40, 24:40] += 0.4
    changed = np.argwhere(portrait.pasted(edit)[..., 0].astype(int) - 100 > 25)
    assert abs(changed.mean(0) - [40 + 64, 100 + 64]).max() < 1.5
    assert abs(np.ptp(changed, axis=0) - 32).max() <= 4
    outside = portrait.pasted(face.images[0] + 0.4)
    assert np.array_equal(outside[:, :95], picture[:, :95])
