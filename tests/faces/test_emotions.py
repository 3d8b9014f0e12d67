import colorsys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.faces.action_units import (
    ACTION_UNIT_COLUMNS,
    ACTION_UNITS,
    LETTERS,
    action_unit_columns,
    action_unit_vector,
    mirrored_columns,
    parse_facs,
)
from facekit.faces.emotions import (
    COLORS,
    COMPOUND_EMOTIONS,
    DATASET_LABELS,
    EMOTIONS,
    PROTOCOL_EMOTIONS,
    dataset_code_to_index,
    emotion_index,
    emotion_name,
)
from facekit.faces.prototypes import PROTOTYPES, prototype_matrix

ASKED_FOR = {1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 27, 43}


def test_the_order_is_for_ever():
    """Weights, caches and metrics on disk count on it."""
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")
    assert PROTOCOL_EMOTIONS == DATASET_LABELS["fer2013"] == EMOTIONS[:7]
    assert [unit.number for unit in ACTION_UNITS] == sorted(unit.number for unit in ACTION_UNITS)
    assert len(ACTION_UNIT_COLUMNS) == 33
    assert ACTION_UNIT_COLUMNS[:3] == ("AU1L", "AU1R", "AU2L")


def test_colours_differ_also_in_grey():
    assert set(COLORS) == set(EMOTIONS)
    assert len(set(COLORS.values())) == len(EMOTIONS)
    lightness = [colorsys.rgb_to_hls(*(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)))[1] for c in COLORS.values()]
    assert len(set(lightness)) > 5


@pytest.mark.parametrize(
    ("word", "name"),
    [("Joy", "happy"), (" ANGER ", "angry"), ("scared", "fear"), ("contemptuous", "contempt"), ("su", "surprise")],
)
def test_words_for_emotions(word, name):
    assert emotion_name(word) == name
    assert EMOTIONS[emotion_index(word)] == name


@settings(max_examples=40, deadline=None)
@given(st.from_regex(r"\A[a-z ]*\d+\Z"))
def test_other_words_are_refused(word):
    with pytest.raises(ValueError, match="names no emotion; use one of angry"):
        emotion_name(word)


# The owners' own tables.
@pytest.mark.parametrize(
    ("dataset", "code", "name"),
    [
        ("fer2013", 0, "angry"), ("fer2013", 5, "surprise"), ("fer2013", 6, "neutral"),
        ("ckplus", 0, "neutral"), ("ckplus", 1, "angry"), ("ckplus", 2, "contempt"), ("ckplus", 7, "surprise"),
        ("affectnet", 0, "neutral"), ("affectnet", 1, "happy"), ("affectnet", 4, "fear"), ("affectnet", 7, "contempt"),
    ],
)  # fmt: skip
def test_codes_of_datasets(dataset, code, name):
    assert EMOTIONS[dataset_code_to_index(dataset, code)] == name


def test_every_dataset_names_each_emotion_once():
    for labels in DATASET_LABELS.values():
        named = [name for name in labels if name]
        assert len(set(named)) == len(named)
        assert set(PROTOCOL_EMOTIONS) <= set(named) <= set(EMOTIONS)


@pytest.mark.parametrize(("dataset", "code"), [("fer2013", 7), ("fer2013", -1), ("affectnet", 11), ("ckplus", 8)])
def test_codes_out_of_range_are_refused(dataset, code):
    with pytest.raises(ValueError, match=f"label {code} is out of range for {dataset}, which has 0 to"):
        dataset_code_to_index(dataset, code)


def test_codes_that_are_no_emotion_and_unknown_datasets():
    assert [dataset_code_to_index("affectnet", code) for code in (8, 9, 10)] == [-1, -1, -1]
    with pytest.raises(ValueError, match="no label order is known for 'mug'"):
        dataset_code_to_index("mug", 0)


# ----------------------------------------------------------------------------------------------- action units


def test_the_units_are_those_of_facs():
    assert {unit.number for unit in ACTION_UNITS} >= ASKED_FOR
    assert all(unit.muscle and unit.name for unit in ACTION_UNITS)
    assert {unit.region for unit in ACTION_UNITS} == {"brow", "eye", "cheek", "nose", "mouth"}


@pytest.mark.parametrize("unit", ACTION_UNITS, ids=lambda unit: f"AU{unit.number}")
def test_columns_by_number_name_and_side(unit):
    columns = action_unit_columns(unit.number)
    assert columns == action_unit_columns(f"AU{unit.number}") == action_unit_columns(f"au{unit.number}")
    assert tuple(ACTION_UNIT_COLUMNS[c] for c in columns) == unit.columns
    assert len(columns) == 1 + unit.sided
    for side, column in zip("LR", columns, strict=False):
        if unit.sided:
            assert action_unit_columns(f"AU{unit.number}{side}") == (column,)
        else:
            with pytest.raises(ValueError, match="is no action unit"):
                action_unit_columns(f"AU{unit.number}{side}")


@pytest.mark.parametrize("unit", [3, "AU99", "smile", "", "AU", "12X"])
def test_unknown_units_are_refused(unit):
    with pytest.raises(ValueError, match="is no action unit of this suite; it has 1, 2, 4"):
        action_unit_columns(unit)


def test_a_vector_of_strengths():
    vector = action_unit_vector({12: 0.5, "AU6L": 1})
    assert vector.shape == (33,)
    assert vector[list(action_unit_columns(12))].tolist() == [0.5, 0.5]
    assert vector[list(action_unit_columns(6))].tolist() == [1, 0]
    assert vector.sum() == 2


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), float("inf")])
def test_strengths_lie_between_0_and_1(strength):
    with pytest.raises(ValueError, match="strengths lie between 0 and 1"):
        action_unit_vector({12: strength})


units = st.sampled_from(ACTION_UNITS)
letters = st.sampled_from(["", *LETTERS])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(units.map(lambda unit: unit.number), letters, max_size=8))
def test_facs_codes_are_read(code):
    vector = parse_facs("+".join(f"{number}{letter}" for number, letter in code.items()))
    wanted = action_unit_vector({number: LETTERS[letter or "E"] for number, letter in code.items()})
    assert torch.equal(vector, wanted)


@settings(max_examples=40, deadline=None)
@given(units.filter(lambda unit: unit.sided), letters, st.sampled_from("LR"))
def test_one_sided_facs_codes_are_read(unit, letter, side):
    vector = parse_facs(f" {side.lower()}{unit.number}{letter} ")
    assert vector.nonzero().flatten().tolist() == list(action_unit_columns(f"AU{unit.number}{side}"))


@pytest.mark.parametrize("code", ["12F", "AU12", "12++x", "X12", "-3"])
def test_what_is_no_facs_code_is_refused(code):
    with pytest.raises(ValueError, match="is not a FACS code"):
        parse_facs(code)
    with pytest.raises(ValueError, match="is no action unit"):
        parse_facs("L25")  # lips part on both sides


def test_a_mirror_swaps_the_sides_and_keeps_the_middle():
    order = mirrored_columns()
    assert [order[i] for i in order] == list(range(33))
    for i, j in enumerate(order):
        name, other = ACTION_UNIT_COLUMNS[i], ACTION_UNIT_COLUMNS[j]
        assert name.rstrip("LR") == other.rstrip("LR")
        assert (name == other) == (name[-1] not in "LR")


# ------------------------------------------------------------------------------------ emotions as action units


def test_prototypes():
    assert set(PROTOTYPES) == set(EMOTIONS)
    for codes in PROTOTYPES.values():
        for code in codes:
            assert parse_facs(code).max() <= 1
    matrix = prototype_matrix()
    assert matrix.shape == (8, 33)
    assert not matrix[EMOTIONS.index("neutral")].any()
    assert len({tuple(row.tolist()) for row in matrix}) == 8
    shown = {name: {ACTION_UNIT_COLUMNS[c] for c in matrix[i].nonzero().flatten()} for i, name in enumerate(EMOTIONS)}
    # What every table of EMFACS agrees on.
    assert {"AU6L", "AU6R", "AU12L", "AU12R"} <= shown["happy"]
    assert {"AU1L", "AU2L", "AU5L"} <= shown["surprise"]
    assert {"AU1L", "AU4L", "AU15L"} <= shown["sad"]
    assert {"AU4L", "AU5L", "AU7L"} <= shown["angry"]
    assert shown["disgust"] & {"AU9L", "AU10L"}
    assert {"AU1L", "AU2L", "AU4L", "AU5L", "AU20L"} <= shown["fear"]
    # Contempt alone is lopsided.
    lopsided = [
        name for name in EMOTIONS if not torch.equal(row := matrix[EMOTIONS.index(name)], row[mirrored_columns()])
    ]
    assert lopsided == ["contempt"]


def test_compounds_are_pairs_of_emotions():
    assert len(COMPOUND_EMOTIONS) == 12
    for pair in COMPOUND_EMOTIONS.values():
        assert len(set(pair)) == 2
        assert set(pair) <= set(EMOTIONS)
