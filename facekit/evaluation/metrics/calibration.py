"""Whether a judge is as often right as it is sure (Guo 2017, *On Calibration of Modern Neural Networks*)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor


@dataclass(frozen=True)
class ReliabilityCurve:
    """How often a judge is right where it is so sure, by bins of equal width from 0 to 1. Empty bins hold 0.

    confidence  (B,) mean probability of its answers
    accuracy    (B,) share of them that are right
    count       (B,) answers
    """

    confidence: Tensor
    accuracy: Tensor
    count: Tensor

    @property
    def ece(self) -> float:
        """Expected calibration error (Guo 2017, eq. 3): the mean gap, weighed by answers. 0 is calibrated."""
        gaps = (self.confidence - self.accuracy).abs()
        return ((gaps * self.count).sum() / self.count.sum()).item()


def reliability(probabilities: Tensor, labels: Tensor, bins: int = 15) -> ReliabilityCurve:
    """The reliability curve of probabilities (N, E) for labels (N,)."""
    confidence, answer = probabilities.double().max(1)
    place = (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)
    count = torch.bincount(place, minlength=bins)
    means = [
        torch.bincount(place, weights, bins) / count.clamp(min=1)
        for weights in (confidence, (answer == labels).double())
    ]
    return ReliabilityCurve(*means, count)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T that makes softmax(logits / T) likeliest on held-out faces (Guo 2017, §4.2).

    Above 1, the judge was too sure. Which answer it gives does not change.

    logits  (N, E)
    labels  (N,)
    """
    logits, labels = logits.double(), labels.long()
    found = minimize_scalar(
        lambda log_t: F.cross_entropy(logits / math.exp(log_t), labels).item(),
        bounds=(-3.0, 3.0),  # e^-3 to e^3; the loss has one minimum in 1 / T
        method="bounded",
    )
    return math.exp(found.x)
