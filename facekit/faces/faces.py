"""`Faces`: a batch of face images with their annotations, which every dataset returns and every system takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.expression import Expression

# Weights of red, green and blue in the luma of ITU-R BT.601, as in JPEG and OpenCV.
_LUMA = (0.299, 0.587, 0.114)

_TENSORS = ("images", "emotion", "intensity", "action_units", "landmarks", "mask", "person", "domain")

# Number of dimensions per frame of the fields that have T after N where they are annotated frame by frame.
_FRAME_DIMS = {"images": 3, "mask": 3, "landmarks": 2, "action_units": 1, "intensity": 0}


@dataclass(frozen=True, eq=False)
class Faces:
    """N images, or N sequences of T images, and their annotations. An annotation that is None is unknown.

    images        (N, C, H, W) float32 in [-1, 1], C 1 (grey) or 3 (RGB); sequences (N, T, C, H, W)
    emotion       (N,) int64, index into `EMOTIONS`; -1 for an unlabelled image
    intensity     (N,) or (N, T) in [0, 1]
    action_units  (N, A) or (N, T, A) in [0, 1], columns as `ACTION_UNIT_COLUMNS`
    landmarks     (N, 68, 2) or (N, T, 68, 2), iBUG order, x right and y down from -1 to 1 across the image
    mask          (N, 1, H, W) or (N, T, 1, H, W) in [0, 1]: the share of each pixel that shows the face
    person        (N,) int64, the identity: one number per person
    domain        (N,) int64, index into `DOMAINS`
    attributes    further annotations by name, each (N, ...): skin tone, age, glasses, raw FACS scores
    names         (N) the origin of each image: a file, a row of a table
    """

    images: Tensor
    emotion: Tensor | None = None
    intensity: Tensor | None = None
    action_units: Tensor | None = None
    landmarks: Tensor | None = None
    mask: Tensor | None = None
    person: Tensor | None = None
    domain: Tensor | None = None
    attributes: dict[str, Tensor] = field(default_factory=dict)
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.images.ndim not in (4, 5) or self.images.shape[-3] not in (1, 3):
            raise ValueError(f"images have shape {tuple(self.images.shape)}; need (N, C, H, W) with C 1 or 3")
        if not self.images.is_floating_point():
            raise ValueError(f"images are {self.images.dtype}; need float in [-1, 1] (facekit.faces.from_uint8)")
        n = len(self)
        for name, value in self._tensors():
            if value.shape[0] != n:
                raise ValueError(f"{name} has {value.shape[0]} rows for {n} images")
        if self.names is not None and len(self.names) != n:
            raise ValueError(f"there are {len(self.names)} names for {n} images")

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name in _TENSORS:
            if (value := getattr(self, name)) is not None:
                yield name, value
        yield from self.attributes.items()

    def _map(self, change: Callable[[Tensor], Tensor], **replaced) -> Faces:
        changed = {name: change(value) for name in _TENSORS if (value := getattr(self, name)) is not None}
        attributes = {name: change(value) for name, value in self.attributes.items()}
        return dataclasses.replace(self, **changed | {"attributes": attributes} | replaced)

    def __len__(self) -> int:
        return self.images.shape[0]

    def __repr__(self) -> str:
        known = [name for name, _ in self._tensors() if name != "images"]
        return f"Faces({tuple(self.images.shape)}, {', '.join(known) or 'no annotations'})"

    def __getitem__(self, index) -> Faces:
        """Select rows by slice, list, index tensor or mask; a single integer returns one row (N = 1)."""
        if isinstance(index, int) or getattr(index, "ndim", None) == 0:
            index = [int(index)]
        rows = torch.arange(len(self))[index.cpu() if isinstance(index, Tensor) else index]
        names = None if self.names is None else tuple(self.names[i] for i in rows.tolist())
        return self._map(lambda value: value[index], names=names)

    @classmethod
    def cat(cls, parts: Iterable[Faces]) -> Faces:
        """Concatenate several batches. Only annotations that all of them have are kept."""
        parts = list(parts)
        if not parts:
            raise ValueError("give at least one Faces")
        common = {
            name: torch.cat([getattr(p, name) for p in parts])
            for name in _TENSORS
            if all(getattr(p, name) is not None for p in parts)
        }
        shared = set.intersection(*(set(p.attributes) for p in parts))
        attributes = {k: torch.cat([p.attributes[k] for p in parts]) for k in parts[0].attributes if k in shared}
        named = all(p.names is not None for p in parts)
        names = tuple(name for p in parts for name in p.names) if named else None
        return cls(**common, attributes=attributes, names=names)

    def to(self, device, non_blocking: bool = False) -> Faces:
        """Move all tensors to a device."""
        return self._map(lambda value: value.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Faces:
        """Copy to pinned memory; the DataLoader calls this if `pin_memory` is set."""
        return self._map(lambda value: value.pin_memory())

    @property
    def size(self) -> int:
        """Height of the images in pixels."""
        return self.images.shape[-2]

    @property
    def channels(self) -> int:
        """1 for greyscale, 3 for RGB."""
        return self.images.shape[-3]

    @property
    def frames(self) -> int | None:
        """Length of the sequences, or None for still images."""
        return self.images.shape[1] if self.images.ndim == 5 else None

    @property
    def expression(self) -> Expression:
        """The annotated expression, with every part that is known. Raises `ValueError` if none is."""
        emotion = self.emotion
        if emotion is not None and emotion.numel() and (emotion < 0).any():
            emotion = None
        if emotion is None and self.action_units is None and self.landmarks is None:
            raise ValueError("the expression of these faces is unknown: they have no labels, action units or landmarks")
        weights = intensity = None
        if emotion is not None:
            labels = emotion if self.frames is None else emotion[:, None].expand(-1, self.frames)
            labelled = Expression.from_labels(labels, self.intensity)
            weights, intensity = labelled.emotion, labelled.intensity
        units, landmarks = self._each_frame("action_units"), self._each_frame("landmarks")
        return Expression(weights, intensity, units, landmarks, self.domain)

    def _each_frame(self, name: str) -> Tensor | None:
        """A field with T after N for sequences; an annotation of the whole sequence is repeated for each frame."""
        value = getattr(self, name)
        if value is None or self.frames is None or value.ndim == 2 + _FRAME_DIMS[name]:
            return value
        return value[:, None].expand(-1, self.frames, *value.shape[1:])

    def gray(self) -> Faces:
        """Convert to greyscale (one channel), by the luma of BT.601."""
        return dataclasses.replace(self, images=to_gray(self.images))

    def rgb(self) -> Faces:
        """Convert to three channels; greyscale is repeated."""
        return dataclasses.replace(self, images=to_rgb(self.images))

    def resized(self, size: int) -> Faces:
        """Resize to size x size pixels, antialiased. Landmarks are relative to the image and do not change."""
        if self.images.shape[-2:] == (size, size):
            return self
        masks = None if self.mask is None else resize(self.mask, size).clamp(0, 1)
        return dataclasses.replace(self, images=resize(self.images, size).clamp(-1, 1), mask=masks)

    def fitted(self, size: int, channels: int) -> Faces:
        """Convert to the input of a network: size x size pixels and one channel or three."""
        return (self.gray() if channels == 1 else self.rgb()).resized(size)

    def flatten_time(self) -> Faces:
        """The frames as single images: (N, T, ...) becomes (N * T, ...)."""
        if self.frames is None:
            return self
        t = self.frames
        changed = {
            name: value.flatten(0, 1) if value.ndim == 2 + _FRAME_DIMS.get(name, 9) else value.repeat_interleave(t, 0)
            for name in _TENSORS
            if (value := getattr(self, name)) is not None
        }
        attributes = {name: value.repeat_interleave(t, 0) for name, value in self.attributes.items()}
        names = None if self.names is None else tuple(f"{name}#{i}" for name in self.names for i in range(t))
        return dataclasses.replace(self, **changed, attributes=attributes, names=names)


def to_gray(images: Tensor) -> Tensor:
    """Convert images (..., 3, H, W) to (..., 1, H, W) by the luma of BT.601; greyscale is returned unchanged."""
    if images.shape[-3] == 1:
        return images
    weights = images.new_tensor(_LUMA)[:, None, None]
    return (images * weights).sum(-3, keepdim=True)


def to_rgb(images: Tensor) -> Tensor:
    """Convert images (..., 1, H, W) to (..., 3, H, W); colour images are returned unchanged."""
    return images if images.shape[-3] == 3 else images.expand(*images.shape[:-3], 3, *images.shape[-2:])


def resize(images: Tensor, size: int) -> Tensor:
    """Resize images (..., C, H, W) to (..., C, size, size), bilinear and antialiased."""
    flat = images.reshape(-1, *images.shape[-3:])
    resized = F.interpolate(flat, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return resized.reshape(*images.shape[:-2], size, size)


def from_uint8(images: Tensor) -> Tensor:
    """Convert uint8 in 0..255 to float32 in [-1, 1].

    >>> from_uint8(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
    [-1.0, 1.0]
    """
    return images.float().div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> Tensor:
    """Convert values in [-1, 1] to uint8 in 0..255, rounded; values out of range are clipped.

    >>> to_uint8(torch.tensor([-1.0, 0.999, 2.0])).tolist()
    [0, 255, 255]
    """
    return images.detach().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
