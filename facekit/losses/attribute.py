"""Losses on what a face shows: its emotion, its action units, what was asked of it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def emotion_loss(logits: Tensor, labels: Tensor, *, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of logits (N, E) against labels (N,), with label smoothing (Szegedy 2016, §7).

    Rows without a label (-1), and those labelled with an emotion that the logits do not have (contempt, for a
    classifier of FER-2013's seven), are left out. `weights` (E,) weigh the classes.
    """
    known = labels.where(labels < logits.shape[1], -1)
    return F.cross_entropy(logits.float(), known, weight=weights, ignore_index=-1, label_smoothing=smoothing)


def action_unit_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean square error of action units (N, A)."""
    return F.mse_loss(predicted.float(), true)


def condition_loss(estimate: Tensor, asked: Tensor) -> Tensor:
    """Squared distance of what a network takes a condition to be from what was asked, both (N, K), the mean over faces
    (P3, eq. 5)."""
    return (estimate.float() - asked).square().sum(1).mean()
