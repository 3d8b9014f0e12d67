"""The face as curves: brows, lids, nose, lips and outline from a person and a pull, and the 68 landmarks on them.

Everything that is drawn later asks these curves where things are, and so do the landmarks: that is why they are
true. Points are (u, v) on the face, origin between the eyes, u to the right of the picture, v down.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.synthetic.identity import Identity
from facekit.datasets.synthetic.muscles import Displacements
from facekit.datasets.synthetic.rows import Rows


@dataclass(frozen=True, eq=False)
class Shape(Rows):
    """Where the parts of N faces are; (N, 2) for left and right (as in the picture: right, left), else (N,)."""

    width: Tensor
    lower: Tensor  # y of the chin
    upper: Tensor  # y of the skull's top, negative
    jaw: Tensor  # how far the angles of the jaw stand out from an ellipse
    taper: Tensor
    eye_x: Tensor  # (N, 2), distance from the midline
    eye_y: Tensor
    eye_w: Tensor
    eye_tilt: Tensor
    lid_up: Tensor  # (N, 2), height of the upper lid's arc above the eye's axis (negative: below)
    lid_low: Tensor  # (N, 2), depth of the lower lid's arc below it
    brow_x0: Tensor  # (N, 2), inner and outer end
    brow_x1: Tensor
    brow_y0: Tensor  # (N, 2), heights of inner end, middle and outer end
    brow_y1: Tensor
    brow_y2: Tensor
    brow_thick: Tensor
    nose_x: Tensor  # (N,), how far its tip lies to the right of the picture
    nose_y: Tensor  # y of the nose's base
    nose_w: Tensor  # (N,), half width between the wings
    ala_y: Tensor  # (N, 2), y of the wings
    mouth_x: Tensor  # (N, 2), distance of the corners from the midline
    mouth_y: Tensor  # (N,), y of the line between the lips at the middle
    corner_y: Tensor  # (N, 2), how much lower the corners are
    lip_gap_up: Tensor  # (N, 2), how far the upper lip's inner edge is above the line
    lip_gap_low: Tensor  # (N,), how far the lower lip's inner edge is below it
    lip_upper: Tensor  # (N,), thickness
    lip_lower: Tensor
    cupid: Tensor
    square: Tensor  # (N, 2)


def shape(identity: Identity, p: Displacements) -> Shape:
    """The curves of N people under N pulls."""
    two = torch.ones_like(p.close)

    def sided(value: Tensor) -> Tensor:
        return value[:, None] * two

    lean = torch.stack([two[:, 0], -two[:, 0]], 1) / 2
    skew_brow, skew_eye, skew_mouth = (
        value[:, None] * lean for value in (identity.skew_brow, identity.skew_eye, identity.skew_mouth)
    )
    rest_up, rest_low = sided(0.070 * identity.eye_open), sided(0.070 * identity.eye_open)
    lid_low = rest_low * (1 - p.lid_lower)
    lid_up = (rest_up * (1 + p.lid_raise)).clamp(min=0.004)
    # Closing is the upper lid's work; it meets the lower one, which rises a little.
    lid_low = lid_low * (1 - 0.15 * p.close)
    lid_up = lid_up + (-lid_low - lid_up) * p.close

    brow_y = sided(-0.285 + identity.brow_height) + skew_brow
    gap = p.part + p.lower_lip
    open_low = p.jaw * 0.60 + 0.75 * gap - 0.055 * p.chin * (gap + p.jaw < 0.05)
    # A dropped jaw opens an ellipse around a line that sinks with it.
    lip_part = (0.40 * p.part + 0.32 * p.jaw)[:, None] + p.upper_lip * ((gap + p.jaw)[:, None] / 0.10).clamp(max=1)
    thick = 1 - p.thin
    closed = 1 - ((gap + p.jaw) / 0.10).clamp(max=1)
    # Lips that stay closed rise together in the middle; the corners hardly follow.
    lifted = 0.075 * p.chin + 0.73 * p.upper_lip.mean(1) * closed
    # However low it is drawn, a brow comes to rest on the lid and hoods it; it never crosses the eye.
    half_brow, rest_lid = 0.5 * sided(identity.brow_thick), rest_up + 0.015 - skew_eye
    brow_inner = _at_most(brow_y + p.brow_inner, -0.4 * rest_lid - half_brow)
    brow_middle = _at_most(brow_y - sided(identity.brow_arch) + p.brow_middle, -rest_lid - half_brow)
    brow_outer = _at_most(brow_y + sided(identity.brow_slope) + p.brow_outer, -0.4 * rest_lid - half_brow)
    lid_up = _at_most(lid_up, skew_eye - brow_middle - half_brow - 0.005)

    # However long the nose and thick the lips, there is a chin below them.
    chin = identity.mouth_height + 1.05 * identity.lip_lower + 0.24

    return Shape(
        width=identity.width,
        lower=-_at_most(-identity.length, -chin) + p.jaw - 0.035 * p.chin,
        upper=-1.62 * torch.ones_like(identity.width),
        jaw=identity.jaw,
        taper=identity.chin + 0.10 * p.jaw,
        eye_x=sided(identity.eye_gap),
        eye_y=skew_eye,
        eye_w=sided(identity.eye_width),
        eye_tilt=sided(identity.eye_tilt),
        lid_up=lid_up,
        lid_low=lid_low,
        brow_x0=sided(identity.brow_inner) - p.brow_inward,
        brow_x1=sided(_at_most(identity.brow_outer, identity.width - 0.10)),
        brow_y0=brow_inner,
        brow_y1=brow_middle,
        brow_y2=brow_outer,
        brow_thick=sided(identity.brow_thick),
        nose_x=identity.bend,
        nose_y=identity.nose_length + 0.2 * p.ala.mean(1),
        nose_w=0.18 * identity.nose_width * (1 + 0.10 * p.nose_wrinkle.mean(1) + 0.25 * p.corner_x.mean(1)),
        ala_y=sided(identity.nose_length - _WING) + p.ala,
        mouth_x=(sided(identity.mouth_width) + p.corner_x) * (1 - p.round)[:, None],
        mouth_y=identity.mouth_height + 0.48 * p.jaw - lifted - 0.015 * p.press * closed,
        corner_y=sided(identity.mouth_curve) + skew_mouth + p.corner_y + lifted[:, None],
        lip_gap_up=lip_part,
        lip_gap_low=open_low.clamp(min=0),
        lip_upper=identity.lip_upper * thick * (1 - 0.9 * p.corner_x.mean(1)).clamp(0.6),
        lip_lower=identity.lip_lower * thick * (1 - 0.9 * p.corner_x.mean(1)).clamp(0.6) * (1 + 0.15 * p.chin),
        cupid=identity.cupid * thick,
        square=p.square,
    )


_WING = 0.062  # how far above the nose's base its wings end


def _at_most(value: Tensor, limit: Tensor) -> Tensor:
    """The smaller of two, softly, so that what is held back still moves a little."""
    return limit - torch.nn.functional.softplus((limit - value) * 60) / 60


# ---------------------------------------------------------------------------------------------------- curves
# Each takes the place along the curve and its parameters, whatever their shape, so that one definition serves the
# pixels (N, H, W) and the landmarks (N, K).


def lid_arc(t: Tensor) -> Tensor:
    """Height of a lid's arc, 1 at the middle and 0 at the corners t = -1 and 1."""
    return (1 - t * t).clamp(min=0)


def upper_lid_arc(t: Tensor) -> Tensor:
    """The upper lid rises steeply at the nose and falls slowly: its top lies a little inward. t = -1 at the nose."""
    return lid_arc(t) * (1 - 0.2 * t)


def brow_height(t: Tensor, y0: Tensor, y1: Tensor, y2: Tensor) -> Tensor:
    """The brow's middle line from its inner end t = 0 through (0.6, y1) to its outer end t = 1, a parabola."""
    bend = (y1 - (0.4 * y0 + 0.6 * y2)) / 0.24
    return y0 + (y2 - y0) * t + bend * t * (1 - t)


def brow_half_thickness(t: Tensor, thick: Tensor) -> Tensor:
    """Half the brow's thickness: full over the inner half, then running out."""
    t = t.clamp(0, 1)
    return thick * (0.56 - 0.42 * t * t * t)


def corner_line(t: Tensor, corner: Tensor) -> Tensor:
    """The line between the lips against its middle: it turns up or down mostly near the corners, |t| = 1."""
    t2 = t * t
    return corner * t2 * (0.56 + 0.44 * t2)


def gap_arc(t: Tensor, square: Tensor | float) -> Tensor:
    """How far a lip stands off that line along the mouth: an arc, or squared off."""
    rest = lid_arc(t)
    return rest.sqrt() * (1 - square) + (rest * (2 - rest)).sqrt() * square


def upper_lip_arc(t: Tensor, thick: Tensor, cupid: Tensor) -> Tensor:
    """Thickness of the upper lip along the mouth, with the bow's dip in the middle."""
    t2 = t * t
    return thick * lid_arc(t) * (1 + 0.15 * t2) - cupid * (1 - 9 * t2).clamp(min=0)


def lower_lip_arc(t: Tensor, thick: Tensor) -> Tensor:
    """Thickness of the lower lip along the mouth."""
    rest = lid_arc(t)
    return thick * rest * (1.40 - 0.35 * rest)


# ------------------------------------------------------------------------------------------------- landmarks


def landmarks(s: Shape) -> tuple[Tensor, Tensor]:
    """The 68 points of iBUG on the face, as u and v, each (N, 68)."""
    parts = (_outline(s), _brows(s), _nose(s), _eyes(s), _mouth(s))
    return torch.cat([u for u, _ in parts], 1), torch.cat([v for _, v in parts], 1)


def _steps(values, like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device)[None]


def jaw_width(t: Tensor, jaw: Tensor, taper: Tensor) -> Tensor:
    """Factor on the half width of an ellipse, down from the eyes t = 0 to the chin t = 1: out at the jaw's angles."""
    return (1 + jaw * (-((t - 0.76) / 0.22).square()).exp()) * (1 - taper * t)


# Where the outline's points lie on the way from the eyes to the chin: a seventeenth of the way around each.
_DOWN = (-0.02, 0.155, 0.33, 0.48, 0.64, 0.77, 0.862, 0.95, 1.0)


def _outline(s: Shape):
    t = _steps([*_DOWN, *_DOWN[-2::-1]], s.width)
    side = _steps([-1.0] * 8 + [0.0] + [1.0] * 8, s.width)
    wide = (1 - t * t).sqrt() * jaw_width(t, s.jaw[:, None], s.taper[:, None])
    return side * wide * s.width[:, None], t * s.lower[:, None]


def _brows(s: Shape):
    t = _steps([0.98, 0.75, 0.5, 0.25, 0.02], s.width)
    us, vs = [], []
    for side in (1, 0):
        at = t.flip(1) if side == 0 else t
        x0, x1, y0, y1, y2, thick = (
            getattr(s, "brow_" + name)[:, side, None] for name in ("x0", "x1", "y0", "y1", "y2", "thick")
        )
        u = x0 + (x1 - x0) * at
        us.append(u if side == 0 else -u)
        vs.append(brow_height(at, y0, y1, y2) - brow_half_thickness(at, thick))
    return torch.cat(us, 1), torch.cat(vs, 1)


def _nose(s: Shape):
    down = s.nose_y[:, None]
    rows = _steps([0.02, 0.29, 0.55, 0.80], s.width)
    ridge = rows * down
    bend = s.nose_x[:, None]
    wings = _steps([-0.93, -0.5, 0.0, 0.5, 0.93], s.width) * s.nose_w[:, None]
    drop = _steps([-0.045, -0.015, 0.02, -0.015, -0.045], s.width)
    raised = s.ala_y[:, [1, 1, 0, 0, 0]] - (s.nose_y[:, None] - _WING)
    raised = torch.cat([raised[:, :2], raised[:, 1:2] * 0.25 + raised[:, 3:4] * 0.25, raised[:, 3:]], 1)
    return torch.cat([rows * bend, wings + bend], 1), torch.cat([ridge, down + drop + raised], 1)


def _eyes(s: Shape):
    us, vs = [], []
    # On the right of the person (left in the picture) from the outer corner; on the left from the inner one.
    for side, t in ((1, [1.0, 0.35, -0.35, -1.0, -0.35, 0.35]), (0, [-1.0, -0.35, 0.35, 1.0, 0.35, -0.35])):
        t = _steps(t, s.width)
        x, y, w, tilt, up, low = (
            getattr(s, name)[:, side, None] for name in ("eye_x", "eye_y", "eye_w", "eye_tilt", "lid_up", "lid_low")
        )
        arc = torch.cat([-up * upper_lid_arc(t[:, :4]), low * lid_arc(t[:, 4:])], 1)
        u = x + w * t
        us.append(u if side == 0 else -u)
        vs.append(y + arc - tilt * w * t)
    return torch.cat(us, 1), torch.cat(vs, 1)


def _mouth(s: Shape):
    outer_up = [-1.0, -0.62, -0.22, 0.0, 0.22, 0.62, 1.0]
    outer_low = [0.62, 0.25, 0.0, -0.25, -0.62]
    inner_up, inner_low = [-0.93, -0.32, 0.0, 0.32, 0.93], [0.32, 0.0, -0.32]
    line = _lips(s, _steps(outer_up + outer_low + inner_up + inner_low, s.width))
    v = torch.cat([line.top[:, :7], line.bottom[:, 7:12], line.inner_top[:, 12:17], line.inner_bottom[:, 17:]], 1)
    return line.u, v


@dataclass(frozen=True)
class Lips:
    u: Tensor
    top: Tensor
    inner_top: Tensor
    inner_bottom: Tensor
    bottom: Tensor


def _lips(s: Shape, t: Tensor) -> Lips:
    left = (t > 0).float()

    def sided(value: Tensor) -> Tensor:
        return value[:, :1] * left + value[:, 1:] * (1 - left)

    middle = (t == 0).float()
    gap_up = sided(s.lip_gap_up) * (1 - middle) + s.lip_gap_up.mean(1, keepdim=True) * middle
    square = sided(s.square) * (1 - middle) + s.square.mean(1, keepdim=True) * middle
    line = s.mouth_y[:, None] + corner_line(t, sided(s.corner_y))
    inner_top = line - gap_up * gap_arc(t, square)
    inner_bottom = line + s.lip_gap_low[:, None] * gap_arc(t, 0.0)
    return Lips(
        u=sided(s.mouth_x) * t,
        top=inner_top - upper_lip_arc(t, s.lip_upper[:, None], s.cupid[:, None]),
        inner_top=inner_top,
        inner_bottom=inner_bottom,
        bottom=inner_bottom + lower_lip_arc(t, s.lip_lower[:, None]),
    )
