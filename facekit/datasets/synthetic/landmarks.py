"""The 68 landmarks of a rendered face: points on its curves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.synthetic.curves import (
    brow_half_thickness,
    brow_height,
    corner_line,
    gap_arc,
    jaw_width,
    lid_arc,
    lower_lip_arc,
    upper_lid_arc,
    upper_lip_arc,
)
from facekit.datasets.synthetic.shape import WING_HEIGHT, Shape


def landmarks(s: Shape) -> tuple[Tensor, Tensor]:
    """The 68 iBUG landmarks on the face, as u and v, each (N, 68)."""
    parts = (_outline(s), _brows(s), _nose(s), _eyes(s), _mouth(s))
    return torch.cat([u for u, _ in parts], 1), torch.cat([v for _, v in parts], 1)


def _constant(values: list[float], like: Tensor) -> Tensor:
    """Numbers as a tensor (1, K)."""
    return torch.tensor(values, device=like.device)[None]


# Heights of the landmarks of the outline, from the eyes (0) to the chin (1), for equal distances along the outline.
_DOWN = (-0.02, 0.155, 0.33, 0.48, 0.64, 0.77, 0.862, 0.95, 1.0)


def _outline(s: Shape):
    t = _constant([*_DOWN, *_DOWN[-2::-1]], s.width)
    side = _constant([-1.0] * 8 + [0.0] + [1.0] * 8, s.width)
    wide = (1 - t * t).sqrt() * jaw_width(t, s.jaw[:, None], s.taper[:, None])
    return side * wide * s.width[:, None], t * s.lower[:, None]


def _brows(s: Shape):
    t = _constant([0.98, 0.75, 0.5, 0.25, 0.02], s.width)
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
    rows = _constant([0.02, 0.29, 0.55, 0.80], s.width)
    ridge = rows * down
    bend = s.nose_x[:, None]
    wings = _constant([-0.93, -0.5, 0.0, 0.5, 0.93], s.width) * s.nose_w[:, None]
    drop = _constant([-0.045, -0.015, 0.02, -0.015, -0.045], s.width)
    raised = s.ala_y[:, [1, 1, 0, 0, 0]] - (s.nose_y[:, None] - WING_HEIGHT)
    raised = torch.cat([raised[:, :2], raised[:, 1:2] * 0.25 + raised[:, 3:4] * 0.25, raised[:, 3:]], 1)
    return torch.cat([rows * bend, wings + bend], 1), torch.cat([ridge, down + drop + raised], 1)


def _eyes(s: Shape):
    us, vs = [], []
    # The right eye of the person (left in the image) starts at its outer corner, the left eye at its inner corner.
    for side, t in ((1, [1.0, 0.35, -0.35, -1.0, -0.35, 0.35]), (0, [-1.0, -0.35, 0.35, 1.0, 0.35, -0.35])):
        t = _constant(t, s.width)
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
    line = _lips(s, _constant(outer_up + outer_low + inner_up + inner_low, s.width))
    v = torch.cat([line.top[:, :7], line.bottom[:, 7:12], line.inner_top[:, 12:17], line.inner_bottom[:, 17:]], 1)
    return line.u, v


@dataclass(frozen=True)
class _LipPoints:
    """Points along the mouth: u, and v of the four edges of the lips, each (N, K)."""

    u: Tensor
    top: Tensor
    inner_top: Tensor
    inner_bottom: Tensor
    bottom: Tensor


def _lips(s: Shape, t: Tensor) -> _LipPoints:
    """The lips at positions t (1, K), from -1 at the right corner of the person to 1 at the left."""
    left = (t > 0).float()

    def sided(value: Tensor) -> Tensor:
        return value[:, :1] * left + value[:, 1:] * (1 - left)

    middle = (t == 0).float()
    gap_up = sided(s.lip_gap_up) * (1 - middle) + s.lip_gap_up.mean(1, keepdim=True) * middle
    square = sided(s.square) * (1 - middle) + s.square.mean(1, keepdim=True) * middle
    line = s.mouth_y[:, None] + corner_line(t, sided(s.corner_y))
    inner_top = line - gap_up * gap_arc(t, square)
    inner_bottom = line + s.lip_gap_low[:, None] * gap_arc(t, 0.0)
    return _LipPoints(
        u=sided(s.mouth_x) * t,
        top=inner_top - upper_lip_arc(t, s.lip_upper[:, None], s.cupid[:, None]),
        inner_top=inner_top,
        inner_bottom=inner_bottom,
        bottom=inner_bottom + lower_lip_arc(t, s.lip_lower[:, None]),
    )
