"""Pixel coordinates on the face, and the soft masks and compositing operations that everything is painted with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

Record = TypeVar("Record")


@dataclass(frozen=True)
class Canvas:
    """The position of each pixel on the face, (N, H, W): `u` to the right and `v` down, in interocular distances."""

    u: Tensor
    v: Tensor
    a: Tensor  # |u|: both sides are painted at once
    left: Tensor  # bool, the left half of the person
    pixel: Tensor  # (N, 1, 1), width of a pixel on the face

    @classmethod
    def of(cls, u: Tensor, v: Tensor, pixel: Tensor) -> Canvas:
        """The canvas of points (u, v), each (N, H, W), and the width of a pixel on each face, (N,)."""
        return cls(u, v, u.abs(), u > 0, pixel[:, None, None])

    def side(self, value: Tensor) -> Tensor:
        """A left and a right value (N, 2), selected for each pixel: (N, H, W)."""
        return torch.where(self.left, value[:, :1, None], value[:, 1:, None])

    def edge(self, distance: Tensor, soft: float = 0.0) -> Tensor:
        """A mask, 1 where the signed distance is negative and 0 elsewhere; its edge is one pixel plus `soft` wide."""
        return (0.5 - distance / (self.pixel + soft)).clamp_(0, 1)

    def band(self, distance: Tensor, half_width: Tensor | float, soft: float = 0.0) -> Tensor:
        """The mask of a line around distance 0. A line thinner than a pixel becomes paler instead of broken."""
        return self.edge(distance.abs() - half_width, soft)


def select_rows(record: Record, rows: Tensor) -> Record:
    """Rows (K,) of a dataclass of tensors (N, ...), to paint what few faces have on those faces alone."""
    return replace(record, **{name: value[rows] for name, value in vars(record).items()})


def per_face(value: Tensor) -> Tensor:
    """One number per face, (N,), reshaped to broadcast with pixels: (N, 1, 1)."""
    return value[:, None, None]


def gaussian_2d(x: Tensor, y: Tensor, at_x, at_y, wide, high) -> Tensor:
    """A two-dimensional Gaussian of height 1 around (at_x, at_y): exp(-dx² - dy²) with offsets in `wide` and `high`."""
    a = ((x - at_x) / wide).square_()
    return bell(a.add_(((y - at_y) / high).square_()))


def gaussian(x: Tensor, at, wide) -> Tensor:
    """A Gaussian of height 1 around x = at: exp(-dx²) with the offset in `wide`."""
    return bell(((x - at) / wide).square_())


def bell(squared: Tensor) -> Tensor:
    """exp(-x) in place. Below 1e-35 it stays there: smaller numbers are subnormal, on which processors are slow."""
    return squared.clamp_(max=80.0).neg_().exp_()


def ramp(x: Tensor, start, end) -> Tensor:
    """Smoothstep: 0 before `start`, 1 after `end`, smooth between; `start` may be greater than `end`."""
    t = ((x - start) / (end - start)).clamp_(0, 1)
    return t * t * (3 - 2 * t)


def over(below: Tensor, mask: Tensor, color: Tensor) -> Tensor:
    """Alpha compositing in place: colour (N, 3) or (N, 3, H, W), with mask (N, H, W), over an image (N, 3, H, W)."""
    if color.ndim == 2:
        color = color[:, :, None, None]
    return below.add_((color - below).mul_(mask[:, None]))
