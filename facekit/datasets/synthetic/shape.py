"""The curves of a face (brows, lids, nose, lips, outline) as a function of identity and muscle displacements.

The renderer and the landmarks evaluate the same curves, so that landmarks are exact. Points are (u, v) on the face:
the origin lies between the eyes, u points to the right of the image and v down.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.synthetic.identity import Identity
from facekit.datasets.synthetic.muscles import Displacements
from facekit.datasets.synthetic.rows import Rows

WING_HEIGHT = 0.062
"""Height of the lower end of the wings above the base of the nose."""


@dataclass(frozen=True, eq=False)
class Shape(Rows):
    """Positions and sizes of the parts of N faces: (N, 2) for the left and right side of the person, else (N,)."""

    width: Tensor
    lower: Tensor  # y of the chin
    upper: Tensor  # y of the top of the skull, negative
    jaw: Tensor  # prominence of the angles of the jaw, relative to an ellipse
    taper: Tensor  # narrowing of the lower face towards the chin
    eye_x: Tensor  # (N, 2), distance from the midline
    eye_y: Tensor
    eye_w: Tensor  # half width
    eye_tilt: Tensor  # slope, positive if the outer corner is higher
    lid_up: Tensor  # (N, 2), height of the upper lid above the axis of the eye (negative: below)
    lid_low: Tensor  # (N, 2), depth of the lower lid below the axis
    brow_x0: Tensor  # (N, 2), x of the inner and outer end
    brow_x1: Tensor
    brow_y0: Tensor  # (N, 2), y of the inner end, the middle and the outer end
    brow_y1: Tensor
    brow_y2: Tensor
    brow_thick: Tensor
    nose_x: Tensor  # (N,), x of the tip, positive to the right of the image
    nose_y: Tensor  # y of the base of the nose
    nose_w: Tensor  # (N,), half width between the wings
    ala_y: Tensor  # (N, 2), y of the wings (alae)
    mouth_x: Tensor  # (N, 2), distance of the corners from the midline
    mouth_y: Tensor  # (N,), y of the line between the lips in the middle
    corner_y: Tensor  # (N, 2), y of the corners relative to the middle
    lip_gap_up: Tensor  # (N, 2), distance of the inner edge of the upper lip above the line
    lip_gap_low: Tensor  # (N,), distance of the inner edge of the lower lip below the line
    lip_upper: Tensor  # (N,), thickness
    lip_lower: Tensor
    cupid: Tensor  # depth of the Cupid's bow
    square: Tensor  # (N, 2), how square the opening is on either side: 0 an arc, 1 squared off


def shape(identity: Identity, p: Displacements) -> Shape:
    """The curves of N identities with N displacements."""
    # However long the nose and however thick the lips, there is room for a chin below them.
    lowest = identity.mouth_height + 1.05 * identity.lip_lower + 0.24
    return Shape(
        width=identity.width,
        lower=-_at_most(-identity.length, -lowest) + p.jaw - 0.035 * p.chin,
        upper=-1.62 * torch.ones_like(identity.width),
        jaw=identity.jaw,
        taper=identity.chin + 0.10 * p.jaw,
        nose_x=identity.bend,
        nose_y=identity.nose_length + 0.2 * p.ala.mean(1),
        nose_w=0.18 * identity.nose_width * (1 + 0.10 * p.nose_wrinkle.mean(1) + 0.25 * p.corner_x.mean(1)),
        ala_y=_both_sides(identity.nose_length - WING_HEIGHT) + p.ala,
        **_eyes_and_brows(identity, p),
        **_mouth(identity, p),
    )


def _eyes_and_brows(identity: Identity, p: Displacements) -> dict[str, Tensor]:
    """Eyes, lids and brows, which limit each other."""
    skew_eye = _skewed(identity.skew_eye)
    rest_up, rest_low = _both_sides(0.070 * identity.eye_open), _both_sides(0.070 * identity.eye_open)
    lid_low = rest_low * (1 - p.lid_lower)
    lid_up = (rest_up * (1 + p.lid_raise)).clamp(min=0.004)
    # The upper lid closes the eye; it meets the lower lid, which rises a little.
    lid_low = lid_low * (1 - 0.15 * p.close)
    lid_up = lid_up + (-lid_low - lid_up) * p.close
    # However far it is lowered, a brow rests on the lid and hoods it; it never crosses the eye.
    brow_y = _both_sides(-0.285 + identity.brow_height) + _skewed(identity.skew_brow)
    half_brow, rest_lid = 0.5 * _both_sides(identity.brow_thick), rest_up + 0.015 - skew_eye
    brow_inner = _at_most(brow_y + p.brow_inner, -0.4 * rest_lid - half_brow)
    brow_middle = _at_most(brow_y - _both_sides(identity.brow_arch) + p.brow_middle, -rest_lid - half_brow)
    brow_outer = _at_most(brow_y + _both_sides(identity.brow_slope) + p.brow_outer, -0.4 * rest_lid - half_brow)
    return {
        "eye_x": _both_sides(identity.eye_gap),
        "eye_y": skew_eye,
        "eye_w": _both_sides(identity.eye_width),
        "eye_tilt": _both_sides(identity.eye_tilt),
        "lid_up": _at_most(lid_up, skew_eye - brow_middle - half_brow - 0.005),
        "lid_low": lid_low,
        "brow_x0": _both_sides(identity.brow_inner) - p.brow_inward,
        "brow_x1": _both_sides(_at_most(identity.brow_outer, identity.width - 0.10)),
        "brow_y0": brow_inner,
        "brow_y1": brow_middle,
        "brow_y2": brow_outer,
        "brow_thick": _both_sides(identity.brow_thick),
    }


def _mouth(identity: Identity, p: Displacements) -> dict[str, Tensor]:
    """The lips and the opening between them."""
    gap = p.part + p.lower_lip
    closed = 1 - ((gap + p.jaw) / 0.10).clamp(max=1)
    # Closed lips rise together in the middle; the corners hardly follow.
    lifted = 0.075 * p.chin + 0.73 * p.upper_lip.mean(1) * closed
    # A dropped jaw opens an ellipse around a line that moves down with it.
    gap_up = (0.40 * p.part + 0.32 * p.jaw)[:, None] + p.upper_lip * ((gap + p.jaw)[:, None] / 0.10).clamp(max=1)
    gap_low = p.jaw * 0.60 + 0.75 * gap - 0.055 * p.chin * (gap + p.jaw < 0.05)
    thick = 1 - p.thin
    stretched = (1 - 0.9 * p.corner_x.mean(1)).clamp(0.6)
    return {
        "mouth_x": (_both_sides(identity.mouth_width) + p.corner_x) * (1 - p.round)[:, None],
        "mouth_y": identity.mouth_height + 0.48 * p.jaw - lifted - 0.015 * p.press * closed,
        "corner_y": _both_sides(identity.mouth_curve) + _skewed(identity.skew_mouth) + p.corner_y + lifted[:, None],
        "lip_gap_up": gap_up,
        "lip_gap_low": gap_low.clamp(min=0),
        "lip_upper": identity.lip_upper * thick * stretched,
        "lip_lower": identity.lip_lower * thick * stretched * (1 + 0.15 * p.chin),
        "cupid": identity.cupid * thick,
        "square": p.square,
    }


def _both_sides(value: Tensor) -> Tensor:
    """One value per face, (N,), for the left and the right side, (N, 2)."""
    return value[:, None].expand(-1, 2)


def _skewed(difference: Tensor) -> Tensor:
    """A difference (N,) between the left and the right side, half of it added to one and subtracted from the other."""
    return torch.stack([difference / 2, -difference / 2], 1)


def _at_most(value: Tensor, limit: Tensor) -> Tensor:
    """A smooth minimum of two, so that the value still moves a little beyond the limit."""
    return limit - torch.nn.functional.softplus((limit - value) * 60) / 60
