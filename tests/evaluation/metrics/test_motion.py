import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.evaluation.metrics.motion import action_unit_error, expression_change, landmark_error
from facekit.faces.landmarks import PARTS

SOURCE = torch.zeros(2, 4)
GROUND_TRUTH = torch.tensor([[1.0, 0, 0, 0], [0.0, 0.6, 0.8, 0]])


def test_an_unedited_input_has_not_moved():
    change = expression_change(SOURCE, SOURCE, GROUND_TRUTH)
    assert change.ratio.tolist() == [0, 0]
    assert change.cosine.tolist() == [0, 0]
    assert change.direction_accuracy() == 0


def test_the_ground_truth_moves_in_the_right_direction():
    change = expression_change(SOURCE, GROUND_TRUTH, GROUND_TRUTH)
    assert change.cosine.tolist() == pytest.approx([1, 1])
    assert change.ratio.tolist() == pytest.approx([1, 1])
    assert change.direction_accuracy() == 1


def test_wrong_direction_and_half_the_distance():
    edit = torch.tensor([[0.0, 1.0, 0, 0], [0.0, 0.3, 0.4, 0]])
    change = expression_change(SOURCE, edit, GROUND_TRUTH)
    assert change.cosine.tolist() == pytest.approx([0, 1])
    assert change.ratio.tolist() == pytest.approx([1, 0.5])
    assert change.direction_accuracy() == 0
    assert change.direction_accuracy(ratio=(0.4, 1.3)) == 0.5


def test_edits_without_a_required_movement_are_left_out():
    ground_truth = torch.cat([GROUND_TRUTH[:1], SOURCE[1:]])
    change = expression_change(SOURCE, ground_truth, ground_truth)
    assert change.should_move.tolist() == [True, False]
    assert change.direction_accuracy() == 1


@given(st.floats(0.05, 3), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_the_ratio_is_the_share_of_the_required_movement(share, seed):
    source, ground_truth = torch.rand(2, 5, 8, generator=torch.Generator().manual_seed(seed))
    change = expression_change(source, source + share * (ground_truth - source), ground_truth)
    torch.testing.assert_close(change.ratio, torch.full((5,), share))
    torch.testing.assert_close(change.cosine, torch.ones(5))


def test_action_unit_error():
    assert action_unit_error(SOURCE, GROUND_TRUTH).tolist() == pytest.approx([0.25, 0.35])


def test_landmark_error_is_relative_to_the_distance_of_the_outer_eye_corners():
    true = torch.zeros(1, 68, 2)
    true[:, 36, 0], true[:, 45, 0] = -0.4, 0.4
    assert landmark_error(true, true).item() == 0
    assert landmark_error(true + torch.tensor([0.0, 0.08]), true).item() == pytest.approx(0.1)
    moved = true.clone()
    moved[:, PARTS["mouth"], 1] = 0.04
    assert landmark_error(moved, true, PARTS["mouth"]).item() == pytest.approx(0.05)
    assert landmark_error(moved, true, PARTS["eyes"]).item() == 0
    assert landmark_error(50 * (true + torch.tensor([0.0, 0.08])), 50 * true).item() == pytest.approx(0.1)
