import pytest
import torch

from facekit.losses.perceptual import perceptual_distance


def test_known_distances():
    up = torch.ones(2, 3, 4, 4)
    aside = torch.zeros(2, 3, 4, 4)
    aside[:, 0], aside[:, 1] = 1, -1
    assert perceptual_distance([up, up], [up, up]).tolist() == [0, 0]
    assert perceptual_distance([up], [-5 * up]).tolist() == pytest.approx([4, 4])  # opposite directions
    assert perceptual_distance([up, up], [aside, up]).tolist() == pytest.approx([2, 2])  # at right angles, in one map


def test_the_share_of_places_that_differ_counts():
    one = torch.ones(1, 2, 4, 4)
    other = one.clone()
    other[..., :2, :] *= -1
    assert perceptual_distance([one], [other]).item() == pytest.approx(2)
