import math

import pytest
import torch

from facekit.evaluation.metrics.counterfactual import changed_psnr, changed_region, relative_error


def test_the_ground_truth_scores_best(pair):
    source, ground_truth = pair
    assert relative_error(ground_truth, ground_truth, source).tolist() == [0] * 6
    assert all(math.isinf(value) for value in changed_psnr(ground_truth, ground_truth, source).tolist())


def test_the_unedited_input_scores_exactly_one(pair):
    source, ground_truth = pair
    assert relative_error(source, ground_truth, source).tolist() == [1] * 6


def test_half_way_is_a_quarter_of_the_error(pair):
    source, ground_truth = pair
    assert relative_error((source + ground_truth) / 2, ground_truth, source).tolist() == pytest.approx([0.25] * 6)


def test_a_face_with_nothing_to_change_has_no_error(pair):
    source, _ = pair
    assert relative_error(source, source, source).isnan().all()
    assert changed_psnr(source, source, source).isnan().all()


def test_the_region_holds_what_changes_and_its_margin():
    source, ground_truth = torch.zeros(1, 3, 9, 9), torch.zeros(1, 3, 9, 9)
    ground_truth[0, 1, 4, 4] = 0.5
    ground_truth[0, 0, 0, 8] = 0.05  # below the threshold
    region = changed_region(ground_truth, source)
    assert region.shape == (1, 1, 9, 9)
    assert region.sum() == 9
    assert region[0, 0, 3:6, 3:6].all()
    assert changed_region(ground_truth, source, margin=0).sum() == 1


def test_errors_elsewhere_do_not_count_inside_the_region():
    source, ground_truth = torch.zeros(1, 1, 9, 9), torch.zeros(1, 1, 9, 9)
    ground_truth[..., 4, 4] = 1.0
    edit = ground_truth.clone()
    edit[..., 0, 0] = 1.0
    assert math.isinf(changed_psnr(edit, ground_truth, source).item())
    edit[..., 4, 4] = 0.0  # off by 1 at one of nine pixels: 10 log10(4 / (1 / 9))
    assert changed_psnr(edit, ground_truth, source).item() == pytest.approx(10 * math.log10(36))


def test_an_edit_of_drawn_faces_touches_a_small_part(pair):
    source, ground_truth = pair
    share = changed_region(ground_truth, source, margin=0).float().mean((1, 2, 3))
    assert (share > 0.01).all()
    assert (share < 0.5).all()
