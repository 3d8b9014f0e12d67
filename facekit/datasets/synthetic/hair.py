"""Hair, headscarves and beards.

Hair is two layers: what hangs behind the head and what lies before the forehead and the temples. Both are distances
from a form, frayed by locks of noise that are stretched along the way the hair falls.
"""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.datasets.synthetic.canvas import Canvas, gaussian, gaussian_2d, over, per_face, ramp, select_rows
from facekit.datasets.synthetic.draws import normal
from facekit.datasets.synthetic.identity import BEARDS, HAIR_STYLES, Identity
from facekit.datasets.synthetic.noise import fading, noise, offsets
from facekit.datasets.synthetic.paint import LipField, flat
from facekit.datasets.synthetic.shape import Shape
from facekit.datasets.synthetic.view import View

# Form, in distances between the eyes. How far the hair stands off the skull at the top and at the sides; how far it is
# stretched downward and where it is cut (y); the opening before the face: its half width, how much lower than the
# hairline its top is, how much its corners are filled (0 an ellipse, 1 a square), how much lower on the parting's
# side; where the hair before the ears ends (y) and how abruptly, 0 to 1.
_FORM = {
    #             top    side   hang  cut    open  low    corner swoop  front  taper
    "bald":      (0.00, -0.08, 0.00, -0.90,  1.60, -1.2,  0.3,   0.00,  0.00,  1.0),
    "short":     (0.13,  0.03, 0.30, -0.05,  1.05,  0.00, 0.5,   0.05,  0.00,  0.25),
    "side part": (0.18,  0.05, 0.34, -0.02,  1.04,  0.03, 0.4,   0.30,  0.05,  0.30),
    "receding":  (0.06,  0.01, 0.30, -0.05,  1.07, -0.25, 0.8,   0.00, -0.05,  0.25),
    "fringe":    (0.17,  0.13, 1.40,  1.25,  1.00,  0.42, 0.7,   0.08,  1.20,  1.0),
    "long":      (0.15,  0.15, 2.50,  2.60,  0.99, -0.02, 0.0,   0.16,  2.60,  1.0),
    "curly":     (0.24,  0.26, 1.10,  1.60,  1.04,  0.08, 0.2,   0.08,  0.90,  0.6),
    "afro":      (0.40,  0.36, 0.15,  1.10,  1.08,  0.02, 0.5,   0.00,  0.15,  0.5),
    "bun":       (0.06,  0.01, 0.20, -0.10,  1.06, -0.04, 0.3,   0.04, -0.10,  0.3),
    "headscarf": (0.14,  0.16, 2.50,  2.60,  1.00,  0.14, 0.22,  0.00,  2.60,  1.0),
}  # fmt: skip

# Texture. Width of a lock and how much longer than wide it is, how far locks stand out of the form, how much light
# shapes them, how it is combed (0 back from the forehead, 1 to both sides of the parting), waves, sheen, how soft the
# hairline is, and whether it curls: curls lie in no direction.
_TEXTURE = {
    #             lock   long  fray   lumps  combed wave   sheen  soft  curls
    "bald":      (0.05,  2.0,  0.00,  0.00,  0.0,   0.00,  0.0,   0.05, 0),
    "short":     (0.06,  5.0,  0.020, 0.12,  0.0,   0.02,  0.5,   0.09, 0),
    "side part": (0.08,  8.0,  0.018, 0.14,  0.7,   0.02,  0.8,   0.07, 0),
    "receding":  (0.06,  5.0,  0.015, 0.10,  0.0,   0.02,  0.5,   0.12, 0),
    "fringe":    (0.07, 14.0,  0.014, 0.12,  0.0,   0.01,  1.0,   0.04, 0),
    "long":      (0.09, 16.0,  0.020, 0.16,  0.9,   0.035, 0.9,   0.05, 0),
    "curly":     (0.15,  1.5,  0.040, 0.60,  0.0,   0.09,  0.4,   0.05, 1),
    "afro":      (0.085, 1.0,  0.025, 0.40,  0.0,   0.03,  0.1,   0.06, 1),
    "bun":       (0.06, 12.0,  0.008, 0.08,  0.0,   0.01,  0.8,   0.08, 0),
    "headscarf": (0.09, 12.0,  0.004, 0.20,  0.0,   0.02,  0.0,   0.00, 0),
}  # fmt: skip

SCARF = HAIR_STYLES.index("headscarf")


def _columns(table: dict[str, tuple[float, ...]], identity: Identity) -> list[Tensor]:
    rows = torch.tensor([table[name] for name in HAIR_STYLES], device=identity.hair.device)[identity.hair_style]
    return [per_face(column) for column in rows.unbind(1)]


def _slopes(z: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes of a height (N, H, W) to the right and down."""
    down, right = torch.gradient(z, dim=(1, 2))
    return right / pixel, down / pixel


class Hair:
    """The forms of N people's hair at each pixel: distances and masks (N, H, W), below 0 and 1 where there is hair.

    `bold` draws fewer and larger locks, as a cartoonist would.
    """

    def __init__(self, c: Canvas, identity: Identity, s: Shape, bold: bool = False) -> None:
        top, side, hang, cut, open_, low, corner, swoop, front, taper = _columns(_FORM, identity)
        lock, long, fray, self.lumps, combed, wave, self.sheen, soft, self.curls = _columns(_TEXTURE, identity)
        if bold:
            lock, fray = lock * 2.5, fray * 1.5
        self.scarf = per_face((identity.hair_style == SCARF).float())
        volume = per_face(identity.hair_volume)
        # An egg around the skull, hanging down as long as the hair is.
        v = c.v - (c.v + 0.35).clamp(min=0).minimum(hang)
        self.x, self.y = c.u / (per_face(s.width) + side * volume), (v + 0.25) / (1.37 + top * volume)
        egg = (self.x.square() + self.y.square()).sqrt_()
        opening = self._opening(c, identity, s, open_, low, corner, swoop)
        self.locks, self.strands = self._texture(c, identity, egg, opening, lock, long, combed, wave)
        rough = self.locks * fray
        self.behind_distance = torch.maximum((egg - 1) * 1.2, c.v - cut - 2 * rough) + rough
        self.behind = c.edge(self.behind_distance, 0.03)
        self.front_distance = torch.maximum(opening, (c.v - front) * taper - 2 * rough) + rough
        if not bold:  # single hairs at the hairline
            self.front_distance += soft * (0.35 - 0.25 * self.curls) * self.strands
        self.front = c.edge(self.front_distance, soft)
        near = torch.maximum(opening, (c.v - front) * taper)
        self.shadow = 1 - 0.42 * (1 - ramp(near, 0.0, 0.16 + 0.05 * self.scarf))  # what it leaves of the skin's light

    def _opening(self, c: Canvas, identity: Identity, s: Shape, wide, low, corner, swoop) -> Tensor:
        """Distance into the opening before the face: around forehead and temples, and round a scarf's chin."""
        middle = torch.where(self.scarf > 0, 0.45, -0.10)
        top = per_face(identity.hairline) + low + swoop * (0.4 + c.u * per_face(identity.parting))
        down = torch.where(self.scarf > 0, per_face(s.lower) - 0.03 - middle, 9.0)
        y = (c.v - middle) / torch.where(c.v < middle, middle - top, down)
        x = c.a / wide
        x2, y2 = x.square(), y.square()
        out = (x2 + y2 - corner * (x2 * y2).clamp(max=1)).clamp(min=0).sqrt_()
        return (1 - out) * 0.95

    def _texture(self, c: Canvas, identity: Identity, egg: Tensor, opening: Tensor, lock, long, combed, wave):
        """Locks, and the strands in them, as noise of deviation 1 stretched along the hair."""
        part = per_face(identity.parting) * 0.3
        fan = (c.u - 0.3 * part) / (c.v + 2.6).clamp(min=0.4) * 1.5
        around = combed + (1 - combed) * ramp(c.a, 0.55, 1.05)
        # The parting lies where the strands to the left and to the right of it do not continue each other.
        side = torch.where(c.u > part * (combed > 0), 1.2, -1.2)
        across, along = torch.lerp(fan, egg * side, around), c.v + c.a * around
        across = torch.where(self.scarf > 0, opening, across)
        curls = self.curls > 0
        across, along = torch.where(curls, c.u, across), torch.where(curls, c.v, along)
        x, y = offsets(identity.person, "locks")
        bend = noise(c.u * 2.2 + x, c.v * 2.2 + y)
        across = across + (0.03 + wave) * bend + 0.3 * wave * torch.sin(along * 8 + 4 * bend)
        locks = noise(across / lock + x, along / (lock * long) + y) * fading(c.pixel, lock)
        thin = lock * 0.30
        kink = locks * 1.2 * self.curls
        strands = noise(across / thin + y + kink, along / (lock * long * 0.7) + x + kink) * fading(c.pixel, thin)
        return locks, strands

    def tone(self, c: Canvas, identity: Identity, view: View) -> Tensor:
        """Light that comes back from the hair (N, H, W): from its volume, its locks, and in a band of sheen."""
        lx, ly = per_face(view.light_side.sin() * view.light_up.cos()), -per_face(view.light_up.sin())
        lz = per_face(view.light_side.cos() * view.light_up.cos())
        r2 = (self.x.square() + self.y.square()).clamp(max=1)
        facing = (lz * (1.08 - r2).sqrt() + lx * self.x + ly * self.y).clamp(min=0)
        light = per_face(view.ambient) + per_face(view.light) * 0.75 * facing
        dx, dy = _slopes(self.locks, c.pixel)
        bumps = (dx * lx + dy * ly) * (self.lumps * -0.10)
        gray = 1 + 2 * per_face(identity.gray * (1 - identity.gray))
        strands = (
            1 + 0.16 * self.scarf * self.locks + (0.16 * self.locks + 0.15 * gray * self.strands) * (1 - self.scarf)
        )
        tone = light * (strands + bumps.clamp(-0.6, 0.8)).clamp(min=0.15)
        band = gaussian(c.v + 0.30 * c.u * c.u + 0.06 * self.locks + 0.05 * self.strands, -1.16 + 0.2 * lx * c.u, 0.13)
        return tone + band * self.sheen * light * (0.55 + 0.35 * self.strands).clamp(min=0)


def flat_hair(identity: Identity) -> Tensor:
    """Colour of the hair, greyed by age, or of the headscarf, (N, 3)."""
    hair = torch.lerp(identity.hair, torch.full_like(identity.hair, 0.66), identity.gray[:, None])
    return torch.where((identity.hair_style == SCARF)[:, None], identity.cloth * 0.85 + 0.05, hair)


def paint_hair(picture: Tensor, mask: Tensor, tone: Tensor, identity: Identity) -> None:
    """Hair or headscarf wherever `mask` says, by the light that comes back from it."""
    over(picture, mask, flat_hair(identity).square()[:, :, None, None] * tone[:, None])


# ----------------------------------------------------------------------------------------------------- beards

# By kind: how dense the hair is on cheeks and jaw, and on the lip, and how much shaven hair darkens the skin there.
_BEARD = {
    #             jaw   lip   shade
    "none":      (0.0,  0.0,  0.0),
    "stubble":   (0.0,  0.0,  0.85),
    "moustache": (0.0,  1.0,  0.25),
    "full":      (1.0,  0.9,  0.0),
}  # fmt: skip


def beard_field(c: Canvas, identity: Identity, s: Shape, m: LipField) -> tuple[Tensor, Tensor]:
    """How densely a beard grows on cheeks and jaw, and on the upper lip, each (N, H, W) in [0, 1]; none on the lips."""
    drop = per_face(s.mouth_y - identity.mouth_height)  # how far the jaw has sunk
    high = per_face(normal(identity.person, "cheek line", 0, 0.05))
    # From before the ear in a hollow to the corner of the mouth.
    hollow = (1.10 - c.a).clamp(0, 0.62)
    line = 0.24 + high + 2.3 * hollow - 1.6 * hollow.square() + drop * (1.1 - c.a).clamp(0, 1)
    jaw = ramp(c.v - line, -0.14, 0.20)
    # Beside the tuft under the lower lip little grows.
    jaw = jaw * (1 - 0.45 * gaussian_2d(c.a, c.v, 0.24, m.bottom + 0.08, 0.11, 0.08))
    top = per_face(s.nose_y) + 0.03 + 0.35 * (c.a - 0.14).clamp(min=0)
    lip = ramp(c.v - top, 0.0, 0.08) * (1 - ramp(c.a, 0.38, 0.54))
    lip = lip * c.edge(c.v - m.inner_top - 0.10 * ramp(c.a, 0.30, 0.42), 0.05)
    lip = lip * (1 - 0.25 * gaussian(c.u, 0.0, 0.03))
    around = (1.06 * c.side(s.mouth_x) - c.a).clamp(min=-1)
    on_lips = torch.minimum(torch.minimum(c.v - m.top, m.bottom - c.v), around)
    off_lips = 1 - c.edge(-on_lips - 0.012, 0.02)
    return jaw * off_lips, lip * off_lips


def paint_beard(picture: Tensor, c: Canvas, identity: Identity, s: Shape, m: LipField) -> None:
    """Stubble, moustache or full beard, around the lips and never on them."""
    rows = identity.beard.nonzero()[:, 0]
    if len(rows):
        part = picture[rows]
        _paint_beard(part, select_rows(c, rows), identity[rows], s[rows], select_rows(m, rows))
        picture[rows] = part


def _paint_beard(picture: Tensor, c: Canvas, identity: Identity, s: Shape, m: LipField) -> None:
    jaw, lip = beard_field(c, identity, s, m)
    kinds = torch.tensor([_BEARD[name] for name in BEARDS], device=c.u.device)[identity.beard]
    on_jaw, on_lip, shade = (per_face(column) for column in kinds.unbind(1))
    x, y = offsets(identity.person, "beard")
    tufts = noise(c.u * 12 + x, c.v * 7 + y) * fading(c.pixel, 1 / 12)
    hairs = noise(c.u * 50 + tufts + y, c.v * 14 + x) * fading(c.pixel, 1 / 50)
    stubble = torch.maximum(jaw, lip) * shade * (0.42 + 0.10 * hairs).clamp(min=0)
    over(picture, stubble, identity.skin * flat((0.42, 0.43, 0.47), c.u))
    grown = torch.maximum(jaw * on_jaw, lip * on_lip)
    # Where it is thin, single hairs stand on the skin; where dense, none of it is seen.
    cover = ramp(grown + (0.16 * hairs + 0.05 * tufts) * (grown > 0), 0.12, 0.70) * 0.92
    # Beards are darker than the hair of the head until they turn grey.
    dark = torch.minimum(identity.hair * 0.75 + 0.03, identity.skin * 0.60 + 0.03)
    color = torch.lerp(dark, flat((0.50, 0.49, 0.47), c.u), (identity.gray * 1.2).clamp(max=1)[:, None])
    over(picture, cover, color[:, :, None, None] * (0.94 + 0.12 * hairs + 0.06 * tufts)[:, None])
