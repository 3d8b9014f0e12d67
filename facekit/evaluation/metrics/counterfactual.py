"""E8: how far is an edit from the counterfactual, the ground-truth image of the same person with the target expression?

An expression changes few pixels, so the unedited input is already close to the ground truth. Errors are therefore
reported relative to the error of the unedited input, and inside the region that should change. Both need a dataset
with counterfactuals (`SyntheticFaces.counterfactual`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def relative_error(edit: Tensor, ground_truth: Tensor, source: Tensor) -> Tensor:
    """MSE(edit, ground truth) / MSE(source, ground truth), per image: 0 for a perfect edit, 1 for the unedited input.

    edit, ground_truth, source  (N, C, H, W)

    Returns (N,); NaN where ground truth and source are equal, because there nothing should change.
    """
    unedited = _mse(source, ground_truth)
    return torch.where(unedited > 0, _mse(edit, ground_truth) / unedited, torch.nan)


def changed_region(ground_truth: Tensor, source: Tensor, threshold: float = 0.1, margin: int = 1) -> Tensor:
    """Boolean mask (N, 1, H, W) of the pixels that an edit should change.

    threshold  absolute difference of a channel, in [-1, 1] images, above which a pixel counts as changed
    margin     pixels by which the region is dilated
    """
    changes = (ground_truth - source).abs().amax(-3, keepdim=True) > threshold
    return F.max_pool2d(changes.float(), 2 * margin + 1, stride=1, padding=margin) > 0


def changed_psnr(edit: Tensor, ground_truth: Tensor, source: Tensor, threshold: float = 0.1, margin: int = 1) -> Tensor:
    """PSNR in decibels between edits and ground truth inside `changed_region`, per image: (N,).

    Infinite for a perfect edit; NaN where nothing should change.
    """
    region = changed_region(ground_truth, source, threshold, margin)
    squares = (edit - ground_truth).square().mean(-3, keepdim=True)
    mse = (squares * region).sum((-3, -2, -1)) / region.sum((-3, -2, -1))  # 0 / 0 is NaN
    return 10 * torch.log10(4 / mse)  # values lie in [-1, 1]: a peak of 2


def _mse(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean((-3, -2, -1))
