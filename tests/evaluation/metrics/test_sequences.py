"""Measures of motions and videos, on cases whose answer is known."""

import math

import pytest
import torch

from facekit.evaluation.metrics.identity import acd, acd_i
from facekit.evaluation.metrics.sequences import flicker, jerk, nearest_distance, variety, video_distance


def circle(*degrees):
    angle = torch.tensor(degrees) * math.pi / 180
    return torch.stack([angle.cos(), angle.sin()], 1)


def test_the_nearest_motion_of_the_same_emotion_counts():
    distance = nearest_distance(
        circle(0.0, 90.0), torch.tensor([0, 1]), circle(10.0, 80.0, 120.0), torch.tensor([1, 0, 1])
    )
    assert distance == pytest.approx(math.radians((80 + 30) / 2), abs=1e-3)
    assert nearest_distance(circle(5.0), torch.tensor([2]), circle(5.0), torch.tensor([2])) == pytest.approx(
        0, abs=1e-3
    )


def test_variety_is_the_distance_within_emotions():
    assert variety(circle(0.0, 30.0, 170.0), torch.tensor([1, 1, 0])) == pytest.approx(math.radians(30), abs=1e-3)
    assert variety(circle(0.0, 0.0), torch.tensor([1, 1])) == pytest.approx(0, abs=1e-3)


def test_jerk_of_a_cubic_is_its_third_derivative():
    time = torch.linspace(0, 1, 20, dtype=torch.float64)
    curves = (2 * time**3 - time**2)[None, :, None] * torch.tensor([0.6, 0.8], dtype=torch.float64)
    assert jerk(curves) == pytest.approx(12, rel=1e-6)
    assert jerk(curves[:, ::3]) == pytest.approx(12 * (18 / 19) ** 3, rel=1e-6)  # over a shorter part of the path
    assert jerk(curves + 0.01 * torch.randn_like(curves)) > 40


@pytest.fixture
def truth():
    """A disc that changes its brightness over a still background."""
    video = torch.zeros(4, 8, 1, 16, 16)
    video[..., 4:8, 4:8] = torch.sin(torch.arange(8.0))[:, None, None, None]
    return video


def test_flicker_sees_what_changes_where_nothing_should(truth):
    assert flicker(truth, truth) == 0
    assert flicker(truth[:, :1].expand_as(truth), truth) == 0  # frozen
    inside = truth.clone()
    inside[..., 4:8, 4:8] = torch.rand(4, 8, 1, 4, 4)
    assert flicker(inside, truth) == 0
    flashing = truth + 0.1 * (torch.arange(8) % 2)[:, None, None, None]
    assert flicker(flashing, truth) == pytest.approx(0.2, rel=1e-4)


def test_a_frozen_video_wins_acd_and_a_shuffled_one_loses():
    torch.manual_seed(0)
    drift = torch.randn(6, 1, 5) + torch.linspace(0, 1, 8)[:, None] * torch.randn(6, 1, 5)
    frozen, shuffled = drift[:, :1].expand_as(drift), drift[:, [3, 0, 6, 1, 7, 2, 5, 4]]
    assert acd(frozen).max() == 0
    assert acd(shuffled).mean() > 2 * acd(drift).mean()
    torch.testing.assert_close(acd_i(shuffled, drift[:, 0]), acd_i(drift, drift[:, 0]))


@pytest.fixture
def features():
    torch.manual_seed(0)
    start, way = torch.randn(200, 1, 20), 1 + 0.1 * torch.randn(200, 1, 20)
    return start + torch.linspace(0, 2, 9)[:, None] * way + 0.05 * torch.randn(200, 9, 20)


def test_the_distance_of_videos_is_small_for_other_videos_of_the_same_kind(features):
    same = video_distance(features[:100], features[100:])
    frozen = features[100:, :1].expand(-1, 9, -1)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    for changed in (frozen, features[100:].flip(1), features[100:, order]):
        assert video_distance(features[:100], changed) > 3 * same
    assert video_distance(features[:100], features[:100]) == pytest.approx(0, abs=1e-6)


def test_too_few_videos_have_no_distance(features):
    with pytest.raises(ValueError, match="at least 37"):
        video_distance(features[:36], features)
