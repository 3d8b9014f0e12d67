"""The facial action units (AUs) of FACS: their names, muscles and sides, action-unit vectors, and FACS codes.

All code refers to an action unit by its number or column name, through `action_unit_columns`; no other module
hard-codes a column index.

Source  Ekman, Friesen & Hager, *Facial Action Coding System*, 2002 (units, muscles, intensity letters A to E).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class ActionUnit:
    """One action unit of FACS.

    number  FACS number
    name    FACS name
    muscle  the facial muscles that produce it
    region  "brow", "eye", "cheek", "nose" or "mouth"
    sided   whether the left and right sides can act independently
    """

    number: int
    name: str
    muscle: str
    region: str
    sided: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns in an action-unit vector: left and right, or a single one for a unit on the midline."""
        code = f"AU{self.number}"
        return (f"{code}L", f"{code}R") if self.sided else (code,)


ACTION_UNITS = (
    ActionUnit(1, "inner brow raiser", "frontalis, pars medialis", "brow", True),
    ActionUnit(2, "outer brow raiser", "frontalis, pars lateralis", "brow", True),
    ActionUnit(4, "brow lowerer", "corrugator supercilii, depressor supercilii, procerus", "brow", True),
    ActionUnit(5, "upper lid raiser", "levator palpebrae superioris", "eye", True),
    ActionUnit(6, "cheek raiser", "orbicularis oculi, pars orbitalis", "cheek", True),
    ActionUnit(7, "lid tightener", "orbicularis oculi, pars palpebralis", "eye", True),
    ActionUnit(9, "nose wrinkler", "levator labii superioris alaeque nasi", "nose", True),
    ActionUnit(10, "upper lip raiser", "levator labii superioris", "mouth", True),
    ActionUnit(12, "lip corner puller", "zygomaticus major", "mouth", True),
    ActionUnit(14, "dimpler", "buccinator", "mouth", True),
    ActionUnit(15, "lip corner depressor", "depressor anguli oris", "mouth", True),
    ActionUnit(16, "lower lip depressor", "depressor labii inferioris", "mouth", False),
    ActionUnit(17, "chin raiser", "mentalis", "mouth", False),
    ActionUnit(20, "lip stretcher", "risorius with platysma", "mouth", True),
    ActionUnit(23, "lip tightener", "orbicularis oris", "mouth", False),
    ActionUnit(24, "lip pressor", "orbicularis oris", "mouth", False),
    ActionUnit(25, "lips part", "depressor labii inferioris, or relaxed mentalis or orbicularis oris", "mouth", False),
    ActionUnit(26, "jaw drop", "masseter, relaxed temporalis and internal pterygoid", "mouth", False),
    ActionUnit(27, "mouth stretch", "pterygoids, digastric", "mouth", False),
    ActionUnit(43, "eyes closed", "relaxed levator palpebrae superioris", "eye", True),
)

ACTION_UNIT_COLUMNS = tuple(column for unit in ACTION_UNITS for column in unit.columns)
"""Names of the columns of an action-unit vector, such as `AU12L`.

Left and right are those of the person: the left side of the face appears in the right half of the image."""

_COLUMN_INDEX = {column: i for i, column in enumerate(ACTION_UNIT_COLUMNS)}
_UNIT_BY_NUMBER = {unit.number: unit for unit in ACTION_UNITS}

LETTERS = {"A": 0.2, "B": 0.4, "C": 0.6, "D": 0.8, "E": 1.0}
"""The five intensity letters of FACS (trace, slight, marked, severe, maximum) as numbers in [0, 1]."""


def action_unit_columns(unit: str | int) -> tuple[int, ...]:
    """Column indices of an action unit: both sides for `12` or `"AU12"`, one side for `"AU12L"`.

    Raises `ValueError` for an unknown unit.

    >>> action_unit_columns("AU1"), action_unit_columns("AU1R"), action_unit_columns(1)
    ((0, 1), (1,), (0, 1))
    """
    code = str(unit).upper().removeprefix("AU")
    if f"AU{code}" in _COLUMN_INDEX:
        return (_COLUMN_INDEX[f"AU{code}"],)
    if code.isdigit() and int(code) in _UNIT_BY_NUMBER:
        return tuple(_COLUMN_INDEX[column] for column in _UNIT_BY_NUMBER[int(code)].columns)
    known = ", ".join(str(unit.number) for unit in ACTION_UNITS)
    raise ValueError(f"unknown action unit {unit!r}; use one of {known}, with a side where it has two, as in 'AU12L'")


def action_unit_vector(intensities: dict[str | int, float]) -> torch.Tensor:
    """A vector of action-unit intensities, shape (A,) with A = `len(ACTION_UNIT_COLUMNS)`, from intensities by unit.

    Raises `ValueError` for an unknown unit or an intensity outside [0, 1].

    >>> action_unit_vector({"AU12L": 0.5})[action_unit_columns("AU12")[0]].item()
    0.5
    """
    vector = torch.zeros(len(ACTION_UNIT_COLUMNS))
    for unit, intensity in intensities.items():
        if not 0 <= intensity <= 1:
            raise ValueError(f"the intensity of action unit {unit} is {intensity}; it must lie in [0, 1]")
        vector[list(action_unit_columns(unit))] = float(intensity)
    return vector


def parse_facs(code: str) -> torch.Tensor:
    """Convert a FACS code such as `"1+2+5B+R14"` to an action-unit vector of shape (A,).

    A letter gives the intensity, E if absent; a leading L or R restricts the unit to that side. Raises `ValueError`
    for text that is not a FACS code, or an unknown unit.

    >>> parse_facs("12D")[list(action_unit_columns(12))].tolist()
    [0.800000011920929, 0.800000011920929]
    """
    vector = torch.zeros(len(ACTION_UNIT_COLUMNS))
    for part in filter(None, code.replace(" ", "").split("+")):
        match = re.fullmatch(r"([LR]?)(\d+)([A-E]?)", part.upper())
        if match is None:
            raise ValueError(f"{part!r} in {code!r} is not a FACS code such as '12', '5B' or 'R14'")
        side, number, letter = match.groups()
        vector[list(action_unit_columns(f"AU{number}{side}"))] = LETTERS[letter or "E"]
    return vector


def mirrored_columns() -> list[int]:
    """The permutation of columns that a horizontal flip of the face causes: left and right sides are swapped."""
    swap = {"L": "R", "R": "L"}
    return [_COLUMN_INDEX.get(c[:-1] + swap.get(c[-1], c[-1]), i) for i, c in enumerate(ACTION_UNIT_COLUMNS)]
