"""Latent codes of labelled faces: what of a code is linearly predictable from the label, and how to remove it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LabelledCodes(nn.Module):
    """Standardises codes (N, D), and estimates the linear dependence of codes on labels.

    During training, the moments of codes and labels are averaged over batches. They give

    * `directions`, along which the mean code moves with the label (DiffAE's linear manipulation, Preechakul 2022,
      §5.2, here by regression);
    * `erase`, the code without its component in the span of the directions (the projection of Ravfogel 2020): the
      mean codes of all labels then coincide;
    * `replace`, the code with that component replaced by the one of another label.

    dim          length D of a code
    labels       columns K of the label; each row of labels sums to 1
    standardise  False leaves codes unchanged when the layer is called, for codes of variance 1 such as a VAE's
    momentum     weight of each batch in the running averages
    """

    def __init__(self, dim: int, labels: int, *, standardise: bool = True, momentum: float = 0.01) -> None:
        super().__init__()
        # The large eps keeps dimensions that hardly vary from being amplified.
        standard = nn.BatchNorm1d(dim, eps=1e-2, momentum=momentum, affine=False)
        self.standard = standard if standardise else nn.Identity()
        self.momentum = momentum
        self.register_buffer("label_mean", torch.full((labels,), 1 / labels))
        self.register_buffer("label_covariance", torch.zeros(labels, labels))
        self.register_buffer("cross_covariance", torch.zeros(labels, dim))

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (N, D) of mean 0 and variance 1: by the batch's moments in training, by running averages afterwards."""
        return self.standard(codes.float())

    @torch.no_grad()
    def observe(self, codes: Tensor, labels: Tensor) -> None:
        """Update the running moments with a batch of standardised codes (N, D) and labels (N, K)."""
        if not len(codes):
            return
        centred = labels - self.label_mean
        for average, new in (
            (self.label_mean, labels.mean(0)),
            (self.label_covariance, centred.T @ centred / len(codes)),
            (self.cross_covariance, centred.T @ codes.detach() / len(codes)),
        ):
            average.lerp_(new, self.momentum)

    @property
    def directions(self) -> Tensor:
        """Change of the mean code per unit of each column of the label, (K, D), by least squares."""
        return torch.linalg.pinv(self.label_covariance, rtol=1e-3) @ self.cross_covariance

    def erase(self, codes: Tensor) -> Tensor:
        """Standardised codes (N, D) without their component in the span of the directions."""
        # Labels sum to 1, so that the directions span one dimension fewer than the label has columns.
        basis = torch.linalg.svd(self.cross_covariance, full_matrices=False).Vh[:-1]
        return codes - (codes @ basis.T) @ basis

    def replace(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Standardised codes (N, D) with their label-dependent component replaced by that of labels (N, K)."""
        return self.erase(codes) + (labels - self.label_mean) @ self.directions


class CodeClassifier(nn.Sequential):
    """Classifies labels from codes, (N, dim) to logits (N, labels): the adversary of Fader networks (Lample 2017).

    Codes trained to fool this classifier may still reveal the label to a stronger one.
    """

    def __init__(self, dim: int, labels: int, width: int = 256) -> None:
        super().__init__(
            nn.Linear(dim, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, labels),
        )
