"""What each muscle does to the face: action units to displacements of its parts.

Each line follows the unit's description in FACS (Ekman, Friesen & Hager 2002). Lengths are in distances between
the eyes, y down; what is sided has two columns, the person's left (right in the picture) and right.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.synthetic.rows import Rows
from facekit.faces.action_units import ACTION_UNITS, action_unit_columns


@dataclass(frozen=True, eq=False)
class Displacements(Rows):
    """Displacements for N faces; (N, 2) for what is sided, (N,) for what lies on the midline."""

    brow_inner: Tensor  # y of the brow's inner end
    brow_middle: Tensor
    brow_outer: Tensor
    brow_inward: Tensor  # inner ends towards the midline
    forehead: Tensor  # depth of lines across the forehead, outer half (frontalis pars lateralis)
    forehead_inner: Tensor  # and inner half
    frown: Tensor  # furrows between the brows
    lid_raise: Tensor  # factor on the opening above the eye's axis, less 1
    lid_lower: Tensor  # how far the lower lid rises, as a share of its own depth
    close: Tensor  # 0 open, 1 shut
    cheek: Tensor  # raised cheek (orbicularis oculi)
    crow: Tensor  # crow's feet
    nose_wrinkle: Tensor
    ala: Tensor  # y of the nostrils' wings, negative up
    fold: Tensor  # depth of the nasolabial fold
    corner_x: Tensor  # corner of the mouth, positive outward
    corner_y: Tensor  # positive down
    dimple: Tensor
    upper_lip: Tensor  # the upper lip's edge, positive up
    square: Tensor  # how far the lifted lip is squared off, as levator labii does
    jaw: Tensor  # how far chin and lower lip go down
    part: Tensor  # how far the lips part without the jaw
    lower_lip: Tensor  # lower lip drawn down
    thin: Tensor  # share of the lips rolled in
    press: Tensor  # lips pressed together: bulges above and below
    chin: Tensor  # chin pushed up
    round: Tensor  # mouth narrowed as the jaw opens


def displacements(action_units: Tensor) -> Displacements:
    """Displacements for action units (N, A) in [0, 1]."""
    au = {unit.number: _unit(action_units, unit.number, unit.sided) for unit in ACTION_UNITS}
    a1, a2, a4, a5, a6, a7, a9, a10 = (au[i] for i in (1, 2, 4, 5, 6, 7, 9, 10))
    a12, a14, a15, a16, a17, a20 = (au[i] for i in (12, 14, 15, 16, 17, 20))
    a23, a24, a25, a26, a27, a43 = (au[i] for i in (23, 24, 25, 26, 27, 43))
    both = torch.ones_like(a1)

    # Frontalis against corrugator: where the inner brow is raised, the frown draws it in but hardly down.
    frown_down = a4 * (1 - 0.49 * a1)
    jaw = (0.33 * a26 + 0.56 * a27).clamp(max=0.60)
    lifted = (a10 + 0.4 * a9).clamp(max=1.3)
    return Displacements(
        brow_inner=-0.27 * a1 - 0.08 * a2 + 0.22 * frown_down + 0.051 * a9,
        brow_middle=-0.07 * a1 - 0.16 * a2 + 0.33 * frown_down + 0.12 * a9 + 0.01 * a6,
        brow_outer=0.013 * a1 - 0.064 * a2 + 0.021 * a4 + 0.0095 * a9 + 0.02 * a6,
        brow_inward=0.17 * a4 + 0.022 * a9,
        forehead=a2,
        forehead_inner=(a1 + 0.48 * a2).clamp(max=1),
        frown=(a4 + 0.72 * a9).clamp(max=1.2),
        lid_raise=4.5 * a5 / (1 + 0.36 * a5)
        + 1.09 * a2
        - 1.1 * a1 * a4
        - 0.28 * a7
        - 0.19 * a6
        - 1.25 * a9
        - 0.56 * a4,
        lid_lower=_held(1.4 * a7 + 1.4 * a6 + 0.5 * a9 + 0.15 * a12, 0.95) - 0.71 * a5,
        close=a43,
        cheek=(a6 + 0.39 * a12 + 0.56 * a9).clamp(max=1.3),
        crow=(a6 + 0.23 * a7).clamp(max=1),
        nose_wrinkle=a9,
        ala=-0.18 * a9 - 0.2 * a10 - 0.029 * a12,
        fold=_held(2.0 * a12 + 1.75 * a10 + 0.93 * a9 + 0.2 * a6 + 0.13 * a15 + 0.55 * a20, 1.6),
        corner_x=0.16 * a12 + 0.19 * a20 - 0.02 * a15 + 0.06 * a14 - 0.06 * (a23 + a24)[:, None] * both,
        corner_y=-0.27 * a12 + 0.18 * a15 + 0.092 * a20 - 0.025 * a14 - 0.027 * lifted * (1 - a12),
        dimple=(a14 + 0.4 * a12).clamp(max=1),
        upper_lip=0.054 * lifted + 0.072 * a12,
        square=lifted.clamp(max=1),
        jaw=jaw,
        part=0.14 * a25 * (1 - 0.34 * (a26 + a27).clamp(max=1)),
        lower_lip=0.11 * a16 + 0.12 * (a20.mean(1) * a25),
        thin=(0.53 * a23 + 0.70 * a24).clamp(max=0.70),
        press=a24 + 0.85 * a23,
        chin=a17,
        round=0.33 * a26 + 0.25 * a27,
    )


def _held(value: Tensor, limit: float) -> Tensor:
    """A sum of pulls that flesh holds back: as it is while small, never beyond the limit, always rising."""
    return limit * (value / limit).tanh()


def _unit(action_units: Tensor, number: int, sided: bool) -> Tensor:
    columns = list(action_unit_columns(number))
    return action_units[:, columns] if sided else action_units[:, columns[0]]
