"""Faces with random action units instead of an emotion."""

import pytest
import torch

from facekit.datasets.sampling import BalancedSampler
from facekit.datasets.synthetic import SyntheticFaces
from facekit.datasets.synthetic.units import free_units
from facekit.faces.action_units import ACTION_UNITS, action_unit_columns
from facekit.faces.expression import Expression

MANY = torch.arange(8000)


@pytest.fixture(scope="module")
def drawn():
    """Intensities (8000, 20) of random units, the maximum of both sides."""
    units = free_units(MANY)
    return torch.stack([units[:, list(action_unit_columns(unit.number))].amax(1) for unit in ACTION_UNITS], 1)


def column(number: int) -> int:
    return [unit.number for unit in ACTION_UNITS].index(number)


@pytest.fixture(scope="module")
def mixed():
    return SyntheticFaces("train", people=30, size=32, free_units=0.5)


# ------------------------------------------------------------------------------------------------- distribution


def test_a_few_units_are_active_at_intensities_from_slight_to_full(drawn):
    acting = (drawn > 0).sum(1)
    assert set(acting.tolist()) == {1, 2, 3, 4, 5, 6}  # a jaw drop also activates AU25
    intensities = drawn[drawn > 0]
    assert intensities.min() >= 0.2
    assert intensities.max() <= 1
    assert intensities.mean() == pytest.approx(0.6, abs=0.03)


def test_every_unit_is_about_as_frequent(drawn):
    share = (drawn > 0).float().mean(0)
    share[column(25)] = share.mean()  # active by itself, and where other units part the lips
    assert share.min() > 0.6 * share.max()


def test_units_are_independent(drawn):
    together = torch.corrcoef((drawn > 0).float().T).fill_diagonal_(0)
    apart = [i for i in range(20) if ACTION_UNITS[i].number not in (5, 16, 23, 24, 25, 26, 27, 43)]
    assert together[apart][:, apart].abs().max() < 0.06


@pytest.mark.parametrize(("one", "other"), [(5, 43), (16, 24), (24, 25), (24, 26), (24, 27), (23, 24), (26, 27)])
def test_units_that_exclude_each_other_are_not_drawn_together(drawn, one, other):
    a, b = drawn[:, column(one)] > 0, drawn[:, column(other)] > 0
    assert a.any()
    assert b.any()
    assert not (a & b).any()


def test_lips_part_where_the_jaw_drops(drawn):
    parted = drawn[:, [column(16), column(26), column(27)]].amax(1)
    assert (drawn[:, column(25)] >= parted).all()


def test_the_sides_differ_in_a_quarter_of_the_cases():
    units = free_units(MANY)
    left, right = (
        units[:, [action_unit_columns(f"AU{u.number}{s}")[0] for u in ACTION_UNITS if u.sided]] for s in "LR"
    )
    acts = torch.maximum(left, right) > 0
    assert (left != right)[acts].float().mean() == pytest.approx(0.25, abs=0.03)
    alone = (torch.minimum(left, right) == 0)[acts & (left != right)].float().mean()
    assert alone == pytest.approx(0.5, abs=0.06)
    assert (left > right)[left != right].float().mean() == pytest.approx(0.5, abs=0.05)


# ------------------------------------------------------------------------------------------------------ dataset


def test_free_faces_have_no_emotion_and_the_others_do_not_change(mixed):
    plain = SyntheticFaces("train", people=30, size=32)
    free = mixed.labels == -1
    assert 0.4 < free.float().mean() < 0.6
    assert torch.equal(mixed.attributes["true_emotion"], mixed.labels)
    index = torch.arange(0, 240, 5)
    ours, theirs = mixed.faces(index), plain.faces(index)
    assert torch.equal(ours.images[~free[index]], theirs.images[~free[index]])
    assert torch.equal(ours.emotion, mixed.labels[index])
    assert (ours.intensity[free[index]] == 1).all()
    assert (ours.action_units[free[index]].amax(1) >= 0.2).all()
    assert torch.equal(ours.person, theirs.person)


def test_a_free_face_does_not_depend_on_its_batch_or_their_number(mixed):
    chosen = (mixed.labels == -1).nonzero()[:3, 0]
    few = SyntheticFaces("train", people=int(chosen.max()) // 8 + 1, size=32, free_units=0.5)
    assert torch.equal(mixed.faces(chosen).images, torch.cat([few.faces([int(i)]).images for i in chosen]))
    more = SyntheticFaces("train", people=30, size=32, free_units=0.8)
    assert torch.equal(more.faces(chosen).action_units, mixed.faces(chosen).action_units)


def test_the_counterfactual_of_a_free_face(mixed):
    index = (mixed.labels == -1).nonzero()[:4, 0]
    faces = mixed.faces(index)
    again = mixed.counterfactual(index, faces.expression.only("action_units"))
    assert (again.images - faces.images).abs().max() < 2.5 / 127.5
    happy = mixed.counterfactual(index, Expression.of("happy", 0.6))
    assert torch.allclose(happy.action_units, Expression.of("happy", 0.6, n=4).to_action_units().action_units)
    assert (mixed.counterfactual(index, Expression.neutral()).action_units == 0).all()
    half = Expression.blend({"contempt": 1, "neutral": 1})
    assert torch.allclose(mixed.counterfactual(index, half).action_units, half.to_action_units().action_units)
    path = Expression.path([Expression.neutral(), Expression.of("sad")], 3)
    assert torch.equal(mixed.counterfactual(index, path).action_units[:, 0], torch.zeros(4, 33))


def test_a_free_face_keeps_its_units_in_another_domain():
    data = SyntheticFaces("train", people=2, size=32, free_units=1.0)
    only_domain = Expression(domain=torch.ones(1, dtype=torch.long))
    assert torch.equal(data.counterfactual(range(4), only_domain).action_units, data.faces(range(4)).action_units)


def test_free_units_rise_to_those_of_the_still():
    options = {"people": 2, "size": 32, "free_units": 1.0}
    film = SyntheticFaces("train", **options, frames=5, until="apex").faces(range(6))
    still = SyntheticFaces("train", **options).faces(range(6))
    assert torch.equal(film.intensity[:, -1], still.intensity)
    moving = still.action_units > 0.1
    assert (film.action_units[:, -1][moving] / still.action_units[moving] > 0.9).all()
    assert (film.action_units[:, 0] < 1e-3).all()


def test_one_side_can_be_weak_on_free_faces():
    data = SyntheticFaces("train", people=20, size=32, free_units=1.0, one_sided=1.0)
    smiling = data.faces(range(160))
    left, right = (smiling.action_units[:, action_unit_columns(c)[0]] for c in ("AU6L", "AU6R"))
    both = (left > 0) & (right > 0)
    weaker = torch.where(smiling.attributes["one_sided"] == 1, left / right, right / left)
    assert both.any()
    assert weaker[both].median() < 0.3


def test_label_noise_leaves_free_faces_unlabelled():
    data = SyntheticFaces("train", people=200, free_units=0.5, imitate="fer2013")
    assert torch.equal(data.labels == -1, data.attributes["true_emotion"] == -1)
    known = data.labels >= 0
    assert 0.07 < (data.labels != data.attributes["true_emotion"])[known].float().mean() < 0.13


def test_class_counts_and_balanced_sampling_ignore_free_faces(mixed):
    assert sum(mixed.class_counts().values()) == (mixed.labels >= 0).sum()
    assert "contempt" not in mixed.emotions
    assert (mixed.labels[list(BalancedSampler(mixed.labels))] >= 0).all()
    assert SyntheticFaces("train", people=3, free_units=1.0).emotions == ()


def test_a_cache_contains_the_same_free_faces(tmp_path, mixed):
    cached = SyntheticFaces("train", people=30, size=32, free_units=0.5, cache=tmp_path)
    a, b = cached.faces(range(16)), mixed.faces(range(16))
    assert torch.equal(a.images, b.images)
    assert torch.equal(a.action_units, b.action_units)
