"""The action units of a synthetic face at its peak: a variation of its emotion's prototype, or random ones."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from facekit.datasets.synthetic.draws import chance, uniform
from facekit.faces.action_units import ACTION_UNIT_COLUMNS, ACTION_UNITS, action_unit_columns, parse_facs
from facekit.faces.emotions import EMOTIONS
from facekit.faces.prototypes import PROTOTYPES

# Pairs of units that exclude each other. Lips cannot be pressed (24) and parted; 23 and 24 are two actions of one
# muscle, and 26 and 27 two degrees of opening the jaw.
_ANTAGONISTS = ((5, 43), (16, 24), (24, 25), (24, 26), (24, 27), (23, 24), (26, 27))

# Units that part the lips; FACS scores 25 with them.
_PARTING = (16, 26, 27)

_MOST_UNITS = 5


def emotional_units(face: Tensor, emotion: Tensor) -> Tensor:
    """Action units (N, A) of emotions (N,) at full intensity, with individual variation by face number (N,)."""
    patterns, counts = _variants()
    # Half of the faces show the prototype, the others a random one of all variants.
    pick = (uniform(face, "variant") * counts[emotion]).long() * ~chance(face, "prototype", 0.5)
    return (patterns[emotion, pick] * _variation(face)).clamp(0, 1)


def free_units(face: Tensor) -> Tensor:
    """Random action units (N, A) that belong to no emotion, by face number (N,): one to five units for each face.

    Units are drawn with equal probability and intensities from 0.2 to 1; one that excludes a unit drawn before is
    skipped. In a quarter of the cases the sides differ: one side is weaker or inactive. Where units part the lips, AU25
    has at least their intensity, as FACS scores it.
    """
    drawn = _drawn_units(face)
    units = torch.zeros(len(face), len(ACTION_UNIT_COLUMNS))
    for i, unit in enumerate(ACTION_UNITS):
        columns = list(action_unit_columns(unit.number))
        intensity = uniform(face, f"free strength {unit.number}", 0.2, 1.0) * drawn[:, i]
        units[:, columns] = intensity[:, None] * (_sides_of(face, unit.number) if unit.sided else 1)
    parting = [action_unit_columns(number)[0] for number in (25, *_PARTING)]
    units[:, parting[0]] = units[:, parting].amax(1)
    return units


def _drawn_units(face: Tensor) -> Tensor:
    """A random selection of `ACTION_UNITS`, (N, 20) bool: in random order, until there are enough."""
    order = torch.stack([uniform(face, f"free unit {unit.number}") for unit in ACTION_UNITS], 1).argsort(1)
    wanted = uniform(face, "free units", 1, _MOST_UNITS + 1).long()
    drawn = torch.zeros(len(face), len(ACTION_UNITS), dtype=torch.bool)
    exclusive = _exclusive()
    for candidate in order.T:
        fits = ~(drawn & exclusive[candidate]).any(1) & (drawn.sum(1) < wanted)
        drawn |= torch.nn.functional.one_hot(candidate, len(ACTION_UNITS)).bool() & fits[:, None]
    return drawn


def _sides_of(face: Tensor, number: int) -> Tensor:
    """Factors (N, 2) on the left and right side of a unit: 1, or in a quarter of the cases less than 1 on one side."""
    uneven, alone = chance(face, f"free uneven {number}", 0.25), chance(face, f"free alone {number}", 0.5)
    less = uniform(face, f"free less {number}", 0.2, 0.8) * ~alone
    weak = torch.where(uneven, less, 1.0)
    left = chance(face, f"free side {number}", 0.5)
    return torch.stack([torch.where(left, weak, 1.0), torch.where(left, 1.0, weak)], 1)


@functools.cache
def _exclusive() -> Tensor:
    """Which pairs of `ACTION_UNITS` exclude each other, (20, 20) bool."""
    place = {unit.number: i for i, unit in enumerate(ACTION_UNITS)}
    table = torch.zeros(len(place), len(place), dtype=torch.bool)
    for a, b in _ANTAGONISTS:
        table[place[a], place[b]] = table[place[b], place[a]] = True
    return table


@functools.cache
def _variants() -> tuple[Tensor, Tensor]:
    """Variants of each emotion (E, V, A), prototype first and padded with the prototype, and their numbers (E,)."""
    rows = [[parse_facs(code) for code in PROTOTYPES[name]] for name in EMOTIONS]
    most = max(len(row) for row in rows)
    padded = torch.stack([torch.stack(row + [row[0]] * (most - len(row))) for row in rows])
    return padded, torch.tensor([len(row) for row in rows])


def _variation(face: Tensor) -> Tensor:
    """Individual factors (N, A) on the intensity of each unit, with a slight asymmetry between the sides."""
    drawn = {name: uniform(face, f"unit {name.rstrip('LR')}", 0.82, 1.12) for name in ACTION_UNIT_COLUMNS}
    lean = uniform(face, "lean", -0.09, 0.09)
    sign = {"L": 1, "R": -1}
    return torch.stack([drawn[name] * (1 + sign.get(name[-1], 0) * lean) for name in ACTION_UNIT_COLUMNS], 1)
