"""Codes of faces beside the labels of what the faces show: how much of the one is said by the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LabelledCodes(nn.Module):
    """Brings codes (N, D) to variance 1, and knows what of them is a linear matter of the label.

    While a system trains, moments of codes and labels are averaged over the batches. From them come the directions
    along which a code moves with the label (DiffAE's linear manipulation, Preechakul 2022, §5.2, by regression), the
    code without them (`erase`: what is left is orthogonal to every direction in which the means of the labels differ;
    Ravfogel 2020's projection), and the code with another label's share put in their place (`replace`).

    labels       columns of the label, each row of which sums to 1
    standardise  whether calling it changes codes at all: a variational autoencoder's have variance 1 already
    momentum     share of each batch in the averages
    """

    def __init__(self, dim: int, labels: int, *, standardise: bool = True, momentum: float = 0.01) -> None:
        super().__init__()
        # Dimensions that hardly vary are not blown up.
        standard = nn.BatchNorm1d(dim, eps=1e-2, momentum=momentum, affine=False)
        self.standard = standard if standardise else nn.Identity()
        self.momentum = momentum
        self.register_buffer("label_mean", torch.full((labels,), 1 / labels))
        self.register_buffer("label_covariance", torch.zeros(labels, labels))
        self.register_buffer("cross_covariance", torch.zeros(labels, dim))

    def forward(self, codes: Tensor) -> Tensor:
        """Codes of mean 0 and variance 1: of the batch while training, of the averages after."""
        return self.standard(codes.float())

    @torch.no_grad()
    def observe(self, codes: Tensor, labels: Tensor) -> None:
        """Average the moments of a batch in: standardised codes (N, D) and labels (N, K)."""
        if not len(codes):
            return
        apart = labels - self.label_mean
        for average, new in (
            (self.label_mean, labels.mean(0)),
            (self.label_covariance, apart.T @ apart / len(codes)),
            (self.cross_covariance, apart.T @ codes.detach() / len(codes)),
        ):
            average.lerp_(new, self.momentum)

    @property
    def directions(self) -> Tensor:
        """How the mean code moves with each column of the label, (K, D), by least squares."""
        return torch.linalg.pinv(self.label_covariance, rtol=1e-3) @ self.cross_covariance

    def erase(self, codes: Tensor) -> Tensor:
        """Standardised codes (N, D) less their part in the span of the directions."""
        # Rows of a label sum to 1, so that one direction fewer than there are columns is free.
        basis = torch.linalg.svd(self.cross_covariance, full_matrices=False).Vh[:-1]
        return codes - (codes @ basis.T) @ basis

    def replace(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Standardised codes (N, D) with what they say linearly of their label replaced by labels (N, K)."""
        return self.erase(codes) + (labels - self.label_mean) @ self.directions


class CodeClassifier(nn.Sequential):
    """Reads labels in codes: (N, dim) to logits (N, labels). What is made to mislead it (Lample 2017) may still be read
    by another reader, but with more effort."""

    def __init__(self, dim: int, labels: int, width: int = 256) -> None:
        super().__init__(
            nn.Linear(dim, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, labels),
        )
