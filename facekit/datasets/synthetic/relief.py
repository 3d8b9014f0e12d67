"""The face as a surface: skull, flesh, folds and wrinkles as heights, and where light hardly reaches."""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.datasets.synthetic.canvas import Canvas, bump, col, hill, ramp
from facekit.datasets.synthetic.muscles import Pull
from facekit.datasets.synthetic.paint import LipField
from facekit.datasets.synthetic.people import Identity
from facekit.datasets.synthetic.shape import Shape


class Relief:
    """Height of the surface over the plane of the temples, and darkness of its hollows, each (N, H, W)."""

    def __init__(self, c: Canvas) -> None:
        self.height = torch.zeros_like(c.u)
        self.hollow = torch.zeros_like(c.u)

    def add(self, form: Tensor, height: Tensor | float, dark: Tensor | float = 0.0) -> None:
        """A form of this height; `dark` of it is a hollow that light hardly reaches."""
        if isinstance(dark, Tensor) or dark:
            self.hollow += form * dark
        self.height += form * height


def relief(c: Canvas, who: Identity, s: Shape, p: Pull, m: LipField) -> Relief:
    """The whole surface."""
    r = Relief(c)
    _skull(r, c, who, s)
    _eyes(r, c, who, s, p)
    _nose(r, c, who, s, p)
    _cheeks(r, c, who, s, p)
    _mouth_and_chin(r, c, who, s, p)
    _lips(r, c, m)
    _wrinkles(r, c, who, s, p)
    return r


def _skull(r: Relief, c: Canvas, who: Identity, s: Shape) -> None:
    inside = 1 - (c.u / col(1.2 * s.width)).square() - ((c.v - 0.1) / col(1.06 * s.lower)).square() * 0.72
    r.height += inside.clamp(min=0.03).sqrt() * 1.05
    strong = col(who.strong.float())
    r.add(bump(c.u, c.v, 0.0, -0.30, 0.72, 0.13), 0.030 + 0.035 * strong)
    r.add(bump(c.a, c.v, 1.05, -0.35, 0.25, 0.4), -0.05)


def _eyes(r: Relief, c: Canvas, who: Identity, s: Shape, p: Pull) -> None:
    frown = c.side(p.frown)
    beside = ramp(c.a, 0.0, 0.20)  # level on the midline, where left meets right
    r.add(bump(c.a, c.v, 0.42, -0.06, 0.27, 0.20) * beside, -0.13, 0.30 + 0.32 * frown)
    r.add(bump(c.a, c.v, 0.23, -0.06, 0.09, 0.16) * beside, -0.05, 0.18 + 0.30 * frown)
    r.add(bump(c.a, c.v, col(who.eye_gap), 0.0, 0.21, 0.12), 0.075)
    # The bag under the eye, deeper with age and with a raised cheek.
    bag = 0.10 * col(who.lines) + 0.16 * c.side(p.cheek)
    r.add(bump(c.a, c.v, 0.46, 0.15, 0.22, 0.032), 0.0, bag + 0.05)


def _nose(r: Relief, c: Canvas, who: Identity, s: Shape, p: Pull) -> None:
    base, width, depth = col(s.nose_y), col(who.nose_width), col(who.nose_depth)
    down = (c.v / base).clamp(-0.4, 1.2)
    rises = (0.30 + 0.70 * ramp(c.v, -0.25, 0.66)) * ramp(c.v, -0.45, -0.10)
    profile = rises * (1 - ramp(c.v, base - 0.15, base + 0.05))
    ridge = 0.45 * hill(c.u, 0.0, (0.14 + 0.03 * down) * width) + 0.55 * hill(c.u, 0.0, (0.20 + 0.07 * down) * width)
    r.add(profile * ridge, 0.33 * depth)
    r.add(bump(c.u, c.v, 0.0, base - 0.15, 0.13 * width, 0.11), 0.07)
    wings = c.side(s.ala_y)
    at = col(s.nose_w)
    r.add(bump(c.a, c.v, at, wings - 0.02, 0.08, 0.115), 0.14)
    r.add(bump(c.a, c.v, at + 0.10, wings - 0.01, 0.04, 0.085), 0.0, 0.24)
    # Shadow of the nose on the lip, and the nostrils.
    r.add(bump(c.u, c.v, 0.0, base + 0.035, 0.16 * width, 0.045), 0.0, 0.26)
    r.add(bump(c.a, c.v, col(s.nose_w) * 0.46, wings + 0.050, 0.050, 0.020), 0.0, 0.70)
    # Sides of the bridge.
    r.add(bump(c.a, c.v, 0.19 * width, 0.12, 0.07, 0.25), 0.0, 0.12)


def _cheeks(r: Relief, c: Canvas, who: Identity, s: Shape, p: Pull) -> None:
    raised = c.side(p.cheek)
    r.add(bump(c.a, c.v, 0.72, 0.40 - 0.10 * raised, 0.28, 0.22), 0.07 * col(who.cheeks) + 0.11 * raised)
    r.add(bump(c.a, c.v, 0.70, 0.95, 0.25, 0.35), 0.06 * col(who.fullness) - 0.02)
    _nasolabial(r, c, who, s, p)


def _nasolabial(r: Relief, c: Canvas, who: Identity, s: Shape, p: Pull) -> None:
    """The fold from the nose's wing past the corner of the mouth: the cheek hangs over the lip along it."""
    top_x, top_y = col(s.nose_w) + 0.10, c.side(s.ala_y) - 0.08
    end_x = c.side(s.mouth_x + 0.12)
    end_y = col(s.mouth_y) + c.side(s.corner_y) + 0.10
    t = ((c.v - top_y) / (end_y - top_y)).clamp(-0.3, 1.4)
    # It leaves the nose sideways, bends outward around the mouth, and ends upright.
    along_line = t.clamp(min=0)
    line = top_x + (end_x - top_x) * along_line * (1.75 - 0.75 * along_line)
    off = c.a - line
    fold = c.side(p.fold)
    along = ramp(t, -0.25, 0.25) * (1 - ramp(t, 0.70, 1.25))
    depth = 0.25 * col(who.lines) + 0.05 + 1.0 * fold
    crease = (off / (0.034 + 0.012 * fold)).square_().neg_().exp_() * along
    r.add(crease, -0.015 * depth, 0.32 * depth)
    cheek = ramp(off, -0.06, 0.08) * (1 - ramp(off, 0.06, 0.55)) * ramp(t, -0.3, 0.5) * (1 - ramp(t, 0.6, 1.4))
    r.add(cheek, 0.09 * depth)


def _mouth_and_chin(r: Relief, c: Canvas, who: Identity, s: Shape, p: Pull) -> None:
    mouth, low = col(s.mouth_y), col(s.lower)
    r.add(bump(c.u, c.v, 0.0, mouth, 0.42, 0.30), 0.10)
    # Philtrum, groove under the lower lip, chin and its boss.
    r.add(bump(c.u, c.v, 0.0, mouth - 0.19, 0.045, 0.09), -0.018, 0.08)
    under = mouth + col(s.lip_gap_low + s.lip_lower) + 0.07
    push = col(p.chin)
    r.add(bump(c.u, c.v, 0.0, under, 0.24, 0.05), -0.04 - 0.03 * push, 0.14 + 0.22 * push)
    r.add(bump(c.u, c.v, 0.0, low - 0.20, 0.26, 0.17), 0.10 + 0.07 * push)
    # Corners: a shadow at rest, a pit where the dimpler pulls, a bulge where the corner is drawn down.
    corner_y = mouth + c.side(s.corner_y)
    r.add(bump(c.a, c.v, c.side(s.mouth_x) + 0.035, corner_y, 0.05, 0.055), -0.01, 0.14 + 0.32 * c.side(p.dimple))
    sag = c.side(p.corner_y).clamp(min=0) * 4
    r.add(
        bump(c.a, c.v, c.side(s.mouth_x) + 0.05, corner_y + 0.14, 0.06, 0.11), 0.0, 0.30 * sag + 0.10 * col(who.lines)
    )
    press = col(p.press)
    r.add(bump(c.u, c.v, 0.0, mouth - 0.14, 0.30, 0.05), 0.05 * press)
    r.add(bump(c.u, c.v, 0.0, mouth + 0.16, 0.28, 0.05), 0.05 * press, -0.08 * press)


def _lips(r: Relief, c: Canvas, m: LipField) -> None:
    """Both lips are round: under light from above the upper one is dark and the lower one shines."""
    for top, bottom, height in ((m.top, m.inner_top, 0.035), (m.inner_bottom, m.bottom, 0.060)):
        t = ((c.v - top) / (bottom - top).clamp(min=0.02)).clamp(0, 1)
        r.add(4 * t * (1 - t) * m.inside, height)


def _wrinkles(r: Relief, c: Canvas, who: Identity, s: Shape, p: Pull) -> None:
    lines = col(who.lines)
    # Forehead: frontalis folds it across, its inner part in the middle, its outer part at the sides.
    middle = hill(c.u, 0.0, 0.42)
    depth = c.side(p.forehead_inner) * middle + c.side(p.forehead) * (1 - middle) + 0.35 * (lines - 0.15)
    where = ramp(c.v, -1.05, -0.85) * (1 - ramp(c.v, -0.62, -0.50)) * (1 - ramp(c.a, 0.6, 0.95))
    wave = (torch.sin((c.v + 0.05 * c.u * c.u) * 50.0 + 1.0) - 0.25).clamp(min=0)
    r.add(wave * where * depth, -0.012, 0.24)
    # Glabella: corrugator's two upright furrows.
    furrow = bump(c.a, c.v, 0.095, c.side(s.brow_y0) + 0.02, 0.032, 0.16)
    r.add(furrow, -0.02 * c.side(p.frown), 0.50 * c.side(p.frown) + 0.10 * (lines - 0.15))
    # Root and sides of the nose.
    nose = c.side(p.nose_wrinkle)
    across = bump(c.u, c.v, 0.0, 0.0, 0.15, 0.12) * torch.sin(c.v * 48.0).clamp(min=0)
    r.add(across, 0.0, 0.30 * nose)
    # The furrow from the eye's inner corner along the nose.
    r.add(bump(c.a - 0.35 * (c.v - 0.3), c.v, 0.25, 0.32, 0.055, 0.22), 0.0, 0.34 * nose)
    slant = torch.sin((c.a * 0.8 + c.v) * 40.0).clamp(min=0) * bump(c.a, c.v, 0.21, 0.22, 0.09, 0.17)
    r.add(slant, -0.01 * nose, 0.20 * nose)
    # Crow's feet spread from the outer corner.
    crow = 0.9 * c.side(p.crow) + 0.35 * (lines - 0.15)
    ray = torch.sin(torch.atan2(c.v - 0.02, c.a - 0.60) * 9.0).clamp(min=0)
    r.add(ray * bump(c.a, c.v, 0.90, 0.04, 0.10, 0.15), 0.0, 0.32 * crow)
