import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.faces.action_units import ACTION_UNIT_COLUMNS, action_unit_columns
from facekit.faces.emotions import COMPOUND_EMOTIONS, EMOTIONS, NEUTRAL
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.landmarks import mirror_landmarks
from facekit.faces.parts import DOMAINS
from facekit.faces.prototypes import prototype_matrix
from facekit.faces.timeline import smoothstep

algebra = settings(max_examples=40, deadline=None)

PARTS = ("emotion", "intensity", "action_units", "landmarks", "domain")


@st.composite
def expressions(draw, parts=None, rows=None, frames=None):
    """Expressions with some parts set, for a few faces, with or without a time axis."""
    chosen = parts or draw(st.sets(st.sampled_from(PARTS), min_size=1))
    if "intensity" in chosen:
        chosen = {*chosen, "emotion"}
    n = draw(st.integers(1, 4)) if rows is None else rows
    t = draw(st.one_of(st.none(), st.integers(1, 4))) if frames is None else frames or None
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    shape = (n,) if t is None else (n, t)

    def random(*more):
        return torch.rand(*shape, *more, generator=generator)

    values = {}
    if "emotion" in chosen:
        present = random(8) < draw(st.sampled_from([0.3, 1.0]))
        weights = random(8) * present + 1e-3 * torch.eye(8)[draw(st.integers(0, 7))]
        values["emotion"] = weights / weights.sum(-1, keepdim=True)
    if "intensity" in chosen:
        values["intensity"] = random().round(decimals=1)
    if "action_units" in chosen:
        values["action_units"] = random(len(ACTION_UNIT_COLUMNS))
    if "landmarks" in chosen:
        values["landmarks"] = 2 * random(68, 2) - 1
    if "domain" in chosen:
        values["domain"] = torch.randint(len(DOMAINS), (n,), generator=generator)
    return Expression(**values)


def same(a: Expression, b: Expression, atol=1e-5) -> bool:
    for name in PARTS:
        x, y = getattr(a, name), getattr(b, name)
        if (x is None) != (y is None) or (x is not None and not torch.allclose(x.float(), y.float(), atol=atol)):
            return False
    return True


def equivalent(a: Expression, b: Expression) -> bool:
    """Equal after intensities are converted to weights."""
    if a.emotion is not None:
        a, b = a.intensity_to_weights(), b.intensity_to_weights()
    return same(a, b)


# ---------------------------------------------------------------------------------------------- construction


def test_of_one_and_of_many():
    happy = Expression.of("joy", 0.7, n=2)
    assert happy.emotion.tolist() == [[0, 0, 0, 1, 0, 0, 0, 0]] * 2
    assert happy.intensity.tolist() == pytest.approx([0.7, 0.7])
    several = Expression.of(["sad", "fear"], [0.2, 1.0])
    assert several.emotion.argmax(1).tolist() == [4, 2]
    assert several.intensity.tolist() == pytest.approx([0.2, 1.0])
    assert Expression.of("happy").intensity is None


@pytest.mark.parametrize("intensity", [-0.1, 1.5, float("nan"), float("inf")])
def test_intensity_lies_between_0_and_1(intensity):
    with pytest.raises(ValueError, match="intensity"):
        Expression.of("happy", intensity)


def test_names_must_be_known():
    with pytest.raises(ValueError, match="'smug' is not the name of an emotion"):
        Expression.of("smug")
    with pytest.raises(ValueError, match="at least one emotion"):
        Expression.of([])
    with pytest.raises(ValueError, match="unknown compound emotion 'gladly'"):
        Expression.compound("gladly")


@pytest.mark.parametrize("labels", [[0, 8], [-1, 3]])
def test_labels_must_be_indices(labels):
    with pytest.raises(ValueError, match="0 to 7; -1 marks a face without a label"):
        Expression.from_labels(torch.tensor(labels))


def test_labels_of_any_integer_kind_and_with_time():
    assert same(Expression.from_labels(torch.tensor([3], dtype=torch.int32)), Expression.of("happy"))
    moving = Expression.from_labels(torch.tensor([[6, 3], [6, 4]]), torch.tensor([0.25, 0.75]))
    assert moving.frames == 2
    assert moving.intensity.tolist() == [[0.25, 0.25], [0.75, 0.75]]  # one per face, even if N equals T


@algebra
@given(st.dictionaries(st.sampled_from(EMOTIONS), st.floats(0.01, 5), min_size=1), st.integers(1, 3))
def test_a_blend_is_proportional_to_its_weights(weights, n):
    blend = Expression.blend(weights, n=n)
    assert len(blend) == n
    total = sum(weights.values())
    for name in EMOTIONS:
        assert blend.emotion[-1, EMOTIONS.index(name)].item() == pytest.approx(weights.get(name, 0) / total, abs=1e-6)


@pytest.mark.parametrize("weights", [{}, {"happy": 0}, {"happy": -1, "sad": 2}, {"happy": float("nan")}])
def test_a_blend_needs_weights(weights):
    with pytest.raises(ValueError, match="weight"):
        Expression.blend(weights)


def test_compound_emotions_have_equal_weights():
    for name, (one, other) in COMPOUND_EMOTIONS.items():
        assert same(Expression.compound(name), Expression.blend({one: 1, other: 1}))


def test_missing_parts_raise():
    with pytest.raises(ValueError, match="at least one part"):
        Expression()
    with pytest.raises(ValueError, match="give the emotion too"):
        Expression(intensity=torch.ones(1), action_units=torch.zeros(1, 33))


INVALID = {
    "too few emotions": ({"emotion": torch.full((2, 7), 1 / 7)}, "must end in"),
    "weights that do not sum to 1": ({"emotion": torch.full((2, 8), 0.2)}, "must sum to 1"),
    "a weight below 0": ({"emotion": torch.tensor([[-0.5, 1.5, 0, 0, 0, 0, 0, 0]])}, "must lie in"),
    "a flat emotion": ({"emotion": torch.full((8,), 1 / 8)}, "shape"),
    "too many dimensions": ({"action_units": torch.zeros(1, 2, 3, 33)}, "shape"),
    "too few units": ({"action_units": torch.zeros(2, 20)}, "must end in"),
    "a unit above 1": ({"action_units": torch.full((2, 33), 1.2)}, "must lie in"),
    "a unit that is not finite": ({"action_units": torch.full((2, 33), float("nan"))}, "not finite"),
    "landmarks that are not finite": ({"landmarks": torch.full((2, 68, 2), float("inf"))}, "not finite"),
    "too few landmarks": ({"landmarks": torch.zeros(2, 5, 2)}, "must end in"),
    "a domain out of range": ({"domain": torch.tensor([2])}, "index into"),
    "a domain with time": ({"domain": torch.zeros(2, 3, dtype=torch.long)}, "shape"),
    "other numbers of faces": ({"action_units": torch.zeros(2, 33), "landmarks": torch.zeros(3, 68, 2)}, "disagree"),
    "other numbers of frames": (
        {"action_units": torch.zeros(2, 4, 33), "landmarks": torch.zeros(2, 68, 2)},
        "disagree",
    ),
}


@pytest.mark.parametrize("kind", INVALID)
def test_shapes_and_ranges_are_checked(kind):
    parts, message = INVALID[kind]
    with pytest.raises(ValueError, match=message):
        Expression(**parts)


# -------------------------------------------------------------------------------------------------- algebra


@algebra
@given(expressions(parts={"emotion", "intensity"}))
def test_conversion_between_intensity_and_weights_is_lossless(expression):
    weights = expression.intensity_to_weights()
    assert weights.intensity is None
    assert same(weights.weights_to_intensity().intensity_to_weights(), weights)
    level = expression.intensity[..., None] * expression.emotion
    level[..., NEUTRAL] += 1 - expression.intensity
    assert torch.allclose(weights.emotion, level, atol=1e-6)


@algebra
@given(st.sampled_from([name for name in EMOTIONS if name != "neutral"]), st.floats(0.01, 1))
def test_weights_to_intensity_inverts_intensity_to_weights(name, intensity):
    expression = Expression.of(name, intensity)
    assert same(expression.intensity_to_weights().weights_to_intensity(), expression)


def test_a_neutral_face_remains_neutral():
    for neutral in (Expression.neutral(2), Expression.of("happy", 0.0, n=2)):
        converted = neutral.weights_to_intensity()
        assert same(converted, Expression.of("neutral", 1.0, n=2))
        assert not converted.to_action_units().action_units.any()


@algebra
@given(
    expressions(parts={"emotion"}, rows=2, frames=0), expressions(parts={"emotion"}, rows=2, frames=0), st.floats(0, 1)
)
def test_action_units_are_linear_in_the_emotions(a, b, t):
    between = a.lerp(b, t).to_action_units().action_units
    wanted = torch.lerp(a.to_action_units().action_units, b.to_action_units().action_units, t)
    assert torch.allclose(between, wanted, atol=1e-5)


@algebra
@given(expressions(parts={"emotion", "intensity"}))
def test_action_units_are_proportional_to_the_intensity(expression):
    full = expression.only("emotion").to_action_units().action_units
    assert torch.allclose(expression.to_action_units().action_units, full * expression.intensity[..., None], atol=1e-6)


def test_the_action_units_of_each_emotion_are_its_prototype():
    units = Expression.of(list(EMOTIONS)).with_domain("cartoon").to_action_units()
    assert torch.equal(units.action_units, prototype_matrix())
    assert units.emotion is None
    assert units.domain.tolist() == [1] * 8


def test_to_action_units_raises_without_an_emotion_or_with_action_units():
    with pytest.raises(ValueError, match="no emotion"):
        Expression.from_action_units({12: 1}).to_action_units()
    both = Expression(Expression.of("sad").emotion, action_units=torch.zeros(1, 33))
    with pytest.raises(ValueError, match="set already"):
        both.to_action_units()


two = st.sets(st.sampled_from(PARTS[:4]), min_size=1).flatmap(
    lambda parts: st.tuples(expressions(parts, rows=3, frames=0), expressions(parts, rows=3, frames=0))
)


@algebra
@given(two)
def test_interpolation_starts_and_ends_at_its_arguments(pair):
    a, b = pair
    assert equivalent(a.lerp(b, 0), a)
    assert equivalent(a.lerp(b, 1), b)
    assert equivalent(a.lerp(a, 0.3), a)


@algebra
@given(two, st.floats(0, 1))
def test_interpolation_is_symmetric(pair, t):
    a, b = pair
    assert equivalent(a.lerp(b, t), b.lerp(a, 1 - t))


def test_interpolation_broadcasts_one_row():
    many = Expression.of(["happy", "sad", "fear"])
    assert len(Expression.neutral().lerp(many, 0.5)) == len(many.lerp(Expression.neutral(), 0.5)) == 3
    with pytest.raises(ValueError, match="2 rows for 3 faces"):
        many.lerp(Expression.neutral(2), 0.5)


@pytest.mark.parametrize("t", [-0.1, 1.1, float("nan")])
def test_the_position_of_an_interpolation_lies_between_0_and_1(t):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        Expression.neutral().lerp(Expression.of("sad"), t)


def test_different_parts_or_domains_cannot_be_interpolated():
    with pytest.raises(ValueError, match="different parts"):
        Expression.of("sad").lerp(Expression.from_action_units({12: 1}), 0.5)
    photo, cartoon = (Expression.of("sad").with_domain(domain) for domain in DOMAINS)
    with pytest.raises(ValueError, match="domains cannot be interpolated"):
        photo.lerp(cartoon, 0.5)


@algebra
@given(expressions())
def test_mirroring_twice_changes_nothing(expression):
    assert same(expression.mirrored().mirrored(), expression, atol=0)


def test_mirroring_swaps_sides():
    wink = Expression.from_action_units({"AU43L": 1})
    assert wink.mirrored().action_units.nonzero()[:, 1].tolist() == list(action_unit_columns("AU43R"))
    points = torch.rand(68, 2) * 2 - 1
    mirrored = mirror_landmarks(points)
    for left, right in (
        (0, 16),
        (8, 8),
        (17, 26),
        (27, 27),
        (31, 35),
        (36, 45),
        (39, 42),
        (41, 46),
        (48, 54),
        (60, 64),
        (58, 56),
    ):
        assert mirrored[left].tolist() == [-points[right, 0], points[right, 1]]


@algebra
@given(expressions())
def test_mirroring_keeps_the_emotion(expression):
    if expression.emotion is not None:
        assert torch.equal(expression.mirrored().emotion, expression.emotion)


# ------------------------------------------------------------------------------------------------------ time


def test_a_path_passes_through_its_keyframes():
    keys = [Expression.neutral(), Expression.of("happy", 0.8), Expression.of("sad"), Expression.neutral()]
    path = Expression.path(keys, frames=7)
    assert path.frames == 7
    for i, key in enumerate(keys):
        assert equivalent(path.at(2 * i), key)
    assert equivalent(path.at(1), keys[0].lerp(keys[1], 0.5))


@algebra
@given(st.integers(2, 12), st.integers(2, 4))
def test_a_path_has_the_given_number_of_frames_and_both_ends(frames, keys):
    names = ["neutral", "happy", "sad", "fear"][:keys]
    path = Expression.path([Expression.of(name) for name in names], frames)
    assert path.frames == frames
    assert equivalent(path.at(0), Expression.of(names[0]))
    assert equivalent(path.at(frames - 1), Expression.of(names[-1]))


def test_the_easing_of_a_path():
    keys = [Expression.neutral(), Expression.of("happy")]
    share = Expression.path(keys, frames=5).emotion[0, :, 3]
    assert share.tolist() == pytest.approx(smoothstep(torch.linspace(0, 1, 5)).tolist())
    linear = Expression.path(keys, frames=5, ease=lambda t: t).emotion[0, :, 3]
    assert linear.tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_keyframes_are_broadcast():
    many = Expression.of(["happy", "sad"])
    path = Expression.path([Expression.neutral(), Expression.of("fear"), many], frames=5)
    assert len(path) == 2
    assert equivalent(path.at(4), many)
    assert equivalent(path.at(2), Expression.of("fear", n=2))


def test_invalid_paths_raise():
    with pytest.raises(ValueError, match="two keyframes and two frames"):
        Expression.path([Expression.neutral()], 5)
    with pytest.raises(ValueError, match="two keyframes and two frames"):
        Expression.path([Expression.neutral()] * 2, 1)
    moving = Expression.path([Expression.neutral(), Expression.of("sad")], 3)
    with pytest.raises(ValueError, match="time axis of their own"):
        Expression.path([moving, moving], 3)


@algebra
@given(expressions(frames=3))
def test_stack_inverts_at(expression):
    if expression.frames is None:  # a domain alone
        with pytest.raises(ValueError, match="no time axis"):
            expression.at(0)
        return
    assert same(Expression.stack([expression.at(t) for t in range(3)]), expression, atol=0)
    flat = expression.flatten_time()
    assert len(flat) == 3 * len(expression)
    assert same(flat[4 % len(flat)], expression.at(4 % len(flat) % 3)[4 % len(flat) // 3], atol=0)


# --------------------------------------------------------------------------------------------- rows and parts


@algebra
@given(expressions())
def test_from_dict_inverts_to_dict(expression):
    again = Expression.from_dict(json.loads(json.dumps(expression.to_dict())))
    assert same(again, expression, atol=0)
    assert again.parts == expression.parts


def test_an_unknown_part_raises():
    with pytest.raises(ValueError, match=r"\['mood'\] are not parts"):
        Expression.from_dict({"mood": [1]})
    with pytest.raises(ValueError, match=r"\['mood'\] are not parts"):
        Expression.of("sad").only("mood")


@algebra
@given(expressions(rows=4))
def test_rows_can_be_selected(expression):
    for index in (slice(1, 3), [1, 2], torch.tensor([1, 2]), torch.tensor([False, True, True, False])):
        assert same(expression[index], Expression.cat([expression[1], expression[2]]), atol=0)
    assert len(expression[-1]) == 1
    with pytest.raises(IndexError):
        expression[4]


@algebra
@given(expressions(rows=1))
def test_a_row_can_be_repeated(expression):
    assert same(expression.repeat(3)[2], expression, atol=0)
    assert expression.for_faces(1) is expression
    assert len(expression.for_faces(5)) == 5


def test_numbers_of_rows_that_differ_raise():
    two_rows = Expression.of(["happy", "sad"])
    with pytest.raises(ValueError, match="repeat takes one row"):
        two_rows.repeat(2)
    with pytest.raises(ValueError, match="2 rows for 3 faces; give one row, or one for each"):
        two_rows.for_faces(3)
    with pytest.raises(ValueError, match="different parts"):
        Expression.cat([Expression.of("sad"), Expression.from_action_units({1: 1})])
    with pytest.raises(ValueError, match="at least one"):
        Expression.cat([])


def test_an_intensity_that_only_some_set_is_1_in_the_others():
    both = Expression.cat([Expression.of("happy"), Expression.of("sad", 0.5)])
    assert both.intensity.tolist() == [1, 0.5]


def test_parts_are_those_that_are_set():
    assert Expression.of("happy", 1.0).parts == {"emotion"}
    full = Expression(Expression.of("sad").emotion, torch.tensor([0.5]), torch.zeros(1, 33), torch.zeros(1, 68, 2))
    assert full.with_domain("photo").parts == set(PARTS)
    assert full.only("landmarks").parts == {"landmarks"}


def test_with_intensity():
    many = Expression.of(["happy", "sad"]).with_intensity(torch.tensor([0.25, 0.5]))
    assert many.intensity.tolist() == [0.25, 0.5]
    moving = Expression.from_labels(torch.tensor([[3, 3], [4, 4]])).with_intensity(torch.tensor([0.25, 0.5]))
    assert moving.intensity.tolist() == [[0.25, 0.25], [0.5, 0.5]]
    with pytest.raises(ValueError, match="this expression has none"):
        Expression.from_action_units({1: 1}).with_intensity(0.5)
    with pytest.raises(ValueError, match="is not a domain"):
        Expression.of("sad").with_domain("sketch")


@pytest.mark.parametrize(
    ("expression", "understands", "message"),
    [
        (Expression.of("happy", 0.5), {"emotion"}, r"also sets intensity: call \.intensity_to_weights\(\)"),
        (Expression.of("happy"), {"action_units"}, r"also sets emotion: call \.to_action_units\(\)"),
        (
            Expression.from_action_units({12: 1}),
            {"emotion"},
            "emotion, but the expression also sets action",
        ),
        (Expression.of("sad").with_domain("photo"), {"emotion"}, r"leave it out with \.only\('emotion'\)"),
        (Expression.of("sad"), set(), "understands nothing"),
    ],
)
def test_require_names_the_parts_that_are_not_understood(expression, understands, message):
    with pytest.raises(UnsupportedExpression, match=message) as raised:
        expression.require(understands, "StarGAN")
    assert str(raised.value).startswith("StarGAN understands")


@algebra
@given(expressions(), st.sets(st.sampled_from(PARTS)))
def test_require_accepts_exactly_what_is_understood(expression, understands):
    if expression.parts <= understands:
        expression.require(understands, "a generator")
    else:
        with pytest.raises(UnsupportedExpression):
            expression.require(understands, "a generator")


@algebra
@given(expressions())
def test_repr(expression):
    assert repr(expression).startswith(f"Expression({len(expression)} face")
