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

REQUIRED = {1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 27, 43}


def test_the_order_of_columns_is_fixed():
    """Weights, caches and metrics on disk depend on it."""
    assert [unit.number for unit in ACTION_UNITS] == sorted(unit.number for unit in ACTION_UNITS)
    assert len(ACTION_UNIT_COLUMNS) == 33
    assert ACTION_UNIT_COLUMNS[:3] == ("AU1L", "AU1R", "AU2L")


def test_the_units_are_those_of_facs():
    assert {unit.number for unit in ACTION_UNITS} >= REQUIRED
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
            with pytest.raises(ValueError, match="unknown action unit"):
                action_unit_columns(f"AU{unit.number}{side}")


@pytest.mark.parametrize("unit", [3, "AU99", "smile", "", "AU", "12X"])
def test_unknown_units_raise(unit):
    with pytest.raises(ValueError, match=r"unknown action unit .*; use one of 1, 2, 4"):
        action_unit_columns(unit)


def test_vector_of_intensities():
    vector = action_unit_vector({12: 0.5, "AU6L": 1})
    assert vector.shape == (33,)
    assert vector[list(action_unit_columns(12))].tolist() == [0.5, 0.5]
    assert vector[list(action_unit_columns(6))].tolist() == [1, 0]
    assert vector.sum() == 2


@pytest.mark.parametrize("intensity", [-0.1, 1.1, float("nan"), float("inf")])
def test_intensities_lie_between_0_and_1(intensity):
    with pytest.raises(ValueError, match=r"it must lie in \[0, 1\]"):
        action_unit_vector({12: intensity})


units = st.sampled_from(ACTION_UNITS)
letters = st.sampled_from(["", *LETTERS])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(units.map(lambda unit: unit.number), letters, max_size=8))
def test_facs_codes_are_parsed(code):
    vector = parse_facs("+".join(f"{number}{letter}" for number, letter in code.items()))
    wanted = action_unit_vector({number: LETTERS[letter or "E"] for number, letter in code.items()})
    assert torch.equal(vector, wanted)


@settings(max_examples=40, deadline=None)
@given(units.filter(lambda unit: unit.sided), letters, st.sampled_from("LR"))
def test_one_sided_facs_codes_are_parsed(unit, letter, side):
    vector = parse_facs(f" {side.lower()}{unit.number}{letter} ")
    assert vector.nonzero().flatten().tolist() == list(action_unit_columns(f"AU{unit.number}{side}"))


@pytest.mark.parametrize("code", ["12F", "AU12", "12++x", "X12", "-3"])
def test_invalid_facs_codes_raise(code):
    with pytest.raises(ValueError, match="is not a FACS code"):
        parse_facs(code)
    with pytest.raises(ValueError, match="unknown action unit"):
        parse_facs("L25")  # lips part on both sides


def test_mirroring_swaps_the_sides_and_keeps_the_midline():
    order = mirrored_columns()
    assert [order[i] for i in order] == list(range(33))
    for i, j in enumerate(order):
        name, other = ACTION_UNIT_COLUMNS[i], ACTION_UNIT_COLUMNS[j]
        assert name.rstrip("LR") == other.rstrip("LR")
        assert (name == other) == (name[-1] not in "LR")
