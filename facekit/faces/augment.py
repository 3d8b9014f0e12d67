"""Augmentation of a batch of faces, by name, with landmarks, masks and other annotations transformed alike.

The random transforms of torchvision draw from the global random generator, once for a whole batch. Here each face has
its own draw, from a generator passed as an argument, so that a resumed training run repeats it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.action_units import mirrored_columns
from facekit.faces.faces import Faces
from facekit.faces.landmarks import mirror_landmarks


@dataclass(frozen=True)
class Recipe:
    """Ranges of the random changes; each is drawn uniformly. The default changes nothing."""

    flip: float = 0.0  # probability of a horizontal flip
    rotate: float = 0.0  # largest rotation in degrees, in both directions
    scale: float = 0.0  # largest relative change of size
    shift: float = 0.0  # largest horizontal and vertical shift, as a share of the side
    light: float = 0.0  # largest change of brightness (share of the range) and contrast (relative)
    shade: float = 0.0  # largest relative change of illumination, varying smoothly across the image
    blur: float = 0.0  # largest standard deviation of a Gaussian blur, in percent of the side
    noise: float = 0.0  # largest standard deviation of pixel noise, as a share of the range
    erase: float = 0.0  # probability of a grey rectangle (Zhong et al., *Random erasing data augmentation*, AAAI 2020)


_AFFINE = Recipe(flip=0.5, rotate=12, scale=0.15, shift=0.1)

RECIPES: dict[str, Recipe] = {
    "none": Recipe(),
    "flip": Recipe(flip=0.5),
    "affine": _AFFINE,
    "faces": dataclasses.replace(_AFFINE, light=0.15),
    "affine_erase": dataclasses.replace(_AFFINE, erase=0.5),
    "camera": Recipe(blur=1.0, noise=0.02),
    # Variation that rendered faces lack: for networks trained on rendered faces and applied to photographs.
    "photo": dataclasses.replace(_AFFINE, scale=0.2, light=0.12, shade=0.3, blur=1.8, noise=0.03, erase=0.5),
}

# How a horizontal flip changes attributes of the datasets.
_MIRRORED: dict[str, Callable[[Tensor], Tensor]] = {
    "facs": lambda scores: scores[..., mirrored_columns()],
    "gaze": lambda direction: -direction,
    "one_sided": lambda side: side.new_tensor([0, 2, 1])[side],
}

# Of an erased rectangle: its share of the image area, and its height divided by its width.
_ERASED_AREA, _ERASED_ASPECT = (0.02, 0.25), (0.3, 3.3)


def augmentation(name: str) -> Callable[[Faces, torch.Generator], Faces]:
    """The augmentation of `RECIPES` with this name; raises `ValueError` for an unknown name.

    The returned function takes a batch on any device and a random generator on the CPU.
    """
    if name not in RECIPES:
        raise ValueError(f"{name!r} is not an augmentation; use one of {', '.join(RECIPES)}")
    return partial(augment, recipe=RECIPES[name])


def augment(faces: Faces, generator: torch.Generator, recipe: Recipe) -> Faces:
    """Augment each face by its own random draw; all frames of a sequence are changed alike."""
    n, device = len(faces), faces.images.device
    if recipe.flip:
        faces = _where(torch.rand(n, generator=generator) < recipe.flip, mirrored(faces), faces)
    if recipe.rotate or recipe.scale or recipe.shift:
        angle = _symmetric(generator, n, math.radians(recipe.rotate))
        scale = 1 + _symmetric(generator, n, recipe.scale)
        shift = torch.stack([_symmetric(generator, n, 2 * recipe.shift) for _ in range(2)], dim=1)
        faces = transformed(faces, angle.to(device), scale.to(device), shift.to(device))
    if recipe.light:
        brightness, contrast = 2 * _symmetric(generator, n, recipe.light), 1 + _symmetric(generator, n, recipe.light)
        images = faces.images * _by_face(contrast, faces.images) + _by_face(brightness, faces.images)
        faces = dataclasses.replace(faces, images=images.clamp(-1, 1))
    if recipe.shade:
        faces = dataclasses.replace(faces, images=_shaded(faces.images, generator, recipe.shade))
    if recipe.blur:
        sigma = torch.rand(n, generator=generator) * (recipe.blur / 100 * faces.images.shape[-1])
        faces = dataclasses.replace(faces, images=_blurred(faces.images, sigma.to(device)))
    if recipe.noise:
        deviation = 2 * recipe.noise * torch.rand(n, generator=generator)
        grain = torch.randn(faces.images.shape, generator=generator).to(device)
        images = faces.images + grain * _by_face(deviation, faces.images)
        faces = dataclasses.replace(faces, images=images.clamp(-1, 1))
    if recipe.erase:
        faces = _erased(faces, generator, recipe.erase)
    return faces


def mirrored(faces: Faces) -> Faces:
    """Flip images and masks horizontally and swap the sides of action units, landmarks and attributes."""
    columns = mirrored_columns()
    attributes = {
        name: _MIRRORED[name](value) if name in _MIRRORED else value for name, value in faces.attributes.items()
    }
    return dataclasses.replace(
        faces,
        images=faces.images.flip(-1),
        mask=None if faces.mask is None else faces.mask.flip(-1),
        action_units=None if faces.action_units is None else faces.action_units[..., columns],
        landmarks=None if faces.landmarks is None else mirror_landmarks(faces.landmarks),
        attributes=attributes,
    )


def transformed(faces: Faces, angle: Tensor, scale: Tensor, shift: Tensor) -> Faces:
    """Apply a similarity transform: rotate about the image centre, scale, then shift; landmarks and mask alike.

    angle    (N,) radians, clockwise
    scale    (N,) enlarges if above 1
    shift    (N, 2) right and down, in units of half a side

    Outside its border, the image is continued by reflection and the mask by 0.
    """
    sin, cos = angle.sin() * scale, angle.cos() * scale
    forward = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # (N, 2, 2)
    back = forward.mT / (scale**2)[:, None, None]  # the inverse of a similarity
    theta = torch.cat([back, -back @ shift[:, :, None]], dim=2)  # maps each output pixel to its source
    landmarks = faces.landmarks
    if landmarks is not None:
        across = (1,) * (landmarks.ndim - 2)
        landmarks = (forward[:, None] @ landmarks.flatten(1, -2).mT[:, None]).squeeze(1).mT.reshape(landmarks.shape)
        landmarks = landmarks + shift.view(-1, *across, 2)
    return dataclasses.replace(
        faces,
        images=_sampled(faces.images, theta, "reflection"),
        mask=None if faces.mask is None else _sampled(faces.mask, theta, "zeros").clamp(0, 1),
        landmarks=landmarks,
    )


def _sampled(images: Tensor, theta: Tensor, outside: str) -> Tensor:
    # The frames of a sequence are treated as channels, because all are transformed alike.
    flat = images.flatten(1, -3)
    grid = F.affine_grid(theta.to(images), list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, padding_mode=outside, align_corners=False).view(images.shape)


def _shaded(images: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Multiply each image (N, ..., H, W) by a smooth random field with values around 1."""
    field = torch.rand((len(images), 1, 3, 3), generator=generator) * 2 - 1
    field = F.interpolate(field, images.shape[-2:], mode="bicubic", align_corners=True).to(images.device)
    factor = (1 + strength * field).view(len(images), *(1,) * (images.ndim - 3), *images.shape[-2:])
    return ((images + 1) * factor - 1).clamp(-1, 1)


def _blurred(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image (N, ..., H, W) with a Gaussian of its own standard deviation in pixels (N,)."""
    reach = max(1, math.ceil(2.5 * sigma.max().item()))
    at = torch.arange(-reach, reach + 1, device=images.device)
    kernel = (-at.square() / (2 * sigma[:, None].clamp(min=0.05).square())).exp()  # below 0.05 pixels: no blur
    kernel = kernel / kernel.sum(1, keepdim=True)
    flat = images.flatten(1, -3)  # the frames of a sequence are treated as channels
    n, k = flat.shape[:2]
    weight = kernel.repeat_interleave(k, 0)[:, None, None]
    flat = F.pad(flat.reshape(1, n * k, *flat.shape[-2:]), (reach,) * 4, mode="replicate")
    flat = F.conv2d(F.conv2d(flat, weight, groups=n * k), weight.mT, groups=n * k)
    return flat.view(images.shape)


def _erased(faces: Faces, generator: torch.Generator, probability: float) -> Faces:
    n, device = len(faces), faces.images.device
    area = torch.empty(n).uniform_(*_ERASED_AREA, generator=generator)
    aspect = torch.empty(n).uniform_(*map(math.log, _ERASED_ASPECT), generator=generator).exp()
    half = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], dim=1)  # down, across; in units of half a side
    half = half * (torch.rand(n, 1, generator=generator) < probability)
    centre = (1 - half).clamp(min=0) * (2 * torch.rand(n, 2, generator=generator) - 1)
    h, w = faces.images.shape[-2:]
    down, across = _pixel_centres(h), _pixel_centres(w)
    in_rows, in_columns = (down - centre[:, :1]).abs() < half[:, :1], (across - centre[:, 1:]).abs() < half[:, 1:]
    inside = in_rows[:, :, None] & in_columns[:, None, :]
    inside = inside.view(n, *(1,) * (faces.images.ndim - 3), h, w).to(device)
    return dataclasses.replace(
        faces,
        images=faces.images.masked_fill(inside, 0.0),
        mask=None if faces.mask is None else faces.mask.masked_fill(inside, 0.0),
    )


def _pixel_centres(n: int) -> Tensor:
    """Coordinates (n,) of pixel centres along a side, from -1 to 1."""
    return (2 * torch.arange(n) + 1) / n - 1


def _where(condition: Tensor, a: Faces, b: Faces) -> Faces:
    """For each face, `a` where the condition (N,) holds, else `b`."""

    def pick(x: Tensor, y: Tensor) -> Tensor:
        return torch.where(_by_face(condition, x), x, y)

    fields = ("images", "mask", "action_units", "landmarks")
    changed = {name: pick(value, getattr(b, name)) for name in fields if (value := getattr(a, name)) is not None}
    attributes = {name: pick(value, b.attributes[name]) for name, value in a.attributes.items()}
    return dataclasses.replace(b, **changed, attributes=attributes)


def _symmetric(generator: torch.Generator, n: int, limit: float) -> Tensor:
    """(n,) uniform in [-limit, limit]."""
    return (2 * torch.rand(n, generator=generator) - 1) * limit


def _by_face(values: Tensor, like: Tensor) -> Tensor:
    """Values (N,) reshaped to broadcast with a tensor (N, ...), on its device."""
    return values.to(like.device).view(-1, *(1,) * (like.ndim - 1))
