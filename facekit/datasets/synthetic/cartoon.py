"""The cartoon domain: the same faces in flat colours with outlines, large eyes, and lines instead of folds."""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.datasets.synthetic.canvas import Canvas, gaussian, gaussian_2d, over, per_face, ramp
from facekit.datasets.synthetic.hair import Hair, beard_field, flat_hair
from facekit.datasets.synthetic.identity import HAIR_STYLES, Identity
from facekit.datasets.synthetic.muscles import Displacements
from facekit.datasets.synthetic.paint import LipField, brow_field, exposure, eye_field, flat, lips
from facekit.datasets.synthetic.scene import glasses_lines
from facekit.datasets.synthetic.shape import Shape
from facekit.datasets.synthetic.view import View

_LINE = 0.020  # half width of an outline
_INK = (0.10, 0.07, 0.07)


def stylised(identity: Identity) -> Identity:
    """The identities in cartoon style: larger eyes and irises, thicker brows, a smaller nose."""
    return identity.replace(
        skin=(identity.skin * exposure(identity)[:, None].pow(0.35)).clamp(max=1),
        eye_width=identity.eye_width * 1.18,
        eye_open=identity.eye_open * 1.75,
        iris_size=identity.iris_size * 1.30,
        brow_height=identity.brow_height - 0.07,
        brow_thick=identity.brow_thick * 1.10,
        nose_width=identity.nose_width * 0.80,
        lines=identity.lines * 0.5,
    )


def cartoon(c: Canvas, identity: Identity, s: Shape, p: Displacements, view: View, outline: Tensor) -> Tensor:
    """Images (N, 3, H, W) in [0, 1] of stylised identities."""
    ink = flat(_INK, c.u)
    hair = Hair(c, identity, s, bold=True)
    color = flat_hair(identity)
    m = lips(c, s)
    image = view.back_a[:, :, None, None].expand(-1, -1, *c.u.shape[1:]).clone()
    _hair(image, c, hair.behind, hair.behind_distance, color * 0.85, ink)
    _body(image, c, identity, s, ink)
    face = _face(c, identity, s, p, m, view, ink)
    over(image, c.edge(outline - _LINE), ink)
    over(image, c.edge(outline + _LINE), face)
    # The outline of the hair ends with the hair.
    above = torch.maximum(c.edge(outline), hair.behind)
    over(image, hair.front * above, color)
    over(image, c.band(hair.front_distance, _LINE) * above, ink)
    lines, glass = glasses_lines(c, identity)
    over(image, glass * 0.12, flat((1.0, 1.0, 1.0), c.u))
    return over(image, lines, ink)


def _hair(image: Tensor, c: Canvas, mask: Tensor, distance: Tensor, color: Tensor, ink: Tensor) -> None:
    over(image, mask, color)
    over(image, torch.minimum(c.band(distance, _LINE), mask), ink)


def _body(image: Tensor, c: Canvas, identity: Identity, s: Shape, ink: Tensor) -> None:
    side = c.a - 0.55
    neck = c.edge(side) * ramp(c.v, 0.5, 0.7)
    over(image, neck, identity.skin * 0.80)
    over(image, c.band(side, _LINE) * ramp(c.v, 1.0, 1.1), ink)
    collar = 1.98 + 0.15 * (c.a - 0.45).clamp(min=-0.3).square() - 0.30 * gaussian(c.a, 0.75, 0.4) - c.v
    over(image, c.edge(collar), identity.cloth)
    over(image, c.band(collar, _LINE), ink)
    y = (c.v - 0.20) / 0.30
    x = (c.a - per_face(s.width) + 0.02) / 0.14
    ear = ((x * x + y * y).sqrt() - 1) * 0.18
    bare = per_face((identity.hair_style != HAIR_STYLES.index("headscarf")).float())
    over(image, c.edge(ear - _LINE) * bare, ink)
    over(image, c.edge(ear + _LINE) * bare, identity.skin * 0.93)


def _face(c: Canvas, identity: Identity, s: Shape, p: Displacements, m: LipField, view: View, ink: Tensor) -> Tensor:
    face = identity.skin[:, :, None, None].expand(-1, -1, *c.u.shape[1:]).clone()
    # One step of shading on the side away from the light, and round cheeks.
    away = c.u * -per_face(view.light_side.sign()) - 0.72 + 0.25 * (c.v - 0.4).square()
    over(face, c.edge(-away, 0.01) * 0.45, identity.skin * flat((0.72, 0.62, 0.62), c.u))
    cheek = gaussian_2d(c.a, c.v, 0.66, 0.52 - 0.1 * c.side(p.cheek), 0.20, 0.15)
    over(face, cheek * 0.35, identity.skin * flat((1.0, 0.68, 0.66), c.u))
    _beard(face, c, identity, s, m)
    _folds(face, c, identity, s, p, ink)
    _nose(face, c, identity, s, ink)
    _eyes(face, c, identity, s, view, ink)
    _mouth(face, c, identity, s, m, ink)
    brow = brow_field(c, s)
    over(face, c.edge(brow.distance, 0.01) * brow.along, torch.minimum(flat_hair(identity) * 0.8, identity.skin * 0.5))
    return face


def _beard(face: Tensor, c: Canvas, identity: Identity, s: Shape, m: LipField) -> None:
    low, lip = (((grown - 0.4) * 8).clamp(0, 1) for grown in beard_field(c, identity, s, m))
    on = [torch.tensor(share, device=c.u.device)[identity.beard] for share in ((0, 0.25, 0, 1.0), (0, 0.25, 1.0, 1.0))]
    over(face, torch.maximum(low * per_face(on[0]), lip * per_face(on[1])), flat_hair(identity) * 0.9)


def _folds(face: Tensor, c: Canvas, identity: Identity, s: Shape, p: Displacements, ink: Tensor) -> None:
    """A line for each fold: forehead, brows, nose, and from the nose to the mouth."""
    lines = per_face(identity.lines)
    t = ((c.v - c.side(s.ala_y)) / (per_face(s.mouth_y) + c.side(s.corner_y) - c.side(s.ala_y))).clamp(-0.5, 1.5)
    top, end = per_face(s.nose_w) + 0.10, c.side(s.mouth_x) + 0.14
    # The horizontal distance divided by sqrt(1 + slope²) approximates the distance from the curve.
    slope = (end - top) * (1.7 - 1.4 * t) / (per_face(s.mouth_y) + c.side(s.corner_y) - c.side(s.ala_y)).clamp(min=0.1)
    off = (c.a - top - (end - top) * t * (1.7 - 0.7 * t)) / (1 + slope * slope).sqrt()
    fold = c.band(off, 0.012) * ramp(t, -0.1, 0.1) * (1 - ramp(t, 0.8, 1.0))
    over(face, fold * (c.side(p.fold) * 1.2 + lines * 0.5).clamp(0, 1), ink)
    pit = c.band(c.a - c.side(s.mouth_x) - 0.05, 0.012)
    pit = pit * gaussian_2d(c.a, c.v, c.side(s.mouth_x) + 0.05, per_face(s.mouth_y) + c.side(s.corner_y), 0.05, 0.06)
    over(face, pit * c.side(p.dimple), ink)
    furrow = c.band(c.a - 0.09, 0.011) * gaussian_2d(c.a, c.v, 0.09, c.side(s.brow_y0) + 0.02, 0.1, 0.13)
    over(face, furrow * c.side(p.frown).clamp(0, 1), ink)
    for y in (-0.80, -0.68):
        across = c.band(c.v - y + 0.05 * c.u * c.u, 0.010) * (1 - ramp(c.a, 0.30, 0.55))
        over(face, across * (0.8 * c.side(p.forehead_inner) + lines).clamp(0, 1) * 0.8, ink)
    for y in (0.06, 0.16):
        across = c.band(c.v - y - 0.25 * c.a, 0.010) * ramp(c.a, 0.02, 0.06) * (1 - ramp(c.a, 0.14, 0.20))
        over(face, across * c.side(p.nose_wrinkle), ink)


def _nose(face: Tensor, c: Canvas, identity: Identity, s: Shape, ink: Tensor) -> None:
    base, w = per_face(s.nose_y), per_face(s.nose_w)
    under = c.band(c.v - base + 0.10 * (c.a / w).square() * 0.6, 0.016) * c.edge(c.a - 0.75 * w, 0.04)
    wing = ((((c.a - w) / 0.055).square() + ((c.v - c.side(s.ala_y)) / 0.075).square()).sqrt() - 1) * 0.06
    wing = c.band(wing, 0.014) * ramp(c.a - w, 0.0, 0.03)
    over(face, torch.maximum(under, wing) * 0.9, ink)
    side = c.band(c.u - 0.13 * (c.v - 0.1) - 0.06, 0.011) * ramp(c.v, 0.15, 0.3) * (1 - ramp(c.v, 0.5, 0.6))
    over(face, side * 0.35, ink)


def _eyes(face: Tensor, c: Canvas, identity: Identity, s: Shape, view: View, ink: Tensor) -> None:
    e = eye_field(c, identity, s, view)
    over(face, e.opening, flat((0.97, 0.97, 0.97), c.u))
    radius = per_face(identity.iris_size)
    over(face, c.edge(e.out - radius) * e.opening, ink)
    over(face, c.edge(e.out - radius + 0.02) * e.opening, identity.iris * 1.1 + 0.06)
    over(face, c.edge(e.out - radius * 0.50) * e.opening, ink)
    over(face, gaussian_2d(e.ix, e.iy, 0.035, -0.04, 0.030, 0.030) * e.opening, flat((1.0, 1.0, 1.0), c.u))
    over(face, c.band(e.y - e.lid_y, _LINE * 1.3) * e.within, ink)
    over(face, c.band(e.y - e.rim_y, _LINE * 0.5) * e.within * 0.8, ink)


def _mouth(face: Tensor, c: Canvas, identity: Identity, s: Shape, m: LipField, ink: Tensor) -> None:
    upper = torch.minimum(c.edge(m.top - c.v), c.edge(c.v - m.inner_top)) * m.inside
    lower = torch.minimum(c.edge(m.inner_bottom - c.v), c.edge(c.v - m.bottom)) * m.inside
    over(face, torch.maximum(upper, lower), identity.lips * flat((1.0, 0.85, 0.85), c.u))
    gap = m.inner_bottom - m.inner_top
    cavity = torch.minimum(c.edge(m.inner_top - c.v), c.edge(c.v - m.inner_bottom)) * m.inside
    cavity = cavity * ramp(gap, 0.0, 0.02)
    over(face, cavity, flat((0.28, 0.06, 0.08), c.u))
    tongue = c.edge((((c.u / 0.24).square() + ((c.v - m.inner_bottom) / 0.13).square()).sqrt() - 1) * 0.15)
    over(face, tongue * cavity * ramp(gap, 0.15, 0.22), flat((0.80, 0.36, 0.38), c.u))
    over(face, c.edge(c.v - per_face(identity.mouth_height) - 0.02) * cavity, flat((0.97, 0.96, 0.92), c.u))
    inside = c.edge((m.t.abs() - 1.02) * c.side(s.mouth_x), 0.01)
    for line, half in ((m.inner_top, _LINE), (m.inner_bottom, _LINE * 0.8)):
        over(face, c.band(c.v - line, half) * inside, ink)
