"""Facial muscles: from action units to displacements of the parts of the face.

Each formula follows the description of the unit in FACS (Ekman, Friesen & Hager 2002). Lengths are in interocular
distances, y points down; sided quantities have two columns, the left side of the person (right in the image) and the
right.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.synthetic.rows import Rows
from facekit.faces.action_units import ACTION_UNITS, action_unit_columns


@dataclass(frozen=True, eq=False)
class Displacements(Rows):
    """Displacements of N faces: (N, 2) for sided parts, (N,) for parts on the midline."""

    brow_inner: Tensor  # y of the inner end of the brow
    brow_middle: Tensor
    brow_outer: Tensor
    brow_inward: Tensor  # movement of the inner ends towards the midline
    forehead: Tensor  # depth of the lines across the outer half of the forehead (frontalis, pars lateralis)
    forehead_inner: Tensor  # and across the inner half (pars medialis)
    frown: Tensor  # depth of the furrows between the brows
    lid_raise: Tensor  # relative change of the opening above the axis of the eye
    lid_lower: Tensor  # rise of the lower lid, relative to its depth at rest
    close: Tensor  # closure of the lids: 0 open, 1 closed
    cheek: Tensor  # rise of the cheek (orbicularis oculi)
    crow: Tensor  # depth of the crow's feet
    nose_wrinkle: Tensor
    ala: Tensor  # y of the wings of the nose, negative up
    fold: Tensor  # depth of the nasolabial fold
    corner_x: Tensor  # corner of the mouth, positive outward
    corner_y: Tensor  # corner of the mouth, positive down
    dimple: Tensor
    upper_lip: Tensor  # edge of the upper lip, positive up
    square: Tensor  # squaring of the raised upper lip (levator labii superioris)
    jaw: Tensor  # drop of chin and lower lip
    part: Tensor  # parting of the lips without the jaw
    lower_lip: Tensor  # lowering of the lower lip
    thin: Tensor  # share of the lips that is rolled in
    press: Tensor  # bulges above and below pressed lips
    chin: Tensor  # rise of the chin boss
    round: Tensor  # narrowing of the mouth as the jaw opens


def displacements(action_units: Tensor) -> Displacements:
    """Displacements caused by action units (N, A) in [0, 1]."""
    au = {unit.number: _intensity(action_units, unit.number, unit.sided) for unit in ACTION_UNITS}
    return Displacements(**_brows(au), **_eyes_and_cheeks(au), **_nose_and_fold(au), **_mouth(au), **_jaw_and_lips(au))


def _brows(au: dict[int, Tensor]) -> dict[str, Tensor]:
    a1, a2, a4, a6, a9 = (au[i] for i in (1, 2, 4, 6, 9))
    # Frontalis opposes corrugator: where the inner brow is raised, a frown draws it inward but hardly down.
    frown_down = a4 * (1 - 0.49 * a1)
    return {
        "brow_inner": -0.27 * a1 - 0.08 * a2 + 0.22 * frown_down + 0.051 * a9,
        "brow_middle": -0.07 * a1 - 0.16 * a2 + 0.33 * frown_down + 0.12 * a9 + 0.01 * a6,
        "brow_outer": 0.013 * a1 - 0.064 * a2 + 0.021 * a4 + 0.0095 * a9 + 0.02 * a6,
        "brow_inward": 0.17 * a4 + 0.022 * a9,
        "forehead": a2,
        "forehead_inner": (a1 + 0.48 * a2).clamp(max=1),
        "frown": (a4 + 0.72 * a9).clamp(max=1.2),
    }


def _eyes_and_cheeks(au: dict[int, Tensor]) -> dict[str, Tensor]:
    a1, a2, a4, a5, a6, a7, a9, a12 = (au[i] for i in (1, 2, 4, 5, 6, 7, 9, 12))
    raised = 4.5 * a5 / (1 + 0.36 * a5) + 1.09 * a2
    return {
        "lid_raise": raised - 1.1 * a1 * a4 - 0.28 * a7 - 0.19 * a6 - 1.25 * a9 - 0.56 * a4,
        "lid_lower": _saturated(1.4 * a7 + 1.4 * a6 + 0.5 * a9 + 0.15 * a12, 0.95) - 0.71 * a5,
        "close": au[43],
        "cheek": (a6 + 0.39 * a12 + 0.56 * a9).clamp(max=1.3),
        "crow": (a6 + 0.23 * a7).clamp(max=1),
    }


def _nose_and_fold(au: dict[int, Tensor]) -> dict[str, Tensor]:
    a6, a9, a10, a12, a15, a20 = (au[i] for i in (6, 9, 10, 12, 15, 20))
    return {
        "nose_wrinkle": a9,
        "ala": -0.18 * a9 - 0.2 * a10 - 0.029 * a12,
        "fold": _saturated(2.0 * a12 + 1.75 * a10 + 0.93 * a9 + 0.2 * a6 + 0.13 * a15 + 0.55 * a20, 1.6),
    }


def _mouth(au: dict[int, Tensor]) -> dict[str, Tensor]:
    a9, a10, a12, a14, a15, a20 = (au[i] for i in (9, 10, 12, 14, 15, 20))
    tightened = (au[23] + au[24])[:, None] * torch.ones_like(a12)
    lifted = (a10 + 0.4 * a9).clamp(max=1.3)
    return {
        "corner_x": 0.16 * a12 + 0.19 * a20 - 0.02 * a15 + 0.06 * a14 - 0.06 * tightened,
        "corner_y": -0.27 * a12 + 0.18 * a15 + 0.092 * a20 - 0.025 * a14 - 0.027 * lifted * (1 - a12),
        "dimple": (a14 + 0.4 * a12).clamp(max=1),
        "upper_lip": 0.054 * lifted + 0.072 * a12,
        "square": lifted.clamp(max=1),
    }


def _jaw_and_lips(au: dict[int, Tensor]) -> dict[str, Tensor]:
    a16, a20, a23, a24, a25, a26, a27 = (au[i] for i in (16, 20, 23, 24, 25, 26, 27))
    return {
        "jaw": (0.33 * a26 + 0.56 * a27).clamp(max=0.60),
        "part": 0.14 * a25 * (1 - 0.34 * (a26 + a27).clamp(max=1)),
        "lower_lip": 0.11 * a16 + 0.12 * (a20.mean(1) * a25),
        "thin": (0.53 * a23 + 0.70 * a24).clamp(max=0.70),
        "press": a24 + 0.85 * a23,
        "chin": au[17],
        "round": 0.33 * a26 + 0.25 * a27,
    }


def _saturated(value: Tensor, limit: float) -> Tensor:
    """A sum of displacements limited by the elasticity of the skin: linear near 0, increasing, below the limit."""
    return limit * (value / limit).tanh()


def _intensity(action_units: Tensor, number: int, sided: bool) -> Tensor:
    """Intensity of one unit: (N, 2) if it is sided, else (N,)."""
    columns = list(action_unit_columns(number))
    return action_units[:, columns] if sided else action_units[:, columns[0]]
