"""Landmark sequences as points on a hypersphere (Otberdout 2020): motion without its speed of execution or its size.

A sequence of T frames is a curve b(t) in 136 dimensions, t from 0 to 1. Its square-root velocity function (SRVF;
Srivastava 2011) is q = b' / sqrt(|b'|), whose squared norm integrates to the length L of the curve. Divided by sqrt(L),
it lies on the unit hypersphere of L², where distances, means and straight lines are those of a sphere:

* the distance of p and q is the angle between them;
* the logarithm at p maps q to the tangent vector that leads from p to q, and the exponential maps it back;
* the Karcher mean is the point whose logarithms add up to 0.

Together with L and b(0), a point determines its curve: b(t) = b(0) + L times the integral of |q| q. In frames, q is
piecewise constant, so that the conversion and its inverse are exact. A point is stored as the vector of all T - 1
steps, scaled such that its Euclidean norm is 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.faces.landmarks import EyeFrame

_SMALL = 1e-12


def to_curves(landmarks: Tensor) -> Tensor:
    """Landmarks (N, T, 68, 2) as curves (N, T, 136), in the coordinate system of the eyes in the first frame.

    Position, tilt and size of the face in the first frame are removed; movements of the head remain.
    """
    frame = EyeFrame.of(landmarks[:, 0])
    return frame.to_frame(landmarks.flatten(1, 2)).unflatten(1, landmarks.shape[1:3]).flatten(2)


def from_curves(curves: Tensor, first: Tensor) -> Tensor:
    """The inverse of `to_curves`: landmarks (N, T, 68, 2) of curves, at the eyes of a first frame (N, 68, 2)."""
    points = curves.unflatten(2, (-1, 2))
    return EyeFrame.of(first).to_image(points.flatten(1, 2)).unflatten(1, points.shape[1:3])


def moved(landmarks: Tensor, driver: Tensor) -> Tensor:
    """The landmarks of faces (N, 68, 2), moved as those of driver sequences (N, T, 68, 2) move from their first frames:
    relative motion, (N, T, 68, 2). Differences of size and tilt between the faces are removed, those of shape are not.
    """
    curves = to_curves(driver)
    own = to_curves(landmarks[:, None])
    return from_curves(own + curves - curves[:, :1], landmarks)


def to_sphere(curves: Tensor) -> tuple[Tensor, Tensor]:
    """Curves (N, T, D) as points on the unit hypersphere (N, (T - 1) D) and lengths (N,).

    Raises `ValueError` for a curve that does not move: it has no direction.
    """
    steps = curves.diff(dim=1)
    size = steps.norm(dim=-1, keepdim=True)
    length = size.sum((1, 2))
    if (length <= _SMALL).any():
        raise ValueError("a sequence that does not move has no point on the hypersphere: leave it out")
    return (steps / (size * length[:, None, None]).sqrt().clamp(min=_SMALL)).flatten(1), length


def from_sphere(points: Tensor, length: Tensor, start: Tensor) -> Tensor:
    """The inverse of `to_sphere`: curves (N, T, D) from points (N, (T - 1) D), lengths (N,) and first frames (N, D)."""
    velocity = points.unflatten(1, (-1, start.shape[-1]))
    steps = length[:, None, None] * velocity.norm(dim=-1, keepdim=True) * velocity
    return start[:, None] + torch.cat([torch.zeros_like(steps[:, :1]), steps.cumsum(1)], 1)


def geodesic_distance(points: Tensor, others: Tensor) -> Tensor:
    """The angle between unit vectors (..., D), in [0, pi]; exact also near 0 and pi, where arccos is not."""
    return 2 * torch.atan2((points - others).norm(dim=-1), (points + others).norm(dim=-1))


def geodesic_distances(points: Tensor, others: Tensor) -> Tensor:
    """The angles between all pairs of unit vectors (N, D) and (M, D): (N, M)."""
    cosine = points @ others.T
    return 2 * torch.atan2((1 - cosine).clamp(min=0).sqrt(), (1 + cosine).clamp(min=0).sqrt())


def logarithm(base: Tensor, points: Tensor) -> Tensor:
    """The tangent vectors (..., D) at `base` that lead to `points`; their norms are the distances.

    At the antipode of the base every direction leads there, and the result is arbitrary.
    """
    angle = geodesic_distance(base, points)[..., None]
    across = points - (points * base).sum(-1, keepdim=True) * base
    return across * (angle / across.norm(dim=-1, keepdim=True).clamp(min=_SMALL))


def exponential(base: Tensor, tangents: Tensor) -> Tensor:
    """The points (..., D) to which tangent vectors at `base` lead: the inverse of `logarithm` up to a norm of pi."""
    angle = tangents.norm(dim=-1, keepdim=True)
    return angle.cos() * base + torch.sinc(angle / torch.pi) * tangents


def transport(tangents: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Parallel transport of tangent vectors (..., D) at `start` along the geodesic to `end`, no antipode of it."""
    share = (tangents * end).sum(-1, keepdim=True) / (1 + (start * end).sum(-1, keepdim=True))
    return tangents - share * (start + end)


def karcher_mean(points: Tensor, steps: int = 100, tolerance: float = 1e-7) -> Tensor:
    """The point (D,) with the least sum of squared distances to points (N, D) within less than a quarter of a turn."""
    mean = points.mean(0)
    mean = mean / mean.norm().clamp(min=_SMALL)
    for _ in range(steps):
        direction = logarithm(mean, points).mean(0)
        if direction.norm() < tolerance:
            break
        mean = exponential(mean, direction)
        mean = mean / mean.norm()
    return mean


def scaling(distances: Tensor, dimensions: int = 2) -> Tensor:
    """Classical multidimensional scaling (Torgerson 1952): coordinates (N, `dimensions`) of points whose distances
    resemble a matrix (N, N)."""
    n = len(distances)
    centring = torch.eye(n, dtype=torch.float64) - 1 / n
    values, vectors = torch.linalg.eigh(-0.5 * centring @ distances.double().square() @ centring)
    values, vectors = values[-dimensions:].flip(0), vectors[:, -dimensions:].flip(1)
    return (vectors * values.clamp(min=0).sqrt()).float()
