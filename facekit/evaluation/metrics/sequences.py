"""E7: motions as points on the hypersphere, and videos: do they move as real ones do, and do they keep still elsewhere?

Motions  distance to the nearest real motion, variety, jerk
Videos   flicker, and a Fréchet distance of videos; the identity's drift is `metrics.identity.acd`
"""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.evaluation.metrics.distribution import fid
from facekit.faces.trajectories import geodesic_distances

_COMPONENTS = 12  # principal components of frames' features that describe a video

LEAST_VIDEOS = 3 * _COMPONENTS + 1
"""How many videos `video_distance` needs."""


def nearest_distance(points: Tensor, labels: Tensor, others: Tensor, other_labels: Tensor) -> float:
    """Mean geodesic distance of motions to the nearest of others with the same label, in radians.

    points, others         unit vectors (N, D) and (M, D), from `trajectories.to_sphere`
    labels, other_labels   (N,) and (M,)
    """
    distances = geodesic_distances(points, others)
    return distances.masked_fill(labels[:, None] != other_labels, torch.inf).amin(1).mean().item()


def variety(points: Tensor, labels: Tensor) -> float:
    """Mean geodesic distance between two motions (N, D) of the same label (N,), in radians; 0 for copies of one."""
    pairs = (labels[:, None] == labels) & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return geodesic_distances(points, points)[pairs].mean().item()


def jerk(curves: Tensor) -> float:
    """Mean norm of the third derivative of curves (N, T, D), where the whole curve takes one unit of time."""
    return curves.diff(n=3, dim=1).norm(dim=-1).mean().item() * (curves.shape[1] - 1) ** 3


def flicker(frames: Tensor, truth: Tensor, threshold: float = 0.1) -> float:
    """Mean absolute second difference in time outside the region that changes, in values of [-1, 1].

    frames, truth  (N, T, C, H, W); the region is where the ground truth differs from its first frame by more than
                   `threshold` at any time

    0 for a frozen video; independent errors in every frame make it large.
    """
    still = ((truth - truth[:, :1]).abs().amax((1, 2), keepdim=True) <= threshold).expand_as(frames[:, 2:])
    return frames.diff(n=2, dim=1).abs()[still].mean().item()


def video_distance(real: Tensor, generated: Tensor) -> float:
    """A Fréchet distance of videos, in the manner of FVD (Unterthiner 2018): 0 for equal distributions.

    real, generated  features of all frames (N, T, D) and (M, T, D), from one network, which is to be named beside the
                     number

    A video is described by the principal components of its frames' features (of the real ones): their mean over time,
    their trend, and the mean size of their changes. Hence it sees a frozen, a reversed and a shuffled video. Raises
    `ValueError` for fewer videos than numbers that describe one.
    """
    if min(len(real), len(generated)) < LEAST_VIDEOS:
        raise ValueError(f"a distance of videos needs at least {LEAST_VIDEOS} of each kind")
    flat = real.flatten(0, 1).double()
    mean = flat.mean(0)
    _, _, directions = torch.linalg.svd(flat - mean, full_matrices=False)
    described = [_description((each.double() - mean) @ directions[:_COMPONENTS].T) for each in (real, generated)]
    scale = described[0].std(0).clamp(min=1e-9)
    return max(0.0, fid(*(each / scale for each in described)))


def _description(features: Tensor) -> Tensor:
    """Mean, trend and size of changes over time of features (N, T, K): (N, 3 K)."""
    time = torch.linspace(-1, 1, features.shape[1], dtype=features.dtype)[:, None]
    return torch.cat([features.mean(1), (features * time).mean(1), features.diff(dim=1).abs().mean(1)], 1)
