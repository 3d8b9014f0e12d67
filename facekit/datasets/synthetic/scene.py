"""Everything around the face except hair: background, neck, clothes, ears, glasses."""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.datasets.synthetic.canvas import Canvas, gaussian, gaussian_2d, over, per_face, ramp, select_rows
from facekit.datasets.synthetic.draws import chance, uniform
from facekit.datasets.synthetic.identity import HAIR_STYLES, Identity
from facekit.datasets.synthetic.noise import noise, offsets
from facekit.datasets.synthetic.shape import Shape
from facekit.datasets.synthetic.view import View

# Hair styles that cover the ears.
_COVERING_EARS = [HAIR_STYLES.index(name) for name in ("fringe", "long", "headscarf")]


def paint_background(c: Canvas, view: View) -> Tensor:
    """A gradient between two colours with blurred patches, (N, 3, H, W)."""
    size = c.u.shape[-1]
    line = (torch.arange(size, device=c.u.device) * 2 + 1).float() / size - 1
    across, down = line[None, None, :], line[None, :, None]
    t = 0.5 + 0.4 * (per_face(view.back_angle.cos()) * across + per_face(view.back_angle.sin()) * down)
    x, y = offsets(view.seed, "back")
    fine = per_face(uniform(view.seed, "back grain", 0.6, 2.2))
    patches = noise(across * fine + x + 0 * t, down * fine * 0.6 + y + 0 * t)
    t = (t + per_face(uniform(view.seed, "back patches", 0.0, 0.45)) * patches)[:, None]
    return torch.lerp(view.back_a[:, :, None, None], view.back_b[:, :, None, None], t).clamp_(0, 1)


def paint_body(image: Tensor, c: Canvas, identity: Identity, outline: Tensor, light: Tensor) -> None:
    """Neck and clothes, with the shadow of the head on the neck."""
    half = 0.66 + 0.06 * identity.strong[:, None, None] + 0.22 * ramp(c.v, 1.55, 2.25)
    neck = c.edge(c.a - half, 0.02) * ramp(c.v, 0.5, 0.7)
    # Dark under the jaw and at the sides; paler along the sternocleidomastoid muscles.
    shade = 0.28 + 0.42 * ramp(outline, 0.0, 0.55) - 0.22 * (c.a / 0.72).square().clamp_(max=1)
    shade = shade + 0.08 * gaussian(c.a + 0.55 * c.v, 1.36, 0.10)
    over(image, neck, identity.skin.square()[:, :, None, None] * (shade * light)[:, None])
    _clothes(image, c, identity, light)


# Necklines: y at the middle, slope to the sides, width of the rim, darkening within it.
_COLLARS = (
    (1.98, 0.35, 0.06, 0.10),  # crew neck
    (2.28, 0.95, 0.05, 0.10),  # V
    (2.10, 0.60, 0.16, -0.06),  # shirt
)


def _clothes(image: Tensor, c: Canvas, identity: Identity, light: Tensor) -> None:
    """A crew neck, a V neck or a shirt collar, over sloping shoulders."""
    kind = (uniform(identity.person, "collar") * len(_COLLARS)).long()
    low, steep, rim, dark = (per_face(column) for column in torch.tensor(_COLLARS, device=c.u.device)[kind].unbind(1))
    # The neckline rises to the junction of neck and shoulder, from which the shoulder slopes down.
    inside = torch.maximum(low - steep * c.a - c.v, 1.66 + 0.45 * (c.a - 0.72).clamp(min=0) - c.v)
    folds = 0.04 * torch.sin(c.u * 4 + 9 * per_face(identity.hair_volume))
    shade = 0.68 + folds - dark * c.edge(-inside - rim) - 0.16 * gaussian(inside, -rim, 0.02)
    over(
        image,
        c.edge(inside, 0.02),
        identity.cloth.square()[:, :, None, None] * (shade * light.clamp(max=1.2))[:, None],
    )


def paint_ears(image: Tensor, c: Canvas, identity: Identity, s: Shape, light: Tensor) -> None:
    """Ears, unless hair or a headscarf covers them, behind the outline of the face."""
    covered = torch.isin(identity.hair_style, torch.tensor(_COVERING_EARS, device=c.u.device))
    rows = covered.logical_not().nonzero()[:, 0]
    if len(rows):
        part = image[rows]
        _paint_ears(part, select_rows(c, rows), identity[rows], s[rows], light[rows])
        image[rows] = part


def _paint_ears(image: Tensor, c: Canvas, identity: Identity, s: Shape, light: Tensor) -> None:
    """The rim of the helix, the concha in front of it, and the lobe."""
    y = (c.v - 0.20) / 0.34
    x = (c.a - per_face(s.width) + 0.03 + 0.06 * y) / (0.145 - 0.035 * y.clamp(-1, 1))
    out = (x * x + y * y).sqrt()
    rim = gaussian(out, 0.86, 0.13) * (1 - ramp(y, 0.35, 0.75))
    hollow = gaussian_2d(x, y, 0.25, -0.05, 0.35, 0.55) + 0.6 * gaussian(out, 0.66, 0.09) * (1 - ramp(y, 0.2, 0.6))
    shade = (0.78 + 0.12 * rim - 0.38 * hollow.clamp(max=1)) * light
    red = torch.tensor([1.04, 0.93, 0.92], device=c.u.device)
    over(image, c.edge((out - 1) * 0.18), (identity.skin * red).square()[:, :, None, None] * shade[:, None])


def glasses_lines(c: Canvas, identity: Identity) -> tuple[Tensor, Tensor]:
    """Masks of the frames (round or square, with bridge and temples) and of the lenses, each (N, H, W)."""
    x, y = (c.a - 0.50).abs() / 0.335, (c.v - 0.06).abs() / 0.28
    x2, y2 = x * x, y * y
    round_, square = (x2 + y2).sqrt(), (x2 * x2 + y2 * y2).sqrt().sqrt()
    out = (torch.where(per_face(identity.glasses == 2), square, round_) - 1) * 0.29
    bridge = c.band(c.v + 0.01 - 0.35 * c.u * c.u, 0.012) * c.edge(c.a - 0.19)
    temple = c.band(c.v + 0.02, 0.014) * c.edge(0.80 - c.a) * c.edge(c.a - 1.2)
    on = per_face((identity.glasses > 0).float())
    half = per_face(uniform(identity.person, "frame width", 0.010, 0.017))
    return torch.maximum(torch.maximum(c.band(out, half, 0.006), bridge), temple) * on, c.edge(out) * on


def paint_glasses(image: Tensor, c: Canvas, identity: Identity, view: View) -> None:
    """Glasses of metal or plastic, with a pale reflection and a faint shadow on the skin below."""
    rows = identity.glasses.nonzero()[:, 0]
    if len(rows):
        part = image[rows]
        _paint_glasses(part, select_rows(c, rows), identity[rows], view[rows])
        image[rows] = part


def _paint_glasses(image: Tensor, c: Canvas, identity: Identity, view: View) -> None:
    metal = chance(identity.person, "frame", 0.4)
    plastic = identity.cloth.square() * 0.10 + 0.008
    frame = torch.where(metal[:, None], 0.16, plastic)
    lines, glass = glasses_lines(c, identity)
    image.mul_(1 - 0.16 * _shifted_down(lines, c)[:, None])
    streak = c.u * 0.8 + c.v - 0.5 * per_face(view.light_side) - 0.25 * c.u.sign()
    over(image, glass * (0.02 + 0.10 * gaussian(streak, 0.0, 0.10)), identity.skin.square() + 0.10)
    over(image, lines * 0.92, frame)


def _shifted_down(lines: Tensor, c: Canvas) -> Tensor:
    """The lines shifted down by a little, as the position of their shadow."""
    rows = max(1, round(0.03 * c.u.shape[-1] * 0.35))
    return torch.nn.functional.pad(lines, (0, 0, rows, 0))[:, : lines.shape[1]]
