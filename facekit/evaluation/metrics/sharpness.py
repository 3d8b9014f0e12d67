"""E11: is the changed region as sharp as in the ground truth?

A generator that regresses to a mean succeeds, has a low error, and smears eyes and mouths. The ratio of Laplacian
energies shows this: below 1 the edit is blurred, above 1 it is oversharpened or noisy. Sharpness alone proves nothing,
since sharpening a wrong edit raises it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.evaluation.metrics.counterfactual import changed_region
from facekit.faces.faces import to_gray


def laplacian_energy(images: Tensor, region: Tensor) -> Tensor:
    """Mean squared Laplacian of the luma inside a region, per image: (N,).

    images  (N, C, H, W)
    region  boolean mask (N, 1, H, W)

    NaN for an image whose region is empty.
    """
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).to(images)
    edges = F.conv2d(F.pad(to_gray(images), (1, 1, 1, 1), mode="replicate"), kernel[None, None])
    return (edges.square() * region).sum((-3, -2, -1)) / region.sum((-3, -2, -1))  # 0 / 0 is NaN


def sharpness(edits: Tensor, ground_truth: Tensor, source: Tensor) -> float:
    """Mean Laplacian energy of the edits divided by that of the ground truth, inside `changed_region`.

    edits, ground_truth, source  (N, C, H, W)

    1 for the ground truth. Edits that should change nothing do not count; NaN if there are no others.
    """
    region = changed_region(ground_truth, source)
    return (laplacian_energy(edits, region).nanmean() / laplacian_energy(ground_truth, region).nanmean()).item()
