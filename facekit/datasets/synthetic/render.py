"""The renderer: images of faces from identities, action units and views."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from facekit.datasets.synthetic.canvas import Canvas, over, per_face
from facekit.datasets.synthetic.cartoon import cartoon, stylised
from facekit.datasets.synthetic.detail import (
    level,
    refine_brows,
    refine_eyes,
    refine_mouth,
    refine_relief,
    refine_skin,
)
from facekit.datasets.synthetic.draws import mix
from facekit.datasets.synthetic.hair import Hair, paint_beard, paint_hair
from facekit.datasets.synthetic.identity import Identity
from facekit.datasets.synthetic.landmarks import landmarks
from facekit.datasets.synthetic.muscles import Displacements, displacements
from facekit.datasets.synthetic.paint import (
    exposure,
    lips,
    outline_distance,
    paint_brows,
    paint_eyes,
    paint_mouth,
    paint_skin,
)
from facekit.datasets.synthetic.relief import Relief, relief
from facekit.datasets.synthetic.scene import (
    paint_background,
    paint_body,
    paint_ears,
    paint_glasses,
)
from facekit.datasets.synthetic.shape import Shape, shape
from facekit.datasets.synthetic.view import View, project, unproject
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.faces import Faces, to_gray
from facekit.faces.parts import DOMAINS

RENDERER_VERSION = 4
"""Increased whenever an image changes, so that caches and weights from an older renderer can be recognised."""

# Pixels rendered at once. On a CPU so few that the several dozen temporary arrays fit into the cache of a core; on a
# GPU, where starting a kernel takes longer than computing so few pixels, as many as a quarter of its free memory holds.
_CHUNK, _LARGEST_CHUNK = 1 << 16, 1 << 24
_BYTES_PER_PIXEL = 1024  # at most, of all temporary arrays


@torch.no_grad()
def render(
    identity: Identity,
    action_units: Tensor,
    view: View,
    size: int = 64,
    channels: int = 3,
    domain: Tensor | str = "photo",
    muscles: Callable[[Tensor], Displacements] = displacements,
) -> Faces:
    """Render N faces.

    identity      N identities
    action_units  (N, A) intensities in [0, 1], columns as `ACTION_UNIT_COLUMNS`; or (N, T, A) for sequences
    view          N views; for sequences, also one for each frame, N * T
    size          height and width in pixels, at least 16
    channels      3 for RGB, or 1 for its luma
    domain        `"photo"` or `"cartoon"` for all faces, or an index into `DOMAINS` for each, (N,)
    muscles       maps action units (n, A) to displacements; replace it for experiments, such as faces without folds

    Returns `Faces` with images, action units, landmarks, mask, person, domain and the attributes of the identities. A
    face does not depend on the other faces of the batch. Raises `ValueError` for shapes that do not match.
    """
    _check(identity, action_units, view, size, channels)
    if isinstance(domain, str):
        domain = torch.full((len(identity),), DOMAINS.index(domain), device=action_units.device)
    frames = action_units.shape[1] if action_units.ndim == 3 else None
    if frames is None:
        scene = _Scene(identity, action_units, view, domain)
    else:
        scene = _Scene(
            identity.repeat_interleave(frames),
            action_units.flatten(0, 1),
            view if len(view) > len(identity) else view.repeat_interleave(frames),
            domain.repeat_interleave(frames),
        )
    images, masks, points = _render_in_chunks(scene, size, channels, muscles)
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


class _Scene(NamedTuple):
    """The inputs of the renderer, with one row per image."""

    identity: Identity
    action_units: Tensor
    view: View
    domain: Tensor


def _render_in_chunks(scene: _Scene, size: int, channels: int, muscles: Callable[[Tensor], Displacements]):
    """Images (N, C, H, W), masks (N, 1, H, W) and landmarks (N, 68, 2), a few faces of one domain at a time."""
    step = faces_at_once(size, scene.action_units.device)
    order, parts = [], []
    for i, domain in enumerate(DOMAINS):
        for rows in (scene.domain == i).nonzero()[:, 0].split(step):
            moved = muscles(scene.action_units[rows])
            order.append(rows)
            parts.append(_render_chunk(scene.identity[rows], moved, scene.view[rows], size, channels, domain))
    back = torch.cat(order).argsort()
    return tuple(torch.cat(column)[back] for column in zip(*parts, strict=True))


def faces_at_once(size: int, device: torch.device) -> int:
    """How many faces of size x size pixels are rendered together on a device."""
    pixels = _CHUNK
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        pixels = min(max(_CHUNK, free // 4 // _BYTES_PER_PIXEL), _LARGEST_CHUNK)
    return max(1, pixels // size**2)


def _check(identity: Identity, action_units: Tensor, view: View, size: int, channels: int) -> None:
    if action_units.ndim not in (2, 3) or action_units.shape[-1] != len(ACTION_UNIT_COLUMNS):
        raise ValueError(
            f"action_units have shape {tuple(action_units.shape)}; need (N, {len(ACTION_UNIT_COLUMNS)}), or (N, T, ...)"
        )
    frames = action_units.shape[1] if action_units.ndim == 3 else 1
    if len(identity) != len(action_units) or len(view) not in (len(identity), len(identity) * frames):
        raise ValueError(
            f"there are {len(identity)} identities, {len(action_units)} expressions and {len(view)} views; "
            "give equal numbers"
        )
    check_size(size, channels)


def check_size(size: int, channels: int) -> None:
    """Raise `ValueError` for an image size or a number of channels that cannot be rendered."""
    if size < 16 or channels not in (1, 3):
        raise ValueError(f"size is {size} and channels {channels}; need a size of at least 16, and 1 or 3 channels")


def _render_chunk(identity: Identity, p: Displacements, view: View, size: int, channels: int, domain: str):
    """Images (n, C, H, W), masks (n, 1, H, W) and landmarks (n, 68, 2) of a few faces."""
    identity = stylised(identity) if domain == "cartoon" else identity
    s = shape(identity, p)
    points = project(*landmarks(s), view, identity.nose_depth)
    u, v = unproject(view, identity.nose_depth, size)
    c = Canvas.of(u, v, 1 / (size * view.scale))
    outline = outline_distance(c, s)
    paint = cartoon if domain == "cartoon" else _photo
    image = paint(c, identity, s, p, view, outline)
    images = image.clamp_(0, 1).mul_(2).sub_(1)
    mask = c.edge(outline) * c.edge(per_face(identity.hairline) - c.v, 0.03)
    return (to_gray(images) if channels == 1 else images), mask[:, None], points


def _photo(c: Canvas, identity: Identity, s: Shape, p: Displacements, view: View, outline: Tensor) -> Tensor:
    """Images (n, 3, H, W) in [0, 1]. Light is added in squared sRGB values, which are close to linear intensity."""
    m = lips(c, s)
    surface = relief(c, identity, s, p, m)
    fine = level(c).any()
    if fine:
        refine_relief(surface, c, identity, s, p, m)
    light, shine = _light(c, surface, identity, view)

    face = paint_skin(c, identity)
    if fine:
        refine_skin(face, c, identity)
    paint_beard(face, c, identity, s, m)
    paint_brows(face, c, identity, s)
    paint_eyes(face, c, identity, s, view)
    paint_mouth(face, c, identity, s, m)
    if fine:
        refine_brows(face, c, identity, s)
        refine_eyes(face, c, identity, s, view)
        refine_mouth(face, c, identity, s, m)
    hair = Hair(c, identity, s)
    light = light * hair.shadow
    face = face.square_().mul_(light[:, None]).add_(shine[:, None])

    image = paint_background(c, view).square_()
    side = ((view.light + view.ambient) * 0.93 * exposure(identity))[:, None, None]
    tone = hair.tone(c, identity, view)
    paint_hair(image, hair.behind, tone * 0.58, identity)
    paint_body(image, c, identity, outline, side)
    paint_ears(image, c, identity, s, side)
    over(image, c.edge(outline), face)
    paint_glasses(image, c, identity, view)
    above = torch.maximum(c.edge(outline), hair.behind)
    paint_hair(image, hair.front * above, tone, identity)
    return _camera(image, view)


def _light(c: Canvas, surface: Relief, identity: Identity, view: View) -> tuple[Tensor, Tensor]:
    """Diffuse and specular shading of the skin, each (n, H, W)."""
    z = surface.height - c.u * per_face(view.yaw.sin()) - c.v * per_face(view.pitch.sin())
    dx, dy = _slopes(z)
    dx, dy = dx / c.pixel, dy / c.pixel
    norm = (dx * dx + dy * dy + 1).rsqrt_()
    lx, ly = view.light_side.sin() * view.light_up.cos(), -view.light_up.sin()
    lz = view.light_side.cos() * view.light_up.cos()
    facing = (per_face(lz) - dx * per_face(lx) - dy * per_face(ly)) * norm
    # Wrapped Lambert shading, because skin scatters light beyond the terminator.
    diffuse = ((facing + 0.25) / 1.25).clamp(min=0)
    open_ = (1 - surface.hollow).clamp(0.08, 1.3)
    gain = per_face(exposure(identity))
    light = (per_face(view.light) * diffuse + per_face(view.ambient) * (0.95 + 0.64 * norm)) * open_ * gain
    half = (torch.stack([lx, ly, lz + 1]) / torch.stack([lx, ly, lz + 1]).norm(dim=0)).unbind(0)
    toward = ((per_face(half[2]) - dx * per_face(half[0]) - dy * per_face(half[1])) * norm).clamp(min=0)
    for _ in range(4):  # to the 16th power: the exponent of the Blinn-Phong highlight
        toward = toward * toward
    return light, toward * per_face(0.040 * identity.oil * view.light) * open_ * gain


def _slopes(z: Tensor) -> tuple[Tensor, Tensor]:
    """Finite differences of heights per pixel to the right and down: central, one-sided at the border."""
    dx, dy = torch.empty_like(z), torch.empty_like(z)
    torch.sub(z[:, :, 2:], z[:, :, :-2], out=dx[:, :, 1:-1]).mul_(0.5)
    torch.sub(z[:, 2:], z[:, :-2], out=dy[:, 1:-1]).mul_(0.5)
    dx[:, :, 0], dx[:, :, -1] = z[:, :, 1] - z[:, :, 0], z[:, :, -1] - z[:, :, -2]
    dy[:, 0], dy[:, -1] = z[:, 1] - z[:, 0], z[:, -1] - z[:, -2]
    return dx, dy


def _camera(image: Tensor, view: View) -> Tensor:
    """The camera: lens blur, exposure, white balance, gamma and noise."""
    tint = torch.tensor([0.06, 0.0, -0.08], device=image.device)
    gain = view.exposure[:, None] * (1 + view.warmth[:, None] * tint)
    image = _lens_blur(image, view.soft).mul_(gain[:, :, None, None]).clamp_(min=0).sqrt_()
    return image + _noise(view, image.shape[-1])


def _lens_blur(image: Tensor, soft: Tensor) -> Tensor:
    """Each pixel passes a share of its light, (n,), to its neighbours, as in a real lens."""
    soft = soft[:, None, None, None]
    for axis in (2, 3):
        around = pad(image, (0, 0, 1, 1) if axis == 2 else (1, 1, 0, 0), mode="replicate")
        size = image.shape[axis]
        beside = around.narrow(axis, 0, size) + around.narrow(axis, 2, size)
        image = torch.lerp(image, beside, soft).sub_(image * soft)
    return image


def _noise(view: View, size: int) -> Tensor:
    """Noise (n, 3, H, W) from a hash of view and pixel: ten bits for each colour channel."""
    pixel = torch.arange(size * size, device=view.seed.device)
    key = mix((view.seed & 0xFFFFFFFF) ^ 0x5BD1E995)[:, None]
    hashed = mix((key + pixel * 0x01000193) & 0xFFFFFFFF)
    grain = torch.stack([(hashed >> shift) & 1023 for shift in (2, 12, 22)], 1).float()
    luma = grain.sum(1, keepdim=True) * (1 / 3)
    # Mostly common to the three colour channels; the factors give it standard deviation 1.
    grain = (luma * 1.5 + grain * 0.5 - 1023.0).mul_(1 / 360.0)
    return grain.unflatten(-1, (size, size)) * view.noise[:, None, None, None]
