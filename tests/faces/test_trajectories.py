"""Landmark sequences on the hypersphere: round trips, and geometry against closed forms."""

import math

import pytest
import torch

from facekit.datasets.synthetic.motions import SyntheticMotions
from facekit.faces.landmarks import EyeFrame
from facekit.faces.trajectories import (
    exponential,
    from_curves,
    from_sphere,
    geodesic_distance,
    geodesic_distances,
    karcher_mean,
    logarithm,
    moved,
    scaling,
    to_curves,
    to_sphere,
    transport,
)


@pytest.fixture(scope="module")
def landmarks():
    data = SyntheticMotions("valid", people=3, faces_per_person=4, frames=9, size=16)
    return data.faces(range(12)).landmarks.double()


@pytest.fixture
def unit():
    torch.manual_seed(0)
    points = torch.randn(20, 7, dtype=torch.float64)
    return points / points.norm(dim=1, keepdim=True)


def tangent(base):
    vectors = torch.randn_like(base)
    return vectors - (vectors * base).sum(-1, keepdim=True) * base


def test_landmarks_become_curves_and_back(landmarks):
    curves = to_curves(landmarks)
    assert curves.shape == (12, 9, 136)
    torch.testing.assert_close(from_curves(curves, landmarks[:, 0]), landmarks, atol=1e-9, rtol=0)
    eyes = curves[:, 0].unflatten(1, (68, 2))
    torch.testing.assert_close(
        eyes[:, 42:48].mean(1) - eyes[:, 36:42].mean(1), torch.tensor([[1.0, 0.0]]).double().expand(12, 2)
    )


def test_curves_do_not_depend_on_position_size_and_tilt_of_the_first_frame(landmarks):
    turn = torch.tensor([[math.cos(0.4), -math.sin(0.4)], [math.sin(0.4), math.cos(0.4)]], dtype=torch.float64)
    torch.testing.assert_close(to_curves(1.7 * landmarks @ turn.T + 0.3), to_curves(landmarks), atol=1e-9, rtol=0)


def test_curves_become_points_of_the_sphere_and_back(landmarks):
    curves = to_curves(landmarks)
    points, length = to_sphere(curves)
    torch.testing.assert_close(points.norm(dim=1), torch.ones(12, dtype=torch.float64))
    torch.testing.assert_close(length, curves.diff(dim=1).norm(dim=-1).sum(1))
    torch.testing.assert_close(from_sphere(points, length, curves[:, 0]), curves, atol=1e-6, rtol=0)


def test_a_straight_movement_at_constant_speed_has_a_constant_velocity_function():
    curves = torch.linspace(0, 3, 5)[None, :, None] * torch.tensor([0.6, 0.8])
    points, length = to_sphere(curves)
    assert length.item() == pytest.approx(3)
    torch.testing.assert_close(points.unflatten(1, (4, 2)), (torch.tensor([0.6, 0.8]) / 2).expand(1, 4, 2))


def test_a_point_does_not_depend_on_the_length(landmarks):
    curves = to_curves(landmarks)
    half = curves[:, :1] + 0.5 * (curves - curves[:, :1])
    torch.testing.assert_close(to_sphere(half)[0], to_sphere(curves)[0], atol=1e-9, rtol=0)
    torch.testing.assert_close(to_sphere(half)[1], to_sphere(curves)[1] / 2)


def test_a_still_sequence_has_no_point():
    with pytest.raises(ValueError, match="does not move"):
        to_sphere(torch.zeros(2, 5, 136))


def test_distances_are_angles_exact_at_both_ends():
    angle = torch.tensor([0.0, 1e-9, 0.5, math.pi / 2, math.pi - 1e-9, math.pi], dtype=torch.float64)
    points = torch.stack([angle.cos(), angle.sin()], 1)
    east = torch.tensor([1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(geodesic_distance(east.expand(6, 2), points), angle, atol=1e-12, rtol=0)
    torch.testing.assert_close(geodesic_distances(east[None], points)[0, 2:4], angle[2:4], atol=1e-9, rtol=0)


def test_exponential_and_logarithm_are_inverse(unit):
    base, vectors = unit[:10], 0.8 * tangent(unit[:10])
    vectors = vectors * (2.5 / vectors.norm(dim=1, keepdim=True)).clamp(max=1)
    points = exponential(base, vectors)
    torch.testing.assert_close(points.norm(dim=1), torch.ones(10, dtype=torch.float64))
    torch.testing.assert_close(geodesic_distance(base, points), vectors.norm(dim=1), atol=1e-9, rtol=0)
    torch.testing.assert_close(logarithm(base, points), vectors, atol=1e-6, rtol=0)
    torch.testing.assert_close(exponential(base, logarithm(base, unit[10:])), unit[10:], atol=1e-6, rtol=0)
    assert (logarithm(base, base) == 0).all()


def test_a_quarter_turn_by_hand():
    north, east = torch.eye(3, dtype=torch.float64)[2], torch.eye(3, dtype=torch.float64)[0]
    torch.testing.assert_close(logarithm(north, east), math.pi / 2 * east)
    torch.testing.assert_close(exponential(north, math.pi / 2 * east), east, atol=1e-9, rtol=0)
    # Along the meridian from the pole to the equator, a vector to the east stays; the direction of travel turns down.
    along, across = torch.eye(3, dtype=torch.float64)[0], torch.eye(3, dtype=torch.float64)[1]
    torch.testing.assert_close(transport(across, north, east), across)
    torch.testing.assert_close(transport(along, north, east), -north)


def test_transport_keeps_lengths_and_angles(unit):
    start, end = unit[:10], unit[10:]
    a, b = tangent(start), tangent(start)
    moved_a, moved_b = transport(a, start, end), transport(b, start, end)
    torch.testing.assert_close((moved_a * end).sum(1), torch.zeros(10, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close((moved_a * moved_b).sum(1), (a * b).sum(1))


def test_the_mean_of_points_around_a_circle_is_its_centre():
    angle = torch.arange(12, dtype=torch.float64) * (math.pi / 6)
    circle = torch.stack([0.6 * angle.cos(), 0.6 * angle.sin(), torch.full_like(angle, 0.8)], 1)
    torch.testing.assert_close(karcher_mean(circle), torch.tensor([0, 0, 1.0]).double(), atol=1e-7, rtol=0)
    two = torch.stack([circle[0], circle[3]])
    mean = karcher_mean(two)
    torch.testing.assert_close(geodesic_distance(mean, two[0]), geodesic_distance(mean, two[1]), atol=1e-6, rtol=0)
    assert logarithm(mean, circle[[0, 3]]).mean(0).norm() < 1e-6


def test_relative_motion_keeps_the_faces_own_shape(landmarks):
    own = landmarks[3:5, 0]
    result = moved(own, landmarks[:2])
    torch.testing.assert_close(result[:, 0], own, atol=1e-9, rtol=0)
    change, driver = to_curves(result), to_curves(landmarks[:2])
    torch.testing.assert_close(change - change[:, :1], driver - driver[:, :1], atol=1e-9, rtol=0)
    still = moved(own, landmarks[:2, :1].expand(-1, 4, -1, -1))
    torch.testing.assert_close(still, own[:, None].expand(-1, 4, -1, -1), atol=1e-9, rtol=0)


def test_scaling_recovers_points_of_the_plane():
    torch.manual_seed(0)
    points = torch.randn(9, 2)
    found = scaling(torch.cdist(points, points))
    torch.testing.assert_close(torch.cdist(found, found), torch.cdist(points, points), atol=1e-4, rtol=0)


def test_the_frame_of_the_eyes_is_part_of_the_curves(landmarks):
    frame = EyeFrame.of(landmarks[:, 0])
    torch.testing.assert_close(frame.to_frame(landmarks[:, 3]).flatten(1), to_curves(landmarks)[:, 3])
