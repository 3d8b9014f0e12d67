"""Does a classifier's confidence match its accuracy? (Guo 2017, *On Calibration of Modern Neural Networks*)"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor


@dataclass(frozen=True)
class ReliabilityCurve:
    """Accuracy as a function of confidence, in B bins of equal width from 0 to 1. Empty bins hold 0.

    confidence  (B,) mean probability of the predicted class
    accuracy    (B,) share of correct predictions
    count       (B,) number of predictions
    """

    confidence: Tensor
    accuracy: Tensor
    count: Tensor

    @property
    def ece(self) -> float:
        """Expected calibration error (Guo 2017, eq. 3): the mean gap between confidence and accuracy,
        weighted by the number of predictions. A calibrated classifier has 0."""
        gaps = (self.confidence - self.accuracy).abs()
        return ((gaps * self.count).sum() / self.count.sum()).item()


def reliability(probabilities: Tensor, labels: Tensor, bins: int = 15) -> ReliabilityCurve:
    """The reliability curve of probabilities (N, E) for labels (N,)."""
    confidence, predicted = probabilities.double().max(1)
    bin_index = (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)
    count = torch.bincount(bin_index, minlength=bins)
    means = [
        torch.bincount(bin_index, weights, bins) / count.clamp(min=1)
        for weights in (confidence, (predicted == labels).double())
    ]
    return ReliabilityCurve(*means, count)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T for which softmax(logits / T) has the highest likelihood on held-out faces (Guo 2017, §4.2).

    T > 1 means that the classifier was overconfident. The predicted class does not depend on T.

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
