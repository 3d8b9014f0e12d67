"""Pictures of faces with what is known of each: the record that every dataset gives and every system takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.expression import Expression

# Luma of ITU-R BT.601, as JPEG and OpenCV weigh red, green and blue.
_LUMA = (0.299, 0.587, 0.114)

_TENSORS = ("images", "emotion", "intensity", "action_units", "landmarks", "mask", "person", "domain")

# Dimensions, for one picture, of the fields that have T after N where they were known frame by frame.
_FRAME_DIMS = {"images": 3, "mask": 3, "landmarks": 2, "action_units": 1, "intensity": 0}


@dataclass(frozen=True, eq=False)
class Faces:
    """N pictures, or N sequences of T pictures, and what is known of them. Unknown is None.

    images        (N, C, H, W) float32 in [-1, 1], C 1 (grey) or 3 (RGB); sequences (N, T, C, H, W)
    emotion       (N,) int64, index into `EMOTIONS`; -1 where a picture has no label
    intensity     (N,) or (N, T) in [0, 1]
    action_units  (N, A) or (N, T, A) in [0, 1], columns as `ACTION_UNIT_COLUMNS`
    landmarks     (N, 68, 2) or (N, T, 68, 2), iBUG order, x right and y down from -1 to 1 across the picture
    mask          (N, 1, H, W) or (N, T, 1, H, W) in [0, 1]: how much of each pixel is face
    person        (N,) int64, one number a person
    domain        (N,) int64, index into `DOMAINS`
    attributes    further facts by name, each (N, ...): skin tone, age, glasses, a FACS coder's raw scores
    names         (N) where each picture came from: a file, a row
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
                raise ValueError(f"{name} has {value.shape[0]} rows for {n} pictures")
        if self.names is not None and len(self.names) != n:
            raise ValueError(f"there are {len(self.names)} names for {n} pictures")

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
        return f"Faces({tuple(self.images.shape)}, {', '.join(known) or 'nothing known'})"

    def __getitem__(self, index) -> Faces:
        """Some of the rows, by slice, list, index tensor or mask; a single integer keeps its row as N = 1."""
        if isinstance(index, int) or getattr(index, "ndim", None) == 0:
            index = [int(index)]
        rows = torch.arange(len(self))[index.cpu() if isinstance(index, Tensor) else index]
        names = None if self.names is None else tuple(self.names[i] for i in rows.tolist())
        return self._map(lambda value: value[index], names=names)

    @classmethod
    def cat(cls, parts: Iterable[Faces]) -> Faces:
        """Several records as one. Only what all of them know is kept."""
        parts = list(parts)
        if not parts:
            raise ValueError("give at least one Faces")
        kept = {
            name: torch.cat([getattr(p, name) for p in parts])
            for name in _TENSORS
            if all(getattr(p, name) is not None for p in parts)
        }
        shared = set.intersection(*(set(p.attributes) for p in parts))
        attributes = {k: torch.cat([p.attributes[k] for p in parts]) for k in parts[0].attributes if k in shared}
        named = all(p.names is not None for p in parts)
        names = tuple(name for p in parts for name in p.names) if named else None
        return cls(**kept, attributes=attributes, names=names)

    def to(self, device, non_blocking: bool = False) -> Faces:
        """The same on another device."""
        return self._map(lambda value: value.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Faces:
        """For the DataLoader, which calls this where it was asked to pin."""
        return self._map(lambda value: value.pin_memory())

    @property
    def size(self) -> int:
        """Height of the pictures in pixels."""
        return self.images.shape[-2]

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return self.images.shape[-3]

    @property
    def frames(self) -> int | None:
        """Length of the sequences, or None for stills."""
        return self.images.shape[1] if self.images.ndim == 5 else None

    @property
    def expression(self) -> Expression:
        """All that is known of what the faces show. Raises `ValueError` where that is nothing."""
        emotion = self.emotion
        if emotion is not None and emotion.numel() and (emotion < 0).any():
            emotion = None
        if emotion is None and self.action_units is None and self.landmarks is None:
            raise ValueError("nothing is known of what these faces show: no labels, action units or landmarks")
        weights = intensity = None
        if emotion is not None:
            labels = emotion if self.frames is None else emotion[:, None].expand(-1, self.frames)
            said = Expression.from_labels(labels, self.intensity)
            weights, intensity = said.emotion, said.intensity
        units, landmarks = self._each_frame("action_units"), self._each_frame("landmarks")
        return Expression(weights, intensity, units, landmarks, self.domain)

    def _each_frame(self, name: str) -> Tensor | None:
        """A field, of a sequence with T after N: what is known of the whole is so in each frame."""
        value = getattr(self, name)
        if value is None or self.frames is None or value.ndim == 2 + _FRAME_DIMS[name]:
            return value
        return value[:, None].expand(-1, self.frames, *value.shape[1:])

    def gray(self) -> Faces:
        """The same in one channel, by the luma of BT.601."""
        return dataclasses.replace(self, images=to_gray(self.images))

    def rgb(self) -> Faces:
        """The same in three channels; grey is repeated."""
        return dataclasses.replace(self, images=to_rgb(self.images))

    def resized(self, size: int) -> Faces:
        """The same at size x size pixels, antialiased. Landmarks are relative, so they stay."""
        if self.images.shape[-2:] == (size, size):
            return self
        masks = None if self.mask is None else resize(self.mask, size).clamp(0, 1)
        return dataclasses.replace(self, images=resize(self.images, size).clamp(-1, 1), mask=masks)

    def fitted(self, size: int, channels: int) -> Faces:
        """The same as a network takes them: at size x size pixels, in one channel or three."""
        return (self.gray() if channels == 1 else self.rgb()).resized(size)

    def flatten_time(self) -> Faces:
        """Every frame as a picture of its own: (N, T, ...) becomes (N * T, ...)."""
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
    """Pictures (..., 3, H, W) as (..., 1, H, W) by the luma of BT.601; grey ones are returned as they are."""
    if images.shape[-3] == 1:
        return images
    weights = images.new_tensor(_LUMA)[:, None, None]
    return (images * weights).sum(-3, keepdim=True)


def to_rgb(images: Tensor) -> Tensor:
    """Pictures (..., 1, H, W) as (..., 3, H, W); colour ones are returned as they are."""
    return images if images.shape[-3] == 3 else images.expand(*images.shape[:-3], 3, *images.shape[-2:])


def resize(images: Tensor, size: int) -> Tensor:
    """Pictures (..., C, H, W) as (..., C, size, size), bilinear and antialiased."""
    flat = images.reshape(-1, *images.shape[-3:])
    smaller = F.interpolate(flat, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return smaller.reshape(*images.shape[:-2], size, size)


def from_uint8(images: Tensor) -> Tensor:
    """0..255 as float32 in [-1, 1].

    >>> from_uint8(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
    [-1.0, 1.0]
    """
    return images.float().div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> Tensor:
    """[-1, 1] as 0..255, rounded; what lies outside is clipped.

    >>> to_uint8(torch.tensor([-1.0, 0.999, 2.0])).tolist()
    [0, 255, 255]
    """
    return images.detach().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
