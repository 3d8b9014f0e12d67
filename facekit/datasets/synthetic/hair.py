"""Hair, headscarves and beards.

Hair has two layers, one behind the head and one in front of the forehead and the temples. Each is the signed distance
from a form, roughened by noise that is stretched along the direction of the hair.
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

# Form, in interocular distances: thickness at the top and at the sides; length below the ears and y of its end; the
# opening in front of the face, with its half width, its top relative to the hairline, the filling of its corners (0 an
# ellipse, 1 a square) and its slope towards the parting; y of the end of the hair in front of the ears, and how
# abrupt that end is, 0 to 1.
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

# Texture: width of a lock, its length relative to its width, roughness of the form, shading of the locks, combing (0
# back from the forehead, 1 to both sides of the parting), waves, sheen, softness of the hairline, and whether the hair
# is curly, in which case its texture has no direction.
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
    """Slopes of a height field (N, H, W) to the right and down."""
    down, right = torch.gradient(z, dim=(1, 2))
    return right / pixel, down / pixel


class Hair:
    """The hair of N identities at each pixel: signed distances (N, H, W), below 0 inside, and masks (N, H, W).

    bold    fewer and larger locks, for cartoons
    """

    def __init__(self, c: Canvas, identity: Identity, s: Shape, bold: bool = False) -> None:
        top, side, hang, cut, open_, low, corner, swoop, front, taper = _columns(_FORM, identity)
        lock, long, fray, self.lumps, combed, wave, self.sheen, soft, self.curls = _columns(_TEXTURE, identity)
        if bold:
            lock, fray = lock * 2.5, fray * 1.5
        self.scarf = per_face((identity.hair_style == SCARF).float())
        volume = per_face(identity.hair_volume)
        # An ellipse around the skull, stretched downwards by the length of the hair.
        v = c.v - (c.v + 0.35).clamp(min=0).minimum(hang)
        self.x, self.y = c.u / (per_face(s.width) + side * volume), (v + 0.25) / (1.37 + top * volume)
        egg = (self.x.square() + self.y.square()).sqrt_()
        opening = self._opening(c, identity, s, open_, low, corner, swoop)
        self.locks, self.strands = self._texture(c, identity, egg, opening, lock, long, combed, wave)
        rough = self.locks * fray
        self.behind_distance = torch.maximum((egg - 1) * 1.2, c.v - cut - 2 * rough) + rough
        self.behind = c.edge(self.behind_distance, 0.03)
        self.front_distance = torch.maximum(opening, (c.v - front) * taper - 2 * rough) + rough
        if not bold:  # single strands at the hairline
            self.front_distance += soft * (0.35 - 0.25 * self.curls) * self.strands
        self.front = c.edge(self.front_distance, soft)
        near = torch.maximum(opening, (c.v - front) * taper)
        self.shadow = 1 - 0.42 * (1 - ramp(near, 0.0, 0.16 + 0.05 * self.scarf))  # a factor on the light on the skin

    def _opening(self, c: Canvas, identity: Identity, s: Shape, wide, low, corner, swoop) -> Tensor:
        """Signed distance from the opening in front of the face, which a headscarf closes below the chin."""
        middle = torch.where(self.scarf > 0, 0.45, -0.10)
        top = per_face(identity.hairline) + low + swoop * (0.4 + c.u * per_face(identity.parting))
        down = torch.where(self.scarf > 0, per_face(s.lower) - 0.03 - middle, 9.0)
        y = (c.v - middle) / torch.where(c.v < middle, middle - top, down)
        x = c.a / wide
        x2, y2 = x.square(), y.square()
        out = (x2 + y2 - corner * (x2 * y2).clamp(max=1)).clamp(min=0).sqrt_()
        return (1 - out) * 0.95

    def _texture(self, c: Canvas, identity: Identity, egg: Tensor, opening: Tensor, lock, long, combed, wave):
        """Locks and strands, as noise with standard deviation 1 stretched along the hair."""
        part = per_face(identity.parting) * 0.3
        fan = (c.u - 0.3 * part) / (c.v + 2.6).clamp(min=0.4) * 1.5
        around = combed + (1 - combed) * ramp(c.a, 0.55, 1.05)
        # At the parting, the noise of the two sides is discontinuous.
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
        """Light reflected by the hair (N, H, W): shading by its volume and its locks, and a band of sheen."""
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
    """Colour of the hair, mixed with grey by age, or of the headscarf, (N, 3)."""
    hair = torch.lerp(identity.hair, torch.full_like(identity.hair, 0.66), identity.gray[:, None])
    return torch.where((identity.hair_style == SCARF)[:, None], identity.cloth * 0.85 + 0.05, hair)


def paint_hair(image: Tensor, mask: Tensor, tone: Tensor, identity: Identity) -> None:
    """Paint hair or headscarf where `mask` is 1, with the reflected light `tone`."""
    over(image, mask, flat_hair(identity).square()[:, :, None, None] * tone[:, None])


# ----------------------------------------------------------------------------------------------------- beards

# By kind: density of the hair on cheeks and jaw, and on the upper lip, and darkening of the skin by stubble.
_BEARD = {
    #             jaw   lip   shade
    "none":      (0.0,  0.0,  0.0),
    "stubble":   (0.0,  0.0,  0.85),
    "moustache": (0.0,  1.0,  0.25),
    "full":      (1.0,  0.9,  0.0),
}  # fmt: skip


def beard_field(c: Canvas, identity: Identity, s: Shape, m: LipField) -> tuple[Tensor, Tensor]:
    """Density of a beard on cheeks and jaw, and of a moustache, each (N, H, W) in [0, 1]; 0 on the lips."""
    drop = per_face(s.mouth_y - identity.mouth_height)  # drop of the jaw
    high = per_face(normal(identity.person, "cheek line", 0, 0.05))
    # The cheek line runs in a concave curve from the front of the ear to the corner of the mouth.
    hollow = (1.10 - c.a).clamp(0, 0.62)
    line = 0.24 + high + 2.3 * hollow - 1.6 * hollow.square() + drop * (1.1 - c.a).clamp(0, 1)
    jaw = ramp(c.v - line, -0.14, 0.20)
    # Hair is sparse on both sides of the tuft under the lower lip.
    jaw = jaw * (1 - 0.45 * gaussian_2d(c.a, c.v, 0.24, m.bottom + 0.08, 0.11, 0.08))
    top = per_face(s.nose_y) + 0.03 + 0.35 * (c.a - 0.14).clamp(min=0)
    lip = ramp(c.v - top, 0.0, 0.08) * (1 - ramp(c.a, 0.38, 0.54))
    lip = lip * c.edge(c.v - m.inner_top - 0.10 * ramp(c.a, 0.30, 0.42), 0.05)
    lip = lip * (1 - 0.25 * gaussian(c.u, 0.0, 0.03))
    around = (1.06 * c.side(s.mouth_x) - c.a).clamp(min=-1)
    on_lips = torch.minimum(torch.minimum(c.v - m.top, m.bottom - c.v), around)
    off_lips = 1 - c.edge(-on_lips - 0.012, 0.02)
    return jaw * off_lips, lip * off_lips


def paint_beard(image: Tensor, c: Canvas, identity: Identity, s: Shape, m: LipField) -> None:
    """Paint stubble, moustache or full beard around the lips."""
    rows = identity.beard.nonzero()[:, 0]
    if len(rows):
        part = image[rows]
        _paint_beard(part, select_rows(c, rows), identity[rows], s[rows], select_rows(m, rows))
        image[rows] = part


def _paint_beard(image: Tensor, c: Canvas, identity: Identity, s: Shape, m: LipField) -> None:
    jaw, lip = beard_field(c, identity, s, m)
    kinds = torch.tensor([_BEARD[name] for name in BEARDS], device=c.u.device)[identity.beard]
    on_jaw, on_lip, shade = (per_face(column) for column in kinds.unbind(1))
    x, y = offsets(identity.person, "beard")
    tufts = noise(c.u * 12 + x, c.v * 7 + y) * fading(c.pixel, 1 / 12)
    hairs = noise(c.u * 50 + tufts + y, c.v * 14 + x) * fading(c.pixel, 1 / 50)
    stubble = torch.maximum(jaw, lip) * shade * (0.42 + 0.10 * hairs).clamp(min=0)
    over(image, stubble, identity.skin * flat((0.42, 0.43, 0.47), c.u))
    grown = torch.maximum(jaw * on_jaw, lip * on_lip)
    # Where the beard is sparse, single hairs cover the skin; where it is dense, it covers the skin fully.
    cover = ramp(grown + (0.16 * hairs + 0.05 * tufts) * (grown > 0), 0.12, 0.70) * 0.92
    # Beards are darker than the hair of the head unless they are grey.
    dark = torch.minimum(identity.hair * 0.75 + 0.03, identity.skin * 0.60 + 0.03)
    color = torch.lerp(dark, flat((0.50, 0.49, 0.47), c.u), (identity.gray * 1.2).clamp(max=1)[:, None])
    over(image, cover, color[:, :, None, None] * (0.94 + 0.12 * hairs + 0.06 * tufts)[:, None])
