"""E8: how far is an edit from the true picture of the same person with the asked expression?

Few pixels change in an edit, so a generator that copies its input comes close to the truth without doing anything.
Hence errors are told relative to copying, and inside the region that should change. Only a dataset that knows the
truth can tell (`SyntheticFaces.counterfactual`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def relative_error(edit: Tensor, truth: Tensor, source: Tensor) -> Tensor:
    """MSE(edit, truth) / MSE(source, truth), by picture: 0 for the truth, 1 for a copy of the source.

    edit, truth, source  (N, C, H, W)

    Returns (N,); NaN where the truth is the source, so that there is nothing to change.
    """
    copying = _mse(source, truth)
    return torch.where(copying > 0, _mse(edit, truth) / copying, torch.nan)


def changed_region(truth: Tensor, source: Tensor, threshold: float = 0.1, margin: int = 1) -> Tensor:
    """Where an edit should change something: (N, 1, H, W), true or false.

    threshold  difference of a channel, of pictures from -1 to 1, above which a pixel changes
    margin     pixels by which the region is widened
    """
    changes = (truth - source).abs().amax(-3, keepdim=True) > threshold
    return F.max_pool2d(changes.float(), 2 * margin + 1, stride=1, padding=margin) > 0


def changed_psnr(edit: Tensor, truth: Tensor, source: Tensor, threshold: float = 0.1, margin: int = 1) -> Tensor:
    """PSNR in decibels of edits against the truth inside `changed_region`, by picture: (N,).

    Infinite for the truth itself; NaN where nothing should change.
    """
    region = changed_region(truth, source, threshold, margin)
    squares = (edit - truth).square().mean(-3, keepdim=True)
    mse = (squares * region).sum((-3, -2, -1)) / region.sum((-3, -2, -1))  # 0 / 0 is NaN
    return 10 * torch.log10(4 / mse)  # pictures reach from -1 to 1: a peak of 2


def _mse(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean((-3, -2, -1))
