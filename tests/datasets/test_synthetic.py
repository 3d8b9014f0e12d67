"""SyntheticFaces: balance, splits, counterfactuals, options."""

import pytest
import torch
from torch.nn.functional import max_pool2d

from facekit.datasets.base import open_dataset
from facekit.datasets.synthetic import BEARDS, GLASSES, HAIR_STYLES, SyntheticFaces
from facekit.datasets.synthetic.labels import FER2013_SHARES
from facekit.datasets.synthetic.options import PEOPLE
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.parts import DOMAINS


@pytest.fixture(scope="module")
def small():
    return SyntheticFaces("test", people=20, size=32)


def same(a, b):
    """Whether all images are bitwise equal."""
    return torch.equal(a.images, b.images)


def test_faces_have_every_annotation(small):
    faces = small.faces([0, 3, 7])
    assert faces.images.shape == (3, 3, 32, 32)
    assert faces.images.min() >= -1
    assert faces.images.max() <= 1
    assert faces.mask.shape == (3, 1, 32, 32)
    assert faces.landmarks.shape == (3, 68, 2)
    assert faces.action_units.shape == (3, len(ACTION_UNIT_COLUMNS))
    assert torch.equal(faces.emotion, small.labels[[0, 3, 7]])
    assert torch.equal(faces.person, small.persons[[0, 3, 7]])
    assert {"skin_tone", "hair_style", "age", "glasses", "beard", "one_sided"} <= set(faces.attributes)
    assert all(value.dtype == torch.int64 and len(value) == 3 for value in faces.attributes.values())
    for name, value in faces.attributes.items():
        assert torch.equal(value, small.attributes[name][[0, 3, 7]])


def test_opened_by_name():
    assert isinstance(open_dataset("synthetic", "valid", people=2), SyntheticFaces)
    assert len(open_dataset("synthetic", "valid")) == PEOPLE["valid"] * 8


def test_a_face_does_not_depend_on_its_batch():
    data = SyntheticFaces("train", people=6, domain="both")
    everything = data.faces(range(len(data)))
    for i in (0, 13, 47):
        alone = data.faces([i])
        assert same(alone, everything[i])
        assert torch.equal(alone.landmarks, everything.landmarks[[i]])
        assert torch.equal(alone.mask, everything.mask[[i]])
    assert same(data.faces([5, 47, 2]), everything[[5, 47, 2]])
    assert same(data[-1], everything[47])


def test_a_face_does_not_depend_on_the_number_of_people():
    few, many = SyntheticFaces("train", people=2, size=32), SyntheticFaces("train", people=9, size=32)
    assert same(few.faces(range(16)), many.faces(range(16)))


def test_the_global_generator_is_not_used(small):
    state = torch.random.get_rng_state()
    small.faces([1])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_splits_share_no_identity():
    people = [set(SyntheticFaces(split, faces_per_person=1).persons.tolist()) for split in ("train", "valid", "test")]
    assert [len(p) for p in people] == [PEOPLE[s] for s in ("train", "valid", "test")]
    assert not set.union(people[0] & people[1], people[0] & people[2], people[1] & people[2])


@pytest.mark.parametrize("per_person", [3, 7, 8, 14])
def test_emotions_of_each_person_are_balanced(per_person):
    data = SyntheticFaces("train", people=14, faces_per_person=per_person)
    counts = torch.stack([torch.bincount(row, minlength=7) for row in data.labels.view(14, -1)])
    assert (counts.max(1).values - counts.min(1).values <= 1).all()
    assert counts.sum(0).max() - counts.sum(0).min() <= 1


def test_people_are_balanced_by_construction():
    data = SyntheticFaces("train", people=960, faces_per_person=1)
    a = data.attributes
    assert torch.bincount(a["strong"]).tolist() == [480, 480]
    assert torch.bincount(a["skin_tone"]).tolist() == [96] * 10
    assert torch.bincount(a["age"]).tolist() == [320] * 3
    assert torch.bincount(a["glasses"]).tolist() == [720, 120, 120]
    strong = a["strong"] == 1
    assert torch.bincount(a["beard"][strong], minlength=len(BEARDS)).tolist() == [120] * 4
    assert (a["beard"][~strong] == 0).all()
    assert set(a["hair_style"].tolist()) == set(range(len(HAIR_STYLES)))
    assert set(a["glasses"].tolist()) == set(range(len(GLASSES)))


@pytest.mark.parametrize(("one", "other"), [("skin_tone", "hair_style"), ("skin_tone", "glasses"), ("age", "glasses")])
def test_attributes_are_independent(one, other):
    a = SyntheticFaces("train", people=2000, faces_per_person=1).attributes
    table = torch.zeros(a[one].max() + 1, a[other].max() + 1)
    table.index_put_((a[one], a[other]), torch.tensor(1.0), accumulate=True)
    expected = table.sum(1, keepdim=True) * table.sum(0) / table.sum()
    degrees = (table.shape[0] - 1) * (table.shape[1] - 1)
    chi2 = ((table - expected).square() / expected).sum()
    assert chi2 < degrees + 4 * (2 * degrees) ** 0.5


# ----------------------------------------------------------------------------------------------- counterfactuals


@pytest.mark.parametrize("parts", [("emotion", "intensity"), ("action_units",), ("emotion", "intensity", "domain")])
def test_the_counterfactual_of_the_own_expression_is_the_face_itself(parts):
    data = SyntheticFaces("valid", people=4, size=32, domain="both", one_sided=0.5)
    index = range(len(data))
    faces = data.faces(index)
    again = data.counterfactual(index, faces.expression.only(*parts))
    assert (again.images - faces.images).abs().max() < 2.5 / 127.5
    assert (again.action_units - faces.action_units).abs().max() < 1e-5


def test_a_neutral_counterfactual_has_no_action_units_and_the_same_identity(small):
    index = range(16)
    faces, rest = small.faces(index), small.counterfactual(index, Expression.neutral())
    assert (rest.action_units == 0).all()
    assert (rest.emotion == EMOTIONS.index("neutral")).all()
    assert torch.equal(rest.person, faces.person)
    face = torch.maximum(faces.mask, rest.mask)
    outside = max_pool2d(face, 3, stride=1, padding=1)[:, 0] == 0  # the lens blurs light to the next pixel
    outside[:, 20:] = False  # below, the chin moves in front of neck and clothes
    difference = (rest.images - faces.images).abs().amax(1)
    assert difference[outside].max() < 0.02
    moved = faces.emotion != EMOTIONS.index("neutral")
    assert (difference.flatten(1).max(1).values[moved] > 0.05).all()


def test_another_emotion_is_rendered_by_its_prototype(small):
    index = (small.labels == EMOTIONS.index("sad")).nonzero()[:2, 0]
    shown = small.counterfactual(index, Expression.of("happy", 0.6))
    assert torch.allclose(shown.action_units, Expression.of("happy", 0.6, n=2).to_action_units().action_units)
    assert shown.emotion.tolist() == [EMOTIONS.index("happy")] * 2
    assert torch.allclose(shown.intensity, torch.tensor(0.6))


def test_counterfactual_over_time_and_in_another_domain(small):
    path = Expression.path([Expression.neutral(), Expression.of("surprise", 0.8)], 4)
    film = small.counterfactual([0, 1], path)
    assert film.images.shape == (2, 4, 3, 32, 32)
    assert torch.allclose(film.intensity[:, -1], torch.tensor(0.8))
    assert same(small.counterfactual([0, 1], path.at(3)), film.flatten_time()[[3, 7]])
    rendered = small.counterfactual([0, 1], Expression.neutral().with_domain("cartoon"))
    assert (rendered.domain == DOMAINS.index("cartoon")).all()
    assert (rendered.attributes["character"] == -1).all()


def test_counterfactual_raises_for_landmarks_and_wrong_numbers_of_rows(small):
    with pytest.raises(UnsupportedExpression, match="landmarks"):
        small.counterfactual([0], Expression(landmarks=torch.zeros(1, 68, 2)))
    with pytest.raises(ValueError, match="2 rows for 3 faces"):
        small.counterfactual([0, 1, 2], Expression.of(["sad", "happy"]))


# ------------------------------------------------------------------------------------------------------- options


def test_intensity_lies_in_its_range():
    data = SyntheticFaces("test", people=8, size=32, intensity=(0.3, 0.5), emotions=("happy", "sad"))
    faces = data.faces(range(len(data)))
    assert faces.intensity.min() >= 0.3
    assert faces.intensity.max() <= 0.5
    assert data.emotions == ("happy", "sad")
    assert (faces.action_units.amax(1) <= 0.5 * 1.25).all()


def test_one_sided_faces_have_one_weak_side():
    data = SyntheticFaces("test", people=16, size=32, one_sided=0.5, emotions=("happy",))
    faces = data.faces(range(len(data)))
    left, right = (faces.action_units[:, ACTION_UNIT_COLUMNS.index(name)] for name in ("AU12L", "AU12R"))
    side = faces.attributes["one_sided"]
    assert 0.3 < (side > 0).float().mean() < 0.7
    assert set(side.tolist()) == {0, 1, 2}
    assert (left[side == 1] < 0.4 * right[side == 1]).all()
    assert (right[side == 2] < 0.4 * left[side == 2]).all()
    assert ((left / right)[side == 0] - 1).abs().max() < 0.25


def test_label_noise_keeps_the_true_emotion():
    data = SyntheticFaces("train", people=500, label_noise=0.2)
    wrong = data.labels != data.attributes["true_emotion"]
    assert 0.17 < wrong.float().mean() < 0.23
    clean = SyntheticFaces("train", people=500)
    assert torch.equal(clean.labels, data.attributes["true_emotion"])
    index = wrong.nonzero()[:1, 0]
    assert same(data.faces(index), clean.faces(index))


def test_imitates_fer2013():
    data = SyntheticFaces("train", people=1000, imitate="fer2013")
    assert (data.size, data.channels) == (48, 1)
    true = data.attributes["true_emotion"]
    for name, share in FER2013_SHARES.items():
        assert (true == EMOTIONS.index(name)).float().mean() * 100 == pytest.approx(share, abs=0.1)
    assert 0.08 < (true != data.labels).float().mean() < 0.12
    eyes = data.faces(range(200)).landmarks[:, [36, 45]].diff(dim=1).norm(dim=-1)
    plain = SyntheticFaces("train", people=25).faces(range(200)).landmarks[:, [36, 45]].diff(dim=1).norm(dim=-1)
    assert eyes.std() > 1.5 * plain.std()
    clean = SyntheticFaces("train", people=10, imitate="fer2013", label_noise=0)
    assert torch.equal(clean.labels, clean.attributes["true_emotion"])


def test_both_domains_alternate():
    data = SyntheticFaces("train", people=12, size=32, domain="both")
    faces = data.faces(range(0, 96, 8))
    cartoon = faces.domain == DOMAINS.index("cartoon")
    assert cartoon.tolist() == [False, True] * 6
    assert (faces.attributes["character"][~cartoon] == -1).all()
    rendered = SyntheticFaces("train", people=12, size=32, domain="cartoon")
    assert set(rendered.attributes["character"].tolist()) == set(range(6))
    assert (rendered.faces(range(12)).domain == 1).all()


def test_the_first_person_may_be_another():
    every, last = SyntheticFaces(people=4), SyntheticFaces(people=1, first_person=3)
    assert torch.equal(last.persons, every.persons[-8:])
    neutral = Expression.of("neutral")
    assert torch.equal(last.counterfactual([1], neutral).images, every.counterfactual([25], neutral).images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "not a split"),
        ({"domain": "oil"}, "not a domain"),
        ({"people": 0}, "people is 0"),
        ({"people": 10, "first_person": 999_991}, "first_person is 999991.*0 to 999,990"),
        ({"intensity": (0.8, 0.2)}, "intensity"),
        ({"frames": 2}, "frames is 2"),
        ({"imitate": "ckplus"}, "cannot be imitated"),
        ({"one_sided": 1.5}, "share"),
        ({"label_noise": -0.1}, "share"),
        ({"free_units": 2}, "free_units is 2"),
        ({"size": 8}, "size is 8"),
        ({"channels": 2}, "channels 2"),
        ({"emotions": ()}, "at least one emotion"),
    ],
)
def test_invalid_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        SyntheticFaces(**options)


def test_an_index_out_of_range_raises(small):
    with pytest.raises(IndexError, match="160 faces"):
        small.faces([160])


def test_iterating_ends(small):
    assert sum(1 for _ in SyntheticFaces("test", people=1, faces_per_person=3, size=32)) == 3
