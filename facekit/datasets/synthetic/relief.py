"""The face as a surface: a height field of skull, soft tissue, folds and wrinkles, and ambient occlusion."""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.datasets.synthetic.canvas import Canvas, bell, gaussian, gaussian_2d, per_face, ramp
from facekit.datasets.synthetic.identity import Identity
from facekit.datasets.synthetic.muscles import Displacements
from facekit.datasets.synthetic.paint import LipField
from facekit.datasets.synthetic.shape import Shape


class Relief:
    """Height of the surface above the plane of the temples, and ambient occlusion in its hollows, each (N, H, W)."""

    def __init__(self, c: Canvas) -> None:
        self.height = torch.zeros_like(c.u)
        self.hollow = torch.zeros_like(c.u)

    def add(self, form: Tensor, height: Tensor | float, dark: Tensor | float = 0.0) -> None:
        """Add a form (N, H, W) times `height` to the surface, and times `dark` to the occlusion."""
        if isinstance(dark, Tensor) or dark:
            self.hollow += form * dark
        self.height += form * height


def relief(c: Canvas, identity: Identity, s: Shape, p: Displacements, m: LipField) -> Relief:
    """The surface of N faces."""
    r = Relief(c)
    _skull(r, c, identity, s)
    _eyes(r, c, identity, s, p)
    _nose(r, c, identity, s, p)
    _cheeks(r, c, identity, s, p)
    _mouth_and_chin(r, c, identity, s, p)
    _lips(r, c, m)
    _wrinkles(r, c, identity, s, p)
    return r


def _skull(r: Relief, c: Canvas, identity: Identity, s: Shape) -> None:
    inside = 1 - (c.u / per_face(1.0 * s.width)).square() - ((c.v - 0.094) / per_face(2.16 * s.lower)).square() * 0.49
    r.height += inside.clamp(min=0.03).sqrt() * 1.24
    strong = per_face(identity.strong.float())
    r.add(gaussian_2d(c.u, c.v, 0.0, -0.28, 1.25, 0.24), 0.052 + 0.044 * strong)
    r.add(gaussian_2d(c.a, c.v, 0.89, -0.2, 0.26, 0.35), -0.089)


def _eyes(r: Relief, c: Canvas, identity: Identity, s: Shape, p: Displacements) -> None:
    frown = c.side(p.frown)
    deep = per_face(identity.sockets)
    beside = ramp(c.a, 0.0, 0.19)  # 0 on the midline, where the two sides meet
    r.add(gaussian_2d(c.a, c.v, 0.48, -0.06, 0.12, 0.31) * beside, -0.057 * deep, 0.12 * deep + 0.34 * frown)
    r.add(gaussian_2d(c.a, c.v, 0.29, -0.095, 0.063, 0.12) * beside, -0.029 * deep, 0.28 * deep + 0.95 * frown)
    r.add(gaussian_2d(c.a, c.v, per_face(identity.eye_gap), 0.0, 0.21, 0.16), 0.073)
    # The bag under the eye, which deepens with age and with a raised cheek.
    bag = 0.22 * per_face(identity.lines) + 0.21 * c.side(p.cheek)
    r.add(gaussian_2d(c.a, c.v, 0.56, 0.17, 0.36, 0.036), 0.0, bag + 0.079)


def _nose(r: Relief, c: Canvas, identity: Identity, s: Shape, p: Displacements) -> None:
    base, width, depth = per_face(s.nose_y), per_face(identity.nose_width), per_face(identity.nose_depth)
    down = (c.v / base).clamp(-0.4, 1.2)
    # The nose bends to one side below its root.
    u = c.u - per_face(s.nose_x) * down.clamp(min=0)
    bridge = width * per_face(identity.bridge)
    rises = (0.27 + 0.45 * ramp(c.v, -0.16, 0.94)) * ramp(c.v, -0.86, -0.12)
    profile = rises * (1 - ramp(c.v, base - 0.08, base + 0.045))
    narrow, wide = (0.13 + 0.031 * down) * bridge, (0.13 + 0.046 * down) * bridge
    ridge = 0.37 * gaussian(u, 0.0, narrow) + 0.36 * gaussian(u, 0.0, wide)
    r.add(profile * ridge, 0.2 * depth)
    r.add(gaussian_2d(u, c.v, 0.0, base - 0.13, 0.13 * width, 0.1), 0.067 * per_face(identity.tip))
    wings = c.side(s.ala_y)
    at = per_face(s.nose_w)
    a = u.abs()
    r.add(gaussian_2d(a, c.v, at, wings - 0.012, 0.064, 0.15), 0.15)
    r.add(gaussian_2d(a, c.v, at + 0.072, wings - 0.011, 0.043, 0.1), 0.0, 0.5)
    # The shadow of the nose on the lip, and the nostrils.
    r.add(gaussian_2d(u, c.v, 0.0, base + 0.015, 0.14 * width, 0.064), 0.0, 0.52)
    r.add(gaussian_2d(a, c.v, at * 0.44, wings + 0.046, 0.1, 0.043), 0.0, 0.55)
    # The sides of the bridge.
    r.add(gaussian_2d(a, c.v, 0.14 * bridge, 0.19, 0.048, 0.27), 0.0, 0.062)


def _cheeks(r: Relief, c: Canvas, identity: Identity, s: Shape, p: Displacements) -> None:
    raised = c.side(p.cheek)
    r.add(
        gaussian_2d(c.a, c.v, 0.83, 0.5 - 0.087 * raised, 0.23, 0.22), 0.063 * per_face(identity.cheeks) + 0.13 * raised
    )
    r.add(gaussian_2d(c.a, c.v, 0.99, 0.79, 0.21, 0.35), 0.058 * per_face(identity.fullness) - 0.02)
    _nasolabial(r, c, identity, s, p)


def _nasolabial(r: Relief, c: Canvas, identity: Identity, s: Shape, p: Displacements) -> None:
    """The nasolabial fold, from the wing of the nose past the corner of the mouth."""
    top_x, top_y = per_face(s.nose_w) + 0.13, c.side(s.ala_y) - 0.12
    end_x = c.side(s.mouth_x + 0.17)
    end_y = per_face(s.mouth_y) + c.side(s.corner_y) + 0.033
    t = ((c.v - top_y) / (end_y - top_y)).clamp(-1.0, 2.6)
    # It starts sideways, bends outward around the mouth, and ends vertically.
    along_line = t.clamp(min=0)
    line = top_x + (end_x - top_x) * along_line * (1.85 - 0.9 * along_line)
    off = c.a - line
    fold = c.side(p.fold)
    along = ramp(t, -0.25, 0.25) * (1 - ramp(t, 0.70, 1.25))
    depth = 0.45 * per_face(identity.lines) + 0.03 + 1.41 * fold
    # Sharp towards the lip, which the cheek overlaps, and soft towards the cheek.
    crease = bell((off / torch.where(off < 0, 0.016 + 0.25 * c.pixel, 0.048 + 0.018 * fold)).square_()) * along
    r.add(crease, -0.018 * depth, 0.32 * depth)
    cheek = ramp(off, -0.094, 0.21) * (1 - ramp(off, 0.08, 1.73)) * ramp(t, -0.53, 0.25) * (1 - ramp(t, 1.21, 2.77))
    r.add(cheek, 0.11 * depth)


def _mouth_and_chin(r: Relief, c: Canvas, identity: Identity, s: Shape, p: Displacements) -> None:
    mouth, low = per_face(s.mouth_y), per_face(s.lower)
    r.add(gaussian_2d(c.u, c.v, 0.0, mouth, 0.64, 0.35), 0.21)
    # Philtrum, groove under the lower lip, and chin boss.
    r.add(gaussian_2d(c.u, c.v, 0.0, mouth - 0.22, 0.048, 0.083), -0.02, 0.092)
    under = mouth + per_face(s.lip_gap_low + s.lip_lower) + 0.047
    push = per_face(p.chin)
    r.add(gaussian_2d(c.u, c.v, 0.0, under, 0.35, 0.05), -0.058 - 0.044 * push, 0.24 + 0.55 * push)
    r.add(gaussian_2d(c.u, c.v, 0.0, low - 0.15, 0.25, 0.14), 0.13 * per_face(identity.boss) + 0.12 * push)
    # Corners: a shadow at rest, a dimple (AU14), a bulge below a lowered corner.
    corner_y = mouth + c.side(s.corner_y)
    r.add(
        gaussian_2d(c.a, c.v, c.side(s.mouth_x) + 0.02, corner_y, 0.053, 0.055), -0.0092, 0.12 + 0.75 * c.side(p.dimple)
    )
    sag = c.side(p.corner_y).clamp(min=0) * 4
    r.add(
        gaussian_2d(c.a, c.v, c.side(s.mouth_x) + 0.076, corner_y + 0.076, 0.1, 0.087),
        0.0,
        0.41 * sag + 0.10 * per_face(identity.lines),
    )
    press = per_face(p.press)
    r.add(gaussian_2d(c.u, c.v, 0.0, mouth - 0.14, 0.24, 0.046), 0.062 * press)
    r.add(gaussian_2d(c.u, c.v, 0.0, mouth + 0.12, 0.44, 0.086), 0.1 * press, -0.083 * press)


def _lips(r: Relief, c: Canvas, m: LipField) -> None:
    """Round lips: under light from above, the upper lip is dark and the lower lip bright."""
    for top, bottom, height in ((m.top, m.inner_top, 0.064), (m.inner_bottom, m.bottom, 0.11)):
        t = ((c.v - top) / (bottom - top).clamp(min=0.02)).clamp(0, 1)
        r.add(4 * t * (1 - t) * m.inside, height)


def _wrinkles(r: Relief, c: Canvas, identity: Identity, s: Shape, p: Displacements) -> None:
    lines = per_face(identity.lines)
    # Forehead: horizontal lines by frontalis, whose inner part acts in the middle and whose outer part at the sides.
    middle = gaussian(c.u, 0.0, 1.33)
    depth = c.side(p.forehead_inner) * middle + c.side(p.forehead) * (1 - middle) + 0.2 * (lines - 0.17)
    where = ramp(c.v, -0.86, -0.65) * (1 - ramp(c.v, -0.56, -0.49)) * (1 - ramp(c.a, 0.68, 0.78))
    wave = (torch.sin((c.v + 0.046 * c.u * c.u) * 41.9 + 1.02) - 0.18).clamp(min=0)
    r.add(wave * where * depth, -0.012, 0.6)
    # Glabella: the two vertical furrows of corrugator.
    furrow = gaussian_2d(c.a, c.v, 0.11, c.side(s.brow_y0) + 0.02, 0.033, 0.16)
    r.add(furrow, -0.032 * c.side(p.frown), 0.66 * c.side(p.frown) + 0.14 * (lines - 0.18).clamp(min=0))
    # Root and sides of the nose.
    nose = c.side(p.nose_wrinkle)
    across = gaussian_2d(c.u, c.v, 0.0, 0.0, 0.28, 0.14) * torch.sin(c.v * 30.1).clamp(min=0)
    r.add(across, 0.0, 0.54 * nose)
    # The furrow from the inner corner of the eye along the nose.
    r.add(gaussian_2d(c.a - 0.35 * (c.v - 0.28), c.v, 0.33, 0.6, 0.064, 0.25), 0.0, 0.62 * nose)
    slant = torch.sin((c.a * 1.05 + c.v) * 38.5).clamp(min=0) * gaussian_2d(c.a, c.v, 0.34, 0.18, 0.09, 0.24)
    r.add(slant, -0.01 * nose, 0.42 * nose)
    # Crow's feet radiate from the outer corner of the eye.
    crow = 1.22 * c.side(p.crow) + 0.34 * (lines - 0.15)
    ray = torch.sin(torch.atan2(c.v - 0.018, c.a - 0.53) * 7.5).clamp(min=0)
    r.add(ray * gaussian_2d(c.a, c.v, 0.72, 0.043, 0.11, 0.17), 0.0, 0.43 * crow)
