"""The coloured parts of a face: skin, brows, eyes, lips and teeth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.synthetic.canvas import Canvas, gaussian, gaussian_2d, over, per_face, ramp
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
from facekit.datasets.synthetic.draws import uniform
from facekit.datasets.synthetic.identity import Identity
from facekit.datasets.synthetic.shape import Shape
from facekit.datasets.synthetic.view import View
from facekit.faces.faces import to_gray


def flat(color: tuple[float, float, float], like: Tensor) -> Tensor:
    """The same colour for all faces, (1, 3)."""
    return torch.tensor([color], device=like.device)


def exposure(identity: Identity) -> Tensor:
    """Exposure factor (n,): the camera brightens dark skin and darkens light skin, but does not equalise them."""
    return (0.36 / to_gray(identity.skin[:, :, None, None]).flatten().square()).pow(0.55)


def outline_distance(c: Canvas, s: Shape) -> Tensor:
    """Signed distance from the outline of the head, below 0 inside; exact on the outline, approximate near it."""
    down = c.v > 0
    t = c.v.abs() / torch.where(down, per_face(s.lower), -per_face(s.upper))
    wide = torch.where(down, jaw_width(t.clamp(max=1.2), per_face(s.jaw), per_face(s.taper)), 1 - 0.05 * t)
    x = c.a / (per_face(s.width) * wide)
    return ((x * x + t * t).sqrt() - 1) * 1.2


@dataclass(frozen=True)
class LipField:
    """At each pixel: the position along the mouth, and v of the four edges of the lips there."""

    t: Tensor
    inside: Tensor
    top: Tensor
    inner_top: Tensor
    inner_bottom: Tensor
    bottom: Tensor


def lips(c: Canvas, s: Shape) -> LipField:
    """The curves of the lips at each pixel."""
    half = c.side(s.mouth_x)
    t = c.u / half
    w = (0.5 + 2 * t).clamp(0, 1)

    def across(value: Tensor) -> Tensor:
        return torch.lerp(value[:, 1:, None], value[:, :1, None], w)

    line = per_face(s.mouth_y) + corner_line(t, c.side(s.corner_y))
    inner_top = line - across(s.lip_gap_up) * gap_arc(t, across(s.square))
    inner_bottom = line + per_face(s.lip_gap_low) * gap_arc(t, 0.0)
    return LipField(
        t=t,
        inside=c.edge((t.abs() - 1) * half, 0.02),
        top=inner_top - upper_lip_arc(t, per_face(s.lip_upper), per_face(s.cupid)),
        inner_top=inner_top,
        inner_bottom=inner_bottom,
        bottom=inner_bottom + lower_lip_arc(t, per_face(s.lip_lower)),
    )


def paint_skin(c: Canvas, identity: Identity) -> Tensor:
    """Skin (N, 3, H, W): tone, redness of cheeks and nose, mottling, freckles, a mole."""
    phase = [per_face(uniform(identity.person, f"mottle {i}", 0, 6.28)) for i in range(4)]
    across = torch.sin(c.u * 7.3 + phase[0] + 2 * torch.sin(c.v * 5.1 + phase[1]))
    mottle = across * torch.sin(c.v * 8.7 + phase[2] + 2 * torch.sin(c.u * 6.1 + phase[3]))
    skin = identity.skin[:, :, None, None] * (1 + 0.025 * mottle)[:, None]
    blush = gaussian_2d(c.a, c.v, 0.68, 0.50, 0.28, 0.22) + 0.5 * gaussian_2d(c.u, c.v, 0.0, 0.6, 0.22, 0.18)
    red = flat((1.02, 0.84, 0.84), c.u) * identity.skin
    over(skin, blush * 0.45, red)
    spots = (torch.sin(c.u * 61 + 3 * torch.sin(c.v * 37)) * torch.sin(c.v * 67 + 3 * torch.sin(c.u * 41)) - 0.55) * 3
    where = gaussian_2d(c.u, c.v, 0.0, 0.40, 0.75, 0.30)
    freckles = spots.clamp(0, 1) * where * per_face(0.30 * identity.freckles.float())
    over(skin, freckles, identity.skin * flat((0.70, 0.52, 0.42), c.u))
    radius = 0.022 + 0.3 * c.pixel
    mole = gaussian_2d(c.u, c.v, per_face(identity.mole_x), per_face(identity.mole_y), radius, radius)
    return over(skin, mole * per_face(identity.mole), identity.skin * 0.35)


def _highlight_factor(identity: Identity) -> Tensor:
    """A factor (n, 1) that keeps sclera and teeth from overexposure where the exposure is set for dark skin."""
    return exposure(identity)[:, None].clamp(min=1).pow(-0.32)


@dataclass(frozen=True)
class BrowField:
    """At each pixel: signed distance from the edge of the brow, a mask of its length, and the position in it."""

    distance: Tensor
    along: Tensor
    t: Tensor  # position along the brow: 0 at the inner end, 1 at the outer end
    y: Tensor  # position below its centre line


def brow_field(c: Canvas, s: Shape) -> BrowField:
    """The brows at each pixel."""
    x0, x1 = c.side(s.brow_x0), c.side(s.brow_x1)
    t = (c.a - x0) / (x1 - x0)
    y = c.v - brow_height(t, c.side(s.brow_y0), c.side(s.brow_y1), c.side(s.brow_y2))
    half = brow_half_thickness(t, c.side(s.brow_thick))
    return BrowField(y.abs() - half, ramp(t, -0.07, 0.06) * (1 - ramp(t, 0.92, 1.05)), t, y)


def paint_brows(image: Tensor, c: Canvas, identity: Identity, s: Shape) -> None:
    """Paint the brows, darker than the hair."""
    brow = brow_field(c, s)
    strands = 1.2 + 0.06 * torch.sin(c.a * 130 - c.v * 90)
    mask = c.edge(brow.distance, 0.022) * brow.along * strands * per_face(identity.brow_dark)
    color = torch.lerp(identity.hair * 0.7, flat((0.55, 0.53, 0.50), c.u), identity.gray[:, None] * 0.6)
    over(image, mask, torch.minimum(color, identity.skin * 0.33))


@dataclass(frozen=True)
class EyeField:
    """At each pixel: the position relative to the eye, the edges of its lids, and its opening."""

    t: Tensor  # position along the eye: -1 at the inner corner, 1 at the outer corner
    y: Tensor  # position below its axis
    lid_y: Tensor  # edge of the upper lid, below the axis
    rim_y: Tensor  # edge of the lower lid
    opening: Tensor  # mask of the open eye
    within: Tensor  # mask between the corners
    ix: Tensor  # offset from the centre of the iris, to the right of the image
    iy: Tensor  # and down
    out: Tensor  # distance from the centre of the iris


def eye_field(c: Canvas, identity: Identity, s: Shape, view: View) -> EyeField:
    """The eyes at each pixel."""
    w, up, low = c.side(s.eye_w), c.side(s.lid_up), c.side(s.lid_low)
    x = c.a - c.side(s.eye_x)
    t = x / w
    y = c.v - c.side(s.eye_y) + c.side(s.eye_tilt) * x
    lid_y, rim_y = -up * upper_lid_arc(t), low * lid_arc(t)
    opening = c.edge(torch.maximum(lid_y - y, y - rim_y), 0.004) * c.edge((t.abs() - 1) * w, 0.01)
    ix = torch.where(c.left, x, -x) - per_face(view.gaze_x * identity.iris_size)
    iy = y - 0.004 - per_face(view.gaze_y * identity.iris_size)
    within = c.edge((t.abs() - 1.06) * w, 0.03)
    return EyeField(t, y, lid_y, rim_y, opening, within, ix, iy, (ix * ix + iy * iy).sqrt())


def paint_eyes(image: Tensor, c: Canvas, identity: Identity, s: Shape, view: View) -> None:
    """Paint scleras, irises, pupils, lids and lashes."""
    e = eye_field(c, identity, s, view)
    black = flat((0.03, 0.02, 0.02), c.u)
    over(image, e.opening, (identity.skin * 0.42 + flat((0.42, 0.40, 0.39), c.u)) * _highlight_factor(identity))
    radius = per_face(identity.iris_size)
    iris = c.edge(e.out - radius, 0.012) * e.opening
    over(image, iris, identity.iris * 0.8)
    over(image, iris * ramp(e.out, radius * 0.66, radius), identity.iris * 0.25)
    over(image, c.edge(e.out - radius * 0.62, 0.01) * e.opening, black)
    # The shadow of the upper lid, a glint, the lashes, the fold above and the rim below.
    over(image, e.opening * (1 - ramp(e.y - e.lid_y, 0.0, 0.066)) * 0.74, black)
    small = 0.014 + 0.22 * c.pixel
    glint = gaussian_2d(e.ix, e.iy, per_face(view.light_side.sin() * 0.045), -0.036, small, small)
    over(image, glint * e.opening * 0.5, flat((1.0, 1.0, 1.0), c.u))
    lash = c.band(e.y - e.lid_y + 0.004, 0.034, 0.016) * e.within
    over(image, lash * (1.0 - 0.2 * per_face(identity.strong.float())), black)
    up = c.side(s.lid_up)
    fold_y = -(up.clamp(min=0.02) + 0.055 - 0.35 * (up - 0.07)) * upper_lid_arc(e.t) - 0.012
    fold = c.band(e.y - fold_y, 0.008, 0.022) * e.within * (0.30 + 0.35 * per_face(identity.lid_fold))
    over(image, fold, identity.skin * 0.38)
    rim = c.band(e.y - e.rim_y - 0.006, 0.006, 0.015) * e.within
    over(image, rim * 0.5, identity.skin * flat((0.42, 0.33, 0.33), c.u))


TOOTH = 0.105
"""Width of an upper tooth, in interocular distances."""


def cavity_mask(c: Canvas, m: LipField) -> Tensor:
    """Mask of the oral cavity between parted lips."""
    cavity = torch.minimum(c.edge(m.inner_top - c.v), c.edge(c.v - m.inner_bottom)) * m.inside
    return cavity * ramp(m.inner_bottom - m.inner_top, 0.0, 0.5 * c.pixel + 0.01)


def upper_teeth(identity: Identity, m: LipField) -> Tensor:
    """v of the lower edge of the upper teeth, which move with the skull, independently of the lips."""
    return per_face(identity.mouth_height) + 0.032 - 0.04 * m.t * m.t


def paint_mouth(image: Tensor, c: Canvas, identity: Identity, s: Shape, m: LipField) -> None:
    """Paint lips, oral cavity, teeth and tongue."""
    upper = torch.minimum(c.edge(m.top - c.v, 0.015), c.edge(c.v - m.inner_top)) * m.inside
    lower = torch.minimum(c.edge(m.inner_bottom - c.v), c.edge(c.v - m.bottom, 0.03)) * m.inside
    over(image, upper * 0.9, identity.lips * 0.75)
    over(image, lower * 0.75, identity.lips)
    gap = m.inner_bottom - m.inner_top
    cavity = cavity_mask(c, m)
    over(image, cavity, flat((0.085, 0.03, 0.03), c.u))
    tooth = flat((0.90, 0.87, 0.80), c.u) * _highlight_factor(identity) - 0.05 * (identity.age[:, None] == 2)
    sides = (1 - ramp(c.a, 0.24, 0.45)) * 0.65 + 0.25
    row = c.edge(c.v - upper_teeth(identity, m), 0.008) * cavity
    gaps = 1 - 0.22 * gaussian((torch.remainder(c.a, TOOTH) - TOOTH / 2).abs(), TOOTH / 2, 0.010)
    over(image, row * sides * gaps, tooth)
    tongue = gaussian_2d(c.u, c.v, 0.0, m.inner_bottom, 0.22, 0.11) * cavity * ramp(gap, 0.20, 0.40)
    over(image, tongue * 0.75, flat((0.55, 0.24, 0.23), c.u))
    lower_edge = per_face(s.mouth_y + s.lip_gap_low) - 0.03 + 0.04 * m.t * m.t  # these move with the jaw
    row = c.edge(lower_edge - c.v, 0.008) * cavity * ramp(gap, 0.10, 0.2) * (1 - ramp(c.a, 0.15, 0.30))
    over(image, row * 0.65, tooth * 0.8)
    over(image, cavity * (1 - ramp(c.v - m.inner_top, 0.0, 0.055)) * 0.6, flat((0.10, 0.04, 0.04), c.u))
    # The line between closed lips.
    line = c.band(c.v - 0.5 * (m.inner_top + m.inner_bottom), 0.012, 0.014) * c.edge((m.t.abs() - 1.04) * 0.4, 0.03)
    over(image, line * (1 - ramp(gap, 0.0, 0.05)) * 0.95, identity.lips * 0.28)
