"""From people, expressions and views to pictures."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from facekit.datasets.synthetic.canvas import Canvas, col, over
from facekit.datasets.synthetic.cartoon import cartoon, stylised
from facekit.datasets.synthetic.draws import mix
from facekit.datasets.synthetic.hair import Hair, paint_beard, paint_hair
from facekit.datasets.synthetic.muscles import Pull, pull
from facekit.datasets.synthetic.paint import (
    exposure,
    lips,
    outline_distance,
    paint_brows,
    paint_eyes,
    paint_mouth,
    paint_skin,
)
from facekit.datasets.synthetic.people import Identity
from facekit.datasets.synthetic.relief import Relief, relief
from facekit.datasets.synthetic.scene import (
    paint_background,
    paint_body,
    paint_ears,
    paint_glasses,
)
from facekit.datasets.synthetic.shape import Shape, landmarks, shape
from facekit.datasets.synthetic.view import View, project, unproject
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.faces import Faces, to_gray
from facekit.faces.parts import DOMAINS

RENDERER_VERSION = 3
"""Raised whenever a picture changes, so that caches and weights made before are known to be older."""

# Pixels drawn at once: what fits into a core's cache with the few dozen arrays that are alive together.
_CHUNK = 1 << 16


@torch.no_grad()
def render(
    identity: Identity,
    action_units: Tensor,
    view: View,
    size: int = 64,
    channels: int = 3,
    domain: Tensor | str = "photo",
    muscles: Callable[[Tensor], Pull] = pull,
) -> Faces:
    """Draw N faces.

    identity      N people
    action_units  (N, A) in [0, 1], columns as `ACTION_UNIT_COLUMNS`; or (N, T, A) for sequences
    view          N views
    size          height and width in pixels, 16 or more
    channels      3, or 1 for the luma of the same picture
    domain        `"photo"` or `"cartoon"`, or an index into `DOMAINS` for each, (N,)
    muscles       what action units (n, A) do to the face; another function than `pull` is for experiments, such as
                  a face without folds

    Returns `Faces` with pictures, action units, landmarks, mask, person, domain and the person's attributes. A face
    does not depend on the others that are drawn with it. Raises `ValueError` for shapes that do not fit.
    """
    _check(identity, action_units, view, size, channels)
    if isinstance(domain, str):
        domain = torch.full((len(identity),), DOMAINS.index(domain), device=action_units.device)
    frames = action_units.shape[1] if action_units.ndim == 3 else None
    units, kinds, who, seen = action_units, domain, identity, view
    if frames is not None:
        units, kinds = units.flatten(0, 1), kinds.repeat_interleave(frames)
        who, seen = who.repeat_interleave(frames), seen.repeat_interleave(frames)

    step = max(1, _CHUNK // size**2)
    order, parts = [], []
    for kind in range(len(DOMAINS)):
        of_kind = (kinds == kind).nonzero()[:, 0]
        for rows in of_kind.split(step):
            order.append(rows)
            parts.append(_draw(who[rows], muscles(units[rows]), seen[rows], size, channels, DOMAINS[kind]))
    back = torch.cat(order).argsort()
    images, masks, points = (torch.cat(column)[back] for column in zip(*parts, strict=True))
    if frames is not None:
        images, masks, points = (value.unflatten(0, (-1, frames)) for value in (images, masks, points))
    return Faces(
        images,
        action_units=action_units,
        landmarks=points,
        mask=masks,
        person=identity.person,
        domain=domain,
        attributes=identity.attributes(),
    )


def _check(identity: Identity, action_units: Tensor, view: View, size: int, channels: int) -> None:
    if action_units.ndim not in (2, 3) or action_units.shape[-1] != len(ACTION_UNIT_COLUMNS):
        raise ValueError(
            f"action_units have shape {tuple(action_units.shape)}; need (N, {len(ACTION_UNIT_COLUMNS)}), or (N, T, ...)"
        )
    if not len(identity) == len(view) == len(action_units):
        raise ValueError(
            f"{len(identity)} people, {len(action_units)} expressions and {len(view)} views: give as many of each"
        )
    check_size(size, channels)


def check_size(size: int, channels: int) -> None:
    """Raise `ValueError` for pictures that cannot be drawn."""
    if size < 16 or channels not in (1, 3):
        raise ValueError(f"size is {size} and channels {channels}; need a size of 16 or more, and 1 or 3 channels")


def _draw(who: Identity, p: Pull, view: View, size: int, channels: int, domain: str):
    """Pictures (n, C, H, W), masks (n, 1, H, W) and landmarks (n, 68, 2) of a few faces."""
    who = stylised(who) if domain == "cartoon" else who
    s = shape(who, p)
    points = project(*landmarks(s), view, who.nose_depth)
    u, v = unproject(view, who.nose_depth, size)
    c = Canvas.of(u, v, 1 / (size * view.scale))
    outline = outline_distance(c, s)
    paint = cartoon if domain == "cartoon" else _photo
    picture = paint(c, who, s, p, view, outline)
    images = picture.clamp_(0, 1).mul_(2).sub_(1)
    mask = c.edge(outline) * c.edge(col(who.hairline) - c.v, 0.03)
    return (to_gray(images) if channels == 1 else images), mask[:, None], points


def _photo(c: Canvas, who: Identity, s: Shape, p: Pull, view: View, outline: Tensor) -> Tensor:
    """Pictures (n, 3, H, W) in [0, 1]. Light adds up in squared sRGB, which is close to linear."""
    m = lips(c, s)
    surface = relief(c, who, s, p, m)
    light, shine = _light(c, surface, who, view)

    face = paint_skin(c, who, p)
    paint_beard(face, c, who, s, m)
    paint_brows(face, c, who, s)
    paint_eyes(face, c, who, s, view)
    paint_mouth(face, c, who, s, m)
    hair = Hair(c, who, s)
    light = light * hair.shadow
    face = face.square_().mul_(light[:, None]).add_(shine[:, None])

    picture = paint_background(c, view).square_()
    side = ((view.light + view.ambient) * 0.93 * exposure(who))[:, None, None]
    tone = hair.tone(c, who, view)
    paint_hair(picture, hair.behind, tone * 0.58, who)
    paint_body(picture, c, who, outline, side)
    paint_ears(picture, c, who, s, side)
    over(picture, c.edge(outline), face)
    paint_glasses(picture, c, who, view)
    above = torch.maximum(c.edge(outline), hair.behind)
    paint_hair(picture, hair.front * above, tone, who)
    return _camera(picture, view)


def _light(c: Canvas, surface: Relief, who: Identity, view: View) -> tuple[Tensor, Tensor]:
    """Light that the skin sends back (diffuse), and its shine, each (n, H, W)."""
    z = surface.height - c.u * col(view.yaw.sin()) - c.v * col(view.pitch.sin())
    dx, dy = _slopes(z)
    dx, dy = dx / c.pixel, dy / c.pixel
    norm = (dx * dx + dy * dy + 1).rsqrt_()
    lx, ly = view.light_side.sin() * view.light_up.cos(), -view.light_up.sin()
    lz = view.light_side.cos() * view.light_up.cos()
    facing = (col(lz) - dx * col(lx) - dy * col(ly)) * norm
    # Skin scatters light past the terminator: wrapped Lambert.
    diffuse = ((facing + 0.25) / 1.25).clamp(min=0)
    open_ = (1 - surface.hollow).clamp(0.08, 1.3)
    gain = col(exposure(who))
    light = (col(view.light) * diffuse + col(view.ambient) * (0.95 + 0.64 * norm)) * open_ * gain
    half = (torch.stack([lx, ly, lz + 1]) / torch.stack([lx, ly, lz + 1]).norm(dim=0)).unbind(0)
    toward = ((col(half[2]) - dx * col(half[0]) - dy * col(half[1])) * norm).clamp(min=0)
    for _ in range(4):  # to the 16th power
        toward = toward * toward
    return light, toward * col(0.040 * who.oil * view.light) * open_ * gain


def _slopes(z: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of heights per pixel to the right and down, central but at the border."""
    dx, dy = torch.empty_like(z), torch.empty_like(z)
    torch.sub(z[:, :, 2:], z[:, :, :-2], out=dx[:, :, 1:-1]).mul_(0.5)
    torch.sub(z[:, 2:], z[:, :-2], out=dy[:, 1:-1]).mul_(0.5)
    dx[:, :, 0], dx[:, :, -1] = z[:, :, 1] - z[:, :, 0], z[:, :, -1] - z[:, :, -2]
    dy[:, 0], dy[:, -1] = z[:, 1] - z[:, 0], z[:, -1] - z[:, -2]
    return dx, dy


def _camera(picture: Tensor, view: View) -> Tensor:
    """The lens, exposure, white balance, gamma and noise."""
    tint = torch.tensor([0.06, 0.0, -0.08], device=picture.device)
    gain = view.exposure[:, None] * (1 + view.warmth[:, None] * tint)
    picture = _through_lens(picture, view.soft).mul_(gain[:, :, None, None]).clamp_(min=0).sqrt_()
    return picture + _noise(view, picture.shape[-1])


def _through_lens(picture: Tensor, soft: Tensor) -> Tensor:
    """No lens is perfectly sharp: each pixel shares light (n,) with its neighbours."""
    soft = soft[:, None, None, None]
    for axis in (2, 3):
        around = pad(picture, (0, 0, 1, 1) if axis == 2 else (1, 1, 0, 0), mode="replicate")
        size = picture.shape[axis]
        beside = around.narrow(axis, 0, size) + around.narrow(axis, 2, size)
        picture = torch.lerp(picture, beside, soft).sub_(picture * soft)
    return picture


def _noise(view: View, size: int) -> Tensor:
    """Noise (n, 3, H, W) by hash of view and pixel: ten bits to each colour."""
    pixel = torch.arange(size * size, device=view.seed.device)
    key = mix((view.seed & 0xFFFFFFFF) ^ 0x5BD1E995)[:, None]
    hashed = mix((key + pixel * 0x01000193) & 0xFFFFFFFF)
    grain = torch.stack([(hashed >> shift) & 1023 for shift in (2, 12, 22)], 1).float()
    luma = grain.sum(1, keepdim=True) * (1 / 3)
    # Mostly one grain for all three colours; the factors make its deviation 1.
    grain = (luma * 1.5 + grain * 0.5 - 1023.0).mul_(1 / 360.0)
    return grain.unflatten(-1, (size, size)) * view.noise[:, None, None, None]
