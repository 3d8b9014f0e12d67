"""What is around the face: background, clothes, neck, ears, hair, headscarf, glasses."""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.datasets.synthetic.canvas import Canvas, col, hill, over, ramp
from facekit.datasets.synthetic.draws import chance, uniform
from facekit.datasets.synthetic.people import HAIR_STYLES, Identity
from facekit.datasets.synthetic.shape import Shape
from facekit.datasets.synthetic.view import View

# By style: how far the hair stands off at the top and at the sides, how far it is stretched downward, where it is
# cut (y), how wavy it is, how much lower than the average its line is, its temples, how far a fringe comes down.
_STYLE = {
    #             top    side   hang  cut    wave line  temple fringe
    "bald":      (0.00, -0.05, 0.00, -0.90, 0.0, -1.5,   0.0, 0.0),
    "short":     (0.13,  0.03, 0.30,  0.05, 0.3,  0.0,   0.1, 0.0),
    "side part": (0.17,  0.05, 0.34,  0.12, 0.1,  0.0,   0.1, 0.25),
    "receding":  (0.07,  0.02, 0.30,  0.05, 0.2, -0.3,   0.5, 0.0),
    "fringe":    (0.16,  0.14, 1.40,  1.30, 0.1,  0.0,   0.0, 0.40),
    "long":      (0.15,  0.17, 2.50,  2.60, 0.2,  0.0,   0.0, 0.10),
    "curly":     (0.24,  0.30, 1.10,  2.60, 1.0,  0.0,   0.0, 0.08),
    "afro":      (0.42,  0.42, 0.15,  2.60, 0.9,  0.0,   0.1, 0.0),
    "bun":       (0.09,  0.03, 0.20, -0.10, 0.1, -0.05,  0.1, 0.0),
    "headscarf": (0.14,  0.14, 2.50,  2.60, 0.0,  0.05, -0.2, 0.0),
}  # fmt: skip


class Hair:
    """The forms of N people's hair at each pixel."""

    def __init__(self, c: Canvas, who: Identity, s: Shape, texture: float = 1.0) -> None:
        table = torch.tensor([_STYLE[name] for name in HAIR_STYLES], device=c.u.device)[who.hair_style]
        top, side, hang, cut, wave, line, temple, fringe = (col(table[:, i]) for i in range(8))
        self.scarf = col((who.hair_style == HAIR_STYLES.index("headscarf")).float())
        volume = col(who.hair_volume)
        phase = col(uniform(who.person, "hair phase", 0, 6.28))
        self.curl = torch.sin(c.u * 17 + phase + 2.5 * torch.sin(c.v * 13)) * torch.sin(c.v * 15 - phase)
        curl = self.curl * wave * (0.07 * texture)
        # Behind the head: an egg around the skull, hanging down as long as it is.
        v = c.v - (c.v + 0.35).clamp(min=0).minimum(hang)
        egg = ((c.u / (col(s.width) + side * volume)).square() + ((v + 0.25) / (1.37 + top * volume)).square()).sqrt()
        self.behind_distance = torch.maximum((egg - 1) * 1.2 + curl, c.v - cut)
        self.behind = c.edge(self.behind_distance, 0.03)
        # Before the forehead: everything above the hairline.
        part = col(who.parting)
        lean = (c.u * part + 0.35).clamp(-0.9, 1.2)
        line_y = col(who.hairline) + line + 0.42 * c.u * c.u - temple * hill(c.a, 0.62, 0.25)
        sides = ramp(c.a, 0.80, 1.02)
        swoop = fringe * (0.75 + 0.35 * lean) * (1 - sides)
        self.front_distance = c.v - line_y - swoop - 1.6 * sides * (c.a - 0.80).clamp(min=0) + curl
        self.front = c.edge(self.front_distance, 0.05)
        strands = torch.sin((c.u * 34 + phase) + 4 * torch.sin(c.u * 3 + c.v * 2) + c.v * 7)
        self.light = 0.86 + 0.08 * strands * (1 - 0.6 * wave) + 0.16 * self.curl * wave
        self.shine = hill(c.v + 0.25 * c.u * c.u, -1.12, 0.16) * (1 - 0.6 * wave)


def paint_background(c: Canvas, view: View) -> Tensor:
    """A soft run from one colour to another, (N, 3, H, W)."""
    size = c.u.shape[-1]
    line = (torch.arange(size, device=c.u.device) * 2 + 1).float() / size - 1
    t = col(view.back_angle.cos()) * line[None, None, :] + col(view.back_angle.sin()) * line[None, :, None]
    t = (0.5 + 0.4 * t)[:, None]
    return torch.lerp(view.back_a[:, :, None, None], view.back_b[:, :, None, None], t)


def paint_body(picture: Tensor, c: Canvas, who: Identity, s: Shape, light: Tensor) -> None:
    """Neck and clothes, with the head's shadow on the neck."""
    neck = c.edge(c.a - 0.62 - 0.10 * ramp(c.v, 1.5, 2.2), 0.02) * ramp(c.v, 0.5, 0.7)
    shade = 0.45 + 0.25 * ramp(c.v - col(s.lower), 0.0, 0.6) - 0.20 * (c.a / 0.65).square().clamp(max=1)
    over(picture, neck, (who.skin.square()[:, :, None, None] * (shade * light)[:, None]))
    cloth = c.edge(1.98 + 0.18 * (c.a - 0.45).clamp(min=-0.3) ** 2 - 0.35 * hill(c.a, 0.75, 0.4) - c.v, 0.03)
    over(picture, cloth, who.cloth.square()[:, :, None, None] * (0.75 + 0.12 * torch.sin(c.u * 4))[:, None])


def paint_ears(picture: Tensor, c: Canvas, who: Identity, s: Shape, light: Tensor) -> None:
    """Ears, behind the outline of the face."""
    y = (c.v - 0.20) / 0.33
    x = (c.a - col(s.width) + 0.02 + 0.05 * y) / (0.13 - 0.03 * y.clamp(-1, 1))
    out = (x * x + y * y).sqrt()
    shade = (0.80 - 0.30 * hill(out, 0.5, 0.3)) * light
    bare = col((who.hair_style != HAIR_STYLES.index("headscarf")).float())
    over(picture, c.edge((out - 1) * 0.18) * bare, who.skin.square()[:, :, None, None] * shade[:, None])


def flat_hair(who: Identity) -> Tensor:
    """Colour of the hair, greyed by age, or of the headscarf, (N, 3)."""
    hair = torch.lerp(who.hair, torch.full_like(who.hair, 0.66), who.gray[:, None])
    scarf = who.hair_style == HAIR_STYLES.index("headscarf")
    return torch.where(scarf[:, None], who.cloth * 0.85 + 0.05, hair)


def paint_hair(picture: Tensor, mask: Tensor, hair: Hair, who: Identity, dark: float) -> None:
    """Hair or headscarf wherever `mask` says, by light and shine; `dark` for what lies behind."""
    color = flat_hair(who).square()[:, :, None, None]
    tone = torch.where(hair.scarf > 0, 0.92 + 0.04 * hair.curl, hair.light + 1.1 * hair.shine)
    over(picture, mask, color * (tone * dark)[:, None])


def glasses_lines(c: Canvas, who: Identity) -> tuple[Tensor, Tensor]:
    """Round or square frames with bridge and temples, and the glass within, each (N, H, W)."""
    x, y = (c.a - 0.50).abs() / 0.335, (c.v - 0.05).abs() / 0.27
    round_, square = (x * x + y * y).sqrt(), (x.pow(4) + y.pow(4)).sqrt().sqrt()
    out = (torch.where(col(who.glasses == 2), square, round_) - 1) * 0.29
    bridge = c.band(c.v + 0.01 - 0.35 * c.u * c.u, 0.016) * c.edge(c.a - 0.19)
    temple = c.band(c.v + 0.02, 0.016) * c.edge(0.80 - c.a) * c.edge(c.a - 1.2)
    on = col((who.glasses > 0).float())
    return torch.maximum(torch.maximum(c.band(out, 0.018, 0.006), bridge), temple) * on, c.edge(out) * on


def paint_glasses(picture: Tensor, c: Canvas, who: Identity) -> None:
    """Glasses, their frames of metal or dark plastic."""
    metal = chance(who.person, "frame", 0.3)
    frame = torch.where(metal[:, None], 0.20, 0.01).expand(-1, 3)
    lines, glass = glasses_lines(c, who)
    over(picture, glass * 0.03, torch.full_like(frame, 0.15))
    over(picture, lines * 0.92, frame)
