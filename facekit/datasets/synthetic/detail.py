"""Detail of faces that is finer than a pixel at 64 x 64: the texture of the skin, single hairs, irises, teeth, furrows.

It is added to what `paint` and `relief` have drawn, weighted by `level`, and is identical for a person at every size.
Images of up to 64 pixels have none of it: weights that were trained on them stay valid.
"""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.datasets.synthetic.canvas import Canvas, gaussian, gaussian_2d, over, per_face, ramp
from facekit.datasets.synthetic.curves import lid_arc
from facekit.datasets.synthetic.draws import uniform
from facekit.datasets.synthetic.identity import Identity
from facekit.datasets.synthetic.muscles import Displacements
from facekit.datasets.synthetic.noise import fading, noise, offsets
from facekit.datasets.synthetic.paint import (
    TOOTH,
    EyeField,
    LipField,
    brow_field,
    cavity_mask,
    exposure,
    eye_field,
    flat,
    upper_teeth,
)
from facekit.datasets.synthetic.relief import Relief
from facekit.datasets.synthetic.shape import Shape
from facekit.datasets.synthetic.view import View

_COARSE, _FINE = 0.039, 0.022
"""Widths of a pixel, in interocular distances, at which detail starts to appear and is complete: those of faces at 75
and at 130 pixels."""


def level(c: Canvas) -> Tensor:
    """Weight of the detail on each face, (N, 1, 1) in [0, 1]."""
    return 1 - ramp(c.pixel, _FINE, _COARSE)


def _texture(c: Canvas, person: Tensor, what: str, wide: float, high: float | None = None, mirrored: bool = False):
    """Noise (N, H, W) in cells of `wide` x `high` interocular distances, faded out where it would alias."""
    high = wide if high is None else high
    x, y = offsets(person, what)
    return noise((c.a if mirrored else c.u) / wide + x, c.v / high + y) * fading(c.pixel, min(wide, high))


# ------------------------------------------------------------------------------------------------------- surface


def refine_relief(r: Relief, c: Canvas, identity: Identity, s: Shape, p: Displacements, m: LipField) -> None:
    """Add pores, the furrows of the lips, and irregular wrinkles, which differ between people."""
    weight, lines = level(c), per_face(identity.lines)
    own = _texture(c, identity.person, "wrinkles", 0.16, 0.12)
    rough = weight * (0.7 + 0.8 * lines)
    bumps, pores = _texture(c, identity.person, "bumps", 0.075), _texture(c, identity.person, "pores", 0.030)
    r.height += (0.0012 * bumps + 0.0012 * pores) * rough
    furrows = _texture(c, identity.person, "lip furrows", 0.022, 0.11) * c.edge(m.top - c.v) * c.edge(c.v - m.bottom)
    r.add(furrows * m.inside * weight, 0.0016, 0.05)
    _refine_wrinkles(r, c, identity, p, own, weight)
    _refine_nose(r, c, identity, s, weight)
    # Between eye and nose a frown deepens a hollow. At 64 pixels it reads as a shadow, larger it would be a hole.
    hole = gaussian_2d(c.a, c.v, 0.29, -0.095, 0.063, 0.12) * ramp(c.a, 0.0, 0.19)
    r.add(hole * weight, 0.0, -0.55 * c.side(p.frown))


def _refine_wrinkles(r: Relief, c: Canvas, identity: Identity, p: Displacements, own: Tensor, weight: Tensor) -> None:
    """Fine lines inside and beside the broad folds of `relief`, where the same muscles act."""
    lines = per_face(identity.lines)
    broken = (1 + 0.6 * own).clamp(min=0)
    # Forehead (AU1, AU2): narrow lines between the broad ones.
    middle = gaussian(c.u, 0.0, 1.33)
    depth = c.side(p.forehead_inner) * middle + c.side(p.forehead) * (1 - middle) + 0.3 * (lines - 0.10).clamp(min=0)
    where = ramp(c.v, -0.90, -0.65) * (1 - ramp(c.v, -0.56, -0.46)) * (1 - ramp(c.a, 0.60, 0.80))
    wave = (torch.sin((c.v + 0.046 * c.u * c.u) * 83.8 + 0.9 + 0.8 * own) - 0.35).clamp(min=0)
    r.add(wave * where * depth * broken * weight, -0.005, 0.30)
    # Crow's feet (AU6): rays of different lengths.
    crow = (1.22 * c.side(p.crow) + 0.34 * (lines - 0.15)).clamp(min=0)
    ray = (torch.sin(torch.atan2(c.v - 0.018, c.a - 0.53) * 15 + 0.9 * own) - 0.3).clamp(min=0)
    r.add(ray * gaussian_2d(c.a, c.v, 0.74, 0.043, 0.13, 0.15) * broken * crow * weight, -0.003, 0.26)
    # Root and sides of the nose (AU9).
    nose = c.side(p.nose_wrinkle)
    slant = (torch.sin((c.a * 1.05 + c.v) * 58 + 1.4 * own) - 0.2).clamp(min=0)
    r.add(slant * gaussian_2d(c.a, c.v, 0.27, 0.16, 0.11, 0.22) * broken * nose * weight, -0.004, 0.20)
    # Below the eyes: crepe-like skin, deeper with a raised cheek (AU6).
    crepe = (torch.sin((c.v - 0.10 * c.a) * 88 + 1.2 * own) - 0.1).clamp(min=0)
    loose = (0.5 * lines + 0.5 * c.side(p.cheek)) * weight * broken
    r.add(crepe * gaussian_2d(c.a, c.v, 0.54, 0.22, 0.26, 0.075) * loose, -0.002, 0.10)


def _refine_nose(r: Relief, c: Canvas, identity: Identity, s: Shape, weight: Tensor) -> None:
    """Round wings with a crease behind each, and nostrils that have an edge."""
    at, wings = per_face(s.nose_w), c.side(s.ala_y)
    down = (c.v / per_face(s.nose_y)).clamp(0, 1.2)
    a = (c.u - per_face(s.nose_x) * down).abs()
    x, y = (a - at + 0.012) / 0.088, (c.v - wings + 0.008) / 0.108
    out = x * x + y * y
    crease = gaussian(out, 1.15, 0.6) * ramp(x, -0.35, 0.65) * ramp(y, 1.25, 0.1)
    r.add(crease * weight, -0.008, 0.22)
    slot = a - at * 0.50
    nostril = gaussian_2d(
        slot, c.v + 0.3 * slot, 0.0, wings + 0.052, 0.060 * per_face(identity.nose_width).sqrt(), 0.026
    )
    r.add(nostril * weight, 0.0, 0.30)


# ---------------------------------------------------------------------------------------------------------- skin


def refine_skin(image: Tensor, c: Canvas, identity: Identity) -> None:
    """Paint uneven pigment and blood, pores, and the darker skin of the lids."""
    weight, person = level(c), identity.person
    patches = _texture(c, person, "patches", 0.30, mirrored=True)
    blotches, pores = _texture(c, person, "blotches", 0.12), _texture(c, person, "pore colour", 0.035)
    tone = (0.022 * patches + 0.020 * blotches + 0.022 * pores) * weight
    # Melanin absorbs more blue than red.
    image.mul_(1 + tone[:, None] * flat((0.75, 1.05, 1.25), c.u)[:, :, None, None])
    lids = gaussian_2d(c.a, c.v, 0.5, 0.02, 0.27, 0.17) * per_face(uniform(person, "lids", 0.05, 0.22)) * weight
    over(image, lids, identity.skin * flat((0.74, 0.62, 0.62), c.u))


# --------------------------------------------------------------------------------------------------------- brows


def refine_brows(image: Tensor, c: Canvas, identity: Identity, s: Shape) -> None:
    """Paint single hairs at the edges of the brows, and skin between the hairs inside."""
    brow, weight = brow_field(c, s), level(c)
    # Hairs rise steeply at the inner end and lie along the brow at the outer end.
    lean = 0.35 + 2.2 * brow.t.clamp(0, 1)
    x, y = offsets(identity.person, "brow hairs")
    across = (c.a + lean * brow.y) / 0.026 / (1 + 0.5 * lean) + x + 9 * c.left
    hairs = noise(across, (brow.y - 0.2 * c.a) / 0.16 + y) * weight
    dark = per_face(identity.brow_dark)
    between = c.edge(brow.distance + 0.004, 0.02) * brow.along * (-hairs - 0.1).clamp(0, 1) * 0.5
    over(image, between * dark, identity.skin * 0.72)
    outside = c.edge(brow.distance - 0.018, 0.016) * brow.along * (hairs * 1.2 - 0.2).clamp(0, 1) * 0.8
    color = torch.lerp(identity.hair * 0.6, flat((0.50, 0.48, 0.45), c.u), identity.gray[:, None] * 0.6)
    over(image, outside * dark, torch.minimum(color, identity.skin * 0.30))


# ---------------------------------------------------------------------------------------------------------- eyes


def refine_eyes(image: Tensor, c: Canvas, identity: Identity, s: Shape, view: View) -> None:
    """Paint the shading of the eyeball, the caruncle, the iris, the wet lower lid, and single lashes."""
    e, weight, skin = eye_field(c, identity, s, view), level(c), identity.skin
    radius = per_face(identity.iris_size)
    white = e.opening * c.edge(radius - e.out, 0.01) * weight
    over(image, white * ramp(e.t.abs(), 0.45, 1.05) * 0.25, skin * 0.45)
    over(image, white * (1 - ramp(e.t, -0.98, -0.74)) * 0.5, skin * flat((0.80, 0.50, 0.48), c.u))
    _refine_iris(image, c, identity, e, view, weight)
    wet = c.band(e.y - e.rim_y + 0.004, 0.004, 0.008) * e.within * weight
    over(image, wet * 0.35, skin * flat((1.0, 0.86, 0.84), c.u))
    _paint_lashes(image, c, identity, e, weight)


def _refine_iris(image: Tensor, c: Canvas, identity: Identity, e: EyeField, view: View, weight: Tensor) -> None:
    """A smaller pupil, radial fibres, brighter away from the light, below the shadow of the lid; the catch light."""
    radius = per_face(identity.iris_size)
    shade = ramp(e.y - e.lid_y, 0.0, 0.075)
    ring = c.edge(e.out - radius * 0.66, 0.01) * c.edge(radius * 0.46 - e.out, 0.01) * e.opening * weight
    over(image, ring * (0.25 + 0.60 * shade), identity.iris * 0.75)
    x, y = offsets(identity.person, "fibres")
    fibres = noise(torch.atan2(e.iy, e.ix) * 7 + x, e.out * 14 + y) * fading(c.pixel, 0.028)
    iris = c.edge(e.out - radius * 0.9, 0.012) * c.edge(radius * 0.48 - e.out, 0.01) * e.opening * weight * shade
    over(image, iris * gaussian_2d(e.ix, e.iy, 0.0, 0.045, 0.06, 0.045) * 0.5, identity.iris * 1.15)
    over(image, iris * (0.4 * fibres).clamp(0, 0.6), identity.iris * 1.2)
    small = 0.013 + 0.22 * c.pixel
    light = gaussian_2d(e.ix, e.iy, per_face(view.light_side.sin() * 0.045), -0.034, small, small)
    white = flat((1.0, 1.0, 1.0), c.u) * exposure(identity)[:, None].clamp(min=1).pow(-0.5)  # else dark faces' glow
    over(image, light * e.opening * weight * 0.5, white)


def _paint_lashes(image: Tensor, c: Canvas, identity: Identity, e: EyeField, weight: Tensor) -> None:
    """Single lashes above the dark edge of the upper lid, and short ones below the eye."""
    above, below = e.lid_y - e.y, e.y - e.rim_y
    x, y = offsets(identity.person, "lashes")
    hairs = noise(e.t * 14 - above * 60 * (e.t + 0.15) + x + 9 * c.left, above * 6 + y)
    hairs = (hairs * 1.6 + 0.2).clamp(0, 1) * e.within * weight
    long = (0.030 + 0.035 * ramp(e.t, -0.6, 0.7)) * (1 - 0.3 * per_face(identity.strong.float()))
    black = flat((0.03, 0.02, 0.02), c.u)
    over(image, hairs * c.edge(-above) * (1 - ramp(above, 0.4 * long, 1.5 * long)) * lid_arc(e.t).sqrt() * 0.6, black)
    short = c.edge(-below) * (1 - ramp(below, 0.008, 0.040)) * ramp(e.t, -0.7, 0.2)
    over(image, hairs * short * 0.4, black)


# --------------------------------------------------------------------------------------------------------- mouth


def refine_mouth(image: Tensor, c: Canvas, identity: Identity, s: Shape, m: LipField) -> None:
    """Paint the rounding of each tooth, the gums, and the groove of the tongue, in open mouths."""
    weight, gap = level(c), m.inner_bottom - m.inner_top
    cavity, edge = cavity_mask(c, m) * weight, upper_teeth(identity, m)
    beside = ((torch.remainder(c.a, TOOTH) / TOOTH - 0.5) * 2).square()
    dark = flat((0.085, 0.03, 0.03), c.u)
    # The corners of a tooth are round, its sides turn away, and its lower edge is translucent.
    above = c.edge(c.v - edge, 0.008) * cavity
    over(image, above * ramp(c.v - edge + 0.020 * beside * beside, -0.004, 0.006), dark)
    over(image, above * beside * beside * 0.35, identity.skin * flat((0.50, 0.42, 0.34), c.u))
    over(image, above * ramp(c.v - edge, -0.035, 0.0) * 0.16, flat((0.42, 0.42, 0.44), c.u))
    gums = above * (1 - ramp(c.v - edge + 0.205 + 0.03 * beside, 0.0, 0.02))
    over(image, gums * 0.8, identity.lips * 0.8 * exposure(identity)[:, None].clamp(max=1))
    groove = gaussian_2d(c.u, c.v, 0.0, m.inner_bottom - 0.02, 0.025, 0.10) * cavity * ramp(gap, 0.20, 0.40)
    over(image, groove * 0.5, dark)
