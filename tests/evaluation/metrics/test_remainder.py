import pytest
import torch

from facekit.evaluation.metrics.remainder import box_around, remainder

SOURCE, TRUTH = torch.randn(2, 3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("left", [0.0, 0.25, 1.0, -0.5])
def test_a_share_of_the_way_is_what_is_left(left):
    edit = torch.lerp(TRUTH, SOURCE, left)
    assert remainder(edit, TRUTH, SOURCE).item() == pytest.approx(left, abs=1e-6)


def test_only_the_region_counts():
    region = torch.zeros(3, 1, 8, 8, dtype=torch.bool)
    region[..., 4:, :] = True
    edit = torch.where(region, TRUTH, SOURCE)  # the lower half is edited
    assert remainder(edit, TRUTH, SOURCE, region).item() == pytest.approx(0, abs=1e-6)
    assert remainder(edit, TRUTH, SOURCE, ~region).item() == pytest.approx(1)


def test_errors_beside_the_change_do_not_count():
    source, truth = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 0.0]]]])
    edit = torch.tensor([[[[0.5, 7.0]]]])
    assert remainder(edit, truth, source).item() == pytest.approx(0.5)


def test_where_nothing_changes_nothing_is_known():
    assert remainder(SOURCE, SOURCE, SOURCE).isnan()


def test_the_box_reaches_from_the_first_landmark_to_the_last():
    points = torch.tensor([[[-0.5, 0.0], [0.5, 0.5]], [[0.0, -1.0], [0.2, 1.0]]])
    box = box_around(points, 8, margin=0.01)
    assert box.shape == (2, 1, 8, 8)
    columns, rows = box[0, 0].any(0), box[0, 0].any(1)
    assert columns.nonzero()[:, 0].tolist() == [2, 3, 4, 5]  # centres from -0.375 to 0.375
    assert rows.nonzero()[:, 0].tolist() == [4, 5]  # 0.125 and 0.375
    assert box[1, 0].any(1).all()
