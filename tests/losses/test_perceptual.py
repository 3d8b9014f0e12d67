import pytest
import torch

from facekit.losses.perceptual import feature_distance, feature_matching, perceptual_distance


def test_perceptual_distance_of_equal_opposite_and_orthogonal_features():
    ones = torch.ones(2, 3, 4, 4)
    orthogonal = torch.zeros(2, 3, 4, 4)
    orthogonal[:, 0], orthogonal[:, 1] = 1, -1
    assert perceptual_distance([ones, ones], [ones, ones]).tolist() == [0, 0]
    assert perceptual_distance([ones], [-5 * ones]).tolist() == pytest.approx([4, 4])  # opposite directions
    assert perceptual_distance([ones, ones], [orthogonal, ones]).tolist() == pytest.approx([2, 2])  # in one of two maps


def test_perceptual_distance_is_proportional_to_the_share_of_differing_positions():
    features = torch.ones(1, 2, 4, 4)
    half_differs = features.clone()
    half_differs[..., :2, :] *= -1
    assert perceptual_distance([features], [half_differs]).item() == pytest.approx(2)


def test_feature_distance_compares_maps_one_by_one():
    a = [torch.zeros(2, 4, 8, 8), torch.zeros(2, 8, 4, 4)]
    b = [torch.full_like(a[0], 0.5), torch.full_like(a[1], -0.25)]
    assert feature_distance(a, b).item() == pytest.approx(0.75)
    assert feature_distance(b, b).item() == 0
    # Opposite differences of two maps do not cancel, as they would if the maps were summed first.
    c = [torch.full_like(a[0], 0.5), torch.full_like(a[1], -0.5)]
    assert feature_distance(a, c).item() == pytest.approx(1)


def test_feature_matching_does_not_depend_on_the_scale_of_the_features():
    a, b = [torch.rand(2, 3, 4, 4), torch.rand(2, 5, 2, 2)], [torch.rand(2, 3, 4, 4), torch.rand(2, 5, 2, 2)]
    scaled = [[10 * m for m in maps] for maps in (a, b)]
    assert feature_matching(*scaled).item() == pytest.approx(feature_matching(a, b).item(), rel=1e-5)
    assert feature_matching(a, a).item() == 0
    ones, threes = [torch.ones(1, 1, 2, 2)], [3 * torch.ones(1, 1, 2, 2)]
    assert feature_matching(ones, threes).item() == pytest.approx(2 / 3)
