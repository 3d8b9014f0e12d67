"""The pixels of N pictures as points of faces, and the few brushes that everything is drawn with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

Record = TypeVar("Record")


@dataclass(frozen=True)
class Canvas:
    """Where each pixel lies on the face: `u` to the right, `v` down, in distances between the eyes, (N, H, W)."""

    u: Tensor
    v: Tensor
    a: Tensor  # |u|: left and right are drawn at once
    left: Tensor  # bool, the person's own left half
    pixel: Tensor  # (N, 1, 1), width of a pixel on the face

    @classmethod
    def of(cls, u: Tensor, v: Tensor, pixel: Tensor) -> Canvas:
        return cls(u, v, u.abs(), u > 0, pixel[:, None, None])

    def side(self, value: Tensor) -> Tensor:
        """A sided value (N, 2) at each pixel (N, H, W)."""
        return torch.where(self.left, value[:, :1, None], value[:, 1:, None])

    def edge(self, distance: Tensor, soft: float = 0.0) -> Tensor:
        """1 inside (distance below 0), 0 outside, with an edge one pixel or `soft` wide, whichever is wider."""
        return (0.5 - distance / (self.pixel + soft)).clamp_(0, 1)

    def band(self, distance: Tensor, half_width: Tensor | float, soft: float = 0.0) -> Tensor:
        """A line: 1 within half a width of the curve. One thinner than a pixel is paler instead of broken."""
        return self.edge(distance.abs() - half_width, soft)


def select_rows(record: Record, rows: Tensor) -> Record:
    """Some rows (K,) of a dataclass of tensors (N, ...): what few faces have is drawn for those faces alone."""
    return replace(record, **{name: value[rows] for name, value in vars(record).items()})


def per_face(value: Tensor) -> Tensor:
    """One number a face, (N,), for arithmetic with pixels."""
    return value[:, None, None]


def gaussian_2d(x: Tensor, y: Tensor, at_x, at_y, wide, high) -> Tensor:
    """A Gaussian hill of height 1 around (at_x, at_y)."""
    a = ((x - at_x) / wide).square_()
    return a.add_(((y - at_y) / high).square_()).neg_().exp_()


def gaussian(x: Tensor, at, wide) -> Tensor:
    """A Gaussian ridge of height 1 along x = at."""
    return ((x - at) / wide).square_().neg_().exp_()


def ramp(x: Tensor, start, end) -> Tensor:
    """0 before `start`, 1 after `end`, smooth between (either order)."""
    t = ((x - start) / (end - start)).clamp_(0, 1)
    return t * t * (3 - 2 * t)


def over(below: Tensor, mask: Tensor, color: Tensor) -> Tensor:
    """Colour laid over a picture (N, 3, H, W), changed in place: colour is (N, 3) or (N, 3, H, W)."""
    if color.ndim == 2:
        color = color[:, :, None, None]
    return below.add_((color - below).mul_(mask[:, None]))
