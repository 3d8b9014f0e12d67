"""Losses on masks: their total variation, and how far their mean lies outside a range."""

import pytest
import torch

from facekit.losses.attention import mask_outside, total_variation


def test_total_variation_sums_the_squared_differences_of_neighbours():
    mask = torch.zeros(2, 1, 4, 5)
    mask[0, 0, :, 2] = 0.5  # a column: four differences of 0.5 on either side
    mask[1, 0, 1:, :] = 1.0  # an edge of five differences of 1
    assert total_variation(mask).item() == pytest.approx((8 * 0.25 + 5) / 2)
    assert total_variation(torch.full((1, 1, 4, 4), 0.7)).item() == 0


def test_a_mask_is_free_within_its_range():
    masks = torch.tensor([0.0, 0.1, 0.4, 0.9])[:, None, None, None].expand(4, 1, 3, 3)
    assert mask_outside(masks, 0.05, 0.5).item() == pytest.approx((0.05 + 0.4) / 4)
    assert mask_outside(masks[1:3], 0.05, 0.5).item() == 0
