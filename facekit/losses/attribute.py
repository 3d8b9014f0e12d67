"""Losses on attributes of a face: its emotion, its action units, the condition that a generator was given."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def emotion_loss(logits: Tensor, labels: Tensor, *, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of logits (N, E) against labels (N,), with label smoothing (Szegedy 2016, §7).

    Rows without a label (-1) do not count, nor do rows whose label has no logit (contempt, for a classifier of
    FER-2013's seven emotions). `weights` (E,) are class weights.
    """
    known = labels.where(labels < logits.shape[1], -1)
    return F.cross_entropy(logits.float(), known, weight=weights, ignore_index=-1, label_smoothing=smoothing)


def action_unit_loss(predicted: Tensor, target: Tensor, annotated: Tensor | None = None) -> Tensor:
    """Mean squared error of action-unit intensities (N, A).

    annotated  (N, A) 1 where the target is known and 0 where it is not and does not count; None: all are known
    """
    if annotated is None:
        return F.mse_loss(predicted.float(), target)
    errors = (predicted.float() - target).square() * annotated
    return errors.sum() / annotated.sum().clamp(min=1)


def condition_loss(estimate: Tensor, condition: Tensor) -> Tensor:
    """Squared distance between a network's estimate of the condition and the condition, both (N, K), averaged over
    faces (P3, eq. 5)."""
    return (estimate.float() - condition).square().sum(1).mean()
