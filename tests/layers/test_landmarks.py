"""Drawing landmarks, the frame of the eyes, and the converter of landmarks."""

import math

import pytest
import torch

from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.landmarks import EyeFrame
from facekit.layers.landmarks import DRAWN_MAPS, LandmarkConverter, draw_landmarks


@pytest.fixture(scope="module")
def landmarks():
    return SyntheticFaces("valid", people=6, faces_per_person=2, size=32).faces(range(12)).landmarks


def test_a_line_is_drawn_where_its_landmarks_are(landmarks):
    drawn = draw_landmarks(landmarks, 64)
    assert drawn.shape == (12, DRAWN_MAPS, 64, 64)
    assert 0 <= drawn.min() <= drawn.max() <= 1
    x, y = ((landmarks + 1) * 32).long().clamp(0, 63).unbind(-1)
    faces = torch.arange(12)
    for name, point, of in (("chin", 8, 0), ("brow", 19, 1), ("nose", 30, 2), ("lid", 37, 3), ("lip", 51, 4)):
        assert (drawn[faces, of, y[:, point], x[:, point]] > 0.5).all(), name
        assert (drawn[faces, of, 0, 0] < 0.1).all()


def test_the_profile_of_a_line_is_a_gaussian_of_the_distance():
    points = torch.zeros(1, 68, 2)
    points[0, :17, 0] = torch.linspace(-1, 1, 17)  # the outline is a horizontal line through the middle
    column = draw_landmarks(points, 32)[0, 0, :, 16]
    distances = (torch.arange(32) + 0.5 - 16).abs()
    torch.testing.assert_close(column, torch.exp(-0.5 * (distances / 0.75) ** 2), atol=1e-4, rtol=0)


def test_drawings_are_exact_within_autocast(landmarks):
    """They were once computed in bfloat16, in which a line is up to two pixels from its landmarks."""
    with torch.autocast("cpu", torch.bfloat16):
        reduced = draw_landmarks(landmarks, 32)
    assert torch.equal(reduced, draw_landmarks(landmarks, 32))


def test_drawings_have_gradients_for_every_landmark(landmarks):
    points = landmarks.clone().requires_grad_()
    (draw_landmarks(points, 32) * torch.rand(12, DRAWN_MAPS, 32, 32)).sum().backward()
    assert torch.isfinite(points.grad).all()
    assert (points.grad.abs().sum((0, 2)) > 0).all()


def test_the_frame_of_the_eyes_ignores_size_place_and_tilt(landmarks):
    frame = EyeFrame.of(landmarks)
    inside = frame.to_frame(landmarks)
    torch.testing.assert_close(frame.to_image(inside), landmarks)
    angle = 0.3
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = 0.7 * landmarks @ turn.T + torch.tensor([0.1, -0.2])
    torch.testing.assert_close(EyeFrame.of(moved).to_frame(moved), inside, atol=1e-5, rtol=0)
    right = inside[:, 42:48].mean(1)
    torch.testing.assert_close(right, torch.tensor([[0.5, 0.0]]).expand(12, 2), atol=1e-5, rtol=0)


def test_the_converter_starts_as_the_identity_and_ignores_where_the_driver_is(landmarks):
    torch.manual_seed(0)
    converter = LandmarkConverter(width=16, code=8)
    driver = landmarks.roll(1, 0)
    torch.testing.assert_close(converter(landmarks, driver), landmarks)
    torch.nn.init.normal_(converter.decoder[-1].weight, std=0.1)
    result = converter(landmarks, driver)
    assert not torch.allclose(result, landmarks, atol=1e-2)
    torch.testing.assert_close(converter(landmarks, 0.5 * driver + 0.1), result)
    torch.testing.assert_close(converter(0.5 * landmarks + 0.1, driver), 0.5 * result + 0.1, atol=1e-5, rtol=0)
