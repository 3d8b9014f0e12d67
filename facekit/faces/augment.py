"""Augmentation of a batch of faces, by name, that keeps the labels true and comes from one generator.

torchvision's random transforms draw from the global generator, and once for a whole batch; here every face has its
own draw, from the generator that is handed in, so that a resumed run repeats it.
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
    """How far a face may be changed; each draw is even between the ends. All zero changes nothing."""

    flip: float = 0.0  # probability of being seen in a mirror
    rotate: float = 0.0  # degrees, either way
    scale: float = 0.0  # share larger or smaller
    shift: float = 0.0  # share of the side, either way, across and down
    light: float = 0.0  # brightness, as a share of the range from black to white, and contrast, as a share of itself
    shade: float = 0.0  # how far light and shadow change across the face, as a share of its light
    blur: float = 0.0  # largest deviation of a Gaussian blur, in hundredths of the side
    noise: float = 0.0  # largest deviation of a pixel's noise, as a share of the range from black to white
    erase: float = 0.0  # probability of a grey rectangle (Zhong et al., *Random erasing data augmentation*, AAAI 2020)


_AFFINE = Recipe(flip=0.5, rotate=12, scale=0.15, shift=0.1)

RECIPES: dict[str, Recipe] = {
    "none": Recipe(),
    "flip": Recipe(flip=0.5),
    "affine": _AFFINE,
    "faces": dataclasses.replace(_AFFINE, light=0.15),
    "affine_erase": dataclasses.replace(_AFFINE, erase=0.5),
    "camera": Recipe(blur=1.0, noise=0.02),
    # What photographs do to a face and drawings do not: for networks that learn from the one and read the other.
    "photo": dataclasses.replace(_AFFINE, scale=0.2, light=0.12, shade=0.3, blur=1.8, noise=0.03, erase=0.5),
}

# Attributes of the datasets that a mirror changes, and how.
_MIRRORED: dict[str, Callable[[Tensor], Tensor]] = {
    "facs": lambda scores: scores[..., mirrored_columns()],
    "gaze": lambda direction: -direction,
    "one_sided": lambda side: side.new_tensor([0, 2, 1])[side],
}

# Of an erased rectangle: share of the picture that it covers, and height by width.
_ERASED_AREA, _ERASED_ASPECT = (0.02, 0.25), (0.3, 3.3)


def augmentation(name: str) -> Callable[[Faces, torch.Generator], Faces]:
    """An augmentation of `RECIPES` by name; raises `ValueError` for one that does not exist.

    The function takes a batch on any device and a CPU generator.
    """
    if name not in RECIPES:
        raise ValueError(f"{name!r} is no augmentation; known are {', '.join(RECIPES)}")
    return partial(augment, recipe=RECIPES[name])


def augment(faces: Faces, generator: torch.Generator, recipe: Recipe) -> Faces:
    """The faces, each changed by its own draw; all frames of a sequence are changed alike."""
    n, device = len(faces), faces.images.device
    if recipe.flip:
        faces = _where(torch.rand(n, generator=generator) < recipe.flip, mirrored(faces), faces)
    if recipe.rotate or recipe.scale or recipe.shift:
        angle = _even(generator, n, math.radians(recipe.rotate))
        scale = 1 + _even(generator, n, recipe.scale)
        shift = torch.stack([_even(generator, n, 2 * recipe.shift) for _ in range(2)], dim=1)
        faces = moved(faces, angle.to(device), scale.to(device), shift.to(device))
    if recipe.light:
        brightness, contrast = 2 * _even(generator, n, recipe.light), 1 + _even(generator, n, recipe.light)
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
    """The faces seen in a mirror: pictures and masks flipped, left and right of action units and landmarks swapped."""
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


def moved(faces: Faces, angle: Tensor, scale: Tensor, shift: Tensor) -> Faces:
    """The faces turned about the middle of the picture, made larger, and then shifted; landmarks and mask with them.

    angle    (N,) radians, clockwise
    scale    (N,) above 1 is larger
    shift    (N, 2) right and down, in units of half a side

    What comes in from outside of a picture is the picture, mirrored at its border; a mask is 0 there.
    """
    sin, cos = angle.sin() * scale, angle.cos() * scale
    forward = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # (N, 2, 2)
    back = forward.mT / (scale**2)[:, None, None]  # a similarity's inverse
    theta = torch.cat([back, -back @ shift[:, :, None]], dim=2)  # where each pixel comes from
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
    # The frames of a sequence go as channels, since all move alike.
    flat = images.flatten(1, -3)
    grid = F.affine_grid(theta.to(images), list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, padding_mode=outside, align_corners=False).view(images.shape)


def _shaded(images: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Light that changes smoothly across each picture (N, ..., H, W), by a factor around 1."""
    field = torch.rand((len(images), 1, 3, 3), generator=generator) * 2 - 1
    field = F.interpolate(field, images.shape[-2:], mode="bicubic", align_corners=True).to(images.device)
    factor = (1 + strength * field).view(len(images), *(1,) * (images.ndim - 3), *images.shape[-2:])
    return ((images + 1) * factor - 1).clamp(-1, 1)


def _blurred(images: Tensor, sigma: Tensor) -> Tensor:
    """Each picture (N, ..., H, W) blurred by a Gaussian of its own deviation in pixels (N,)."""
    reach = max(1, math.ceil(2.5 * sigma.max().item()))
    at = torch.arange(-reach, reach + 1, device=images.device)
    kernel = (-at.square() / (2 * sigma[:, None].clamp(min=0.05).square())).exp()  # below 0.05 pixels: no blur
    kernel = kernel / kernel.sum(1, keepdim=True)
    flat = images.flatten(1, -3)  # the frames of a sequence go as channels
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
    middle = (1 - half).clamp(min=0) * (2 * torch.rand(n, 2, generator=generator) - 1)
    h, w = faces.images.shape[-2:]
    down, across = _pixel_middles(h), _pixel_middles(w)
    inside = ((down - middle[:, :1]).abs() < half[:, :1])[:, :, None] & ((across - middle[:, 1:]).abs() < half[:, 1:])[
        :, None, :
    ]
    inside = inside.view(n, *(1,) * (faces.images.ndim - 3), h, w).to(device)
    return dataclasses.replace(
        faces,
        images=faces.images.masked_fill(inside, 0.0),
        mask=None if faces.mask is None else faces.mask.masked_fill(inside, 0.0),
    )


def _pixel_middles(n: int) -> Tensor:
    return (2 * torch.arange(n) + 1) / n - 1


def _where(chosen: Tensor, ours: Faces, theirs: Faces) -> Faces:
    """For each face, ours where chosen, else theirs."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(_by_face(chosen, a), a, b)

    fields = ("images", "mask", "action_units", "landmarks")
    changed = {
        name: pick(value, getattr(theirs, name)) for name in fields if (value := getattr(ours, name)) is not None
    }
    attributes = {name: pick(value, theirs.attributes[name]) for name, value in ours.attributes.items()}
    return dataclasses.replace(theirs, **changed, attributes=attributes)


def _even(generator: torch.Generator, n: int, reach: float) -> Tensor:
    """(n,) even in [-reach, reach]."""
    return (2 * torch.rand(n, generator=generator) - 1) * reach


def _by_face(values: Tensor, like: Tensor) -> Tensor:
    """(N,) in the shape and on the device that multiply with (N, ...)."""
    return values.to(like.device).view(-1, *(1,) * (like.ndim - 1))
