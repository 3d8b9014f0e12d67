"""Losses of variational autoencoders: the two terms of P0 §3.1, and the reparameterisation trick.

The meaning of β depends on how the two terms are reduced, which few papers state. In this library the reconstruction
error is the *mean* over channels and pixels (MSE), the divergence is the *sum* over latent dimensions (P0's equation),
and both are averaged over faces. β therefore weighs nats per face against a mean squared error. With
D = channels x height x width, a given β is equivalent to a Gaussian decoder with variance β D / 2 in the evidence lower
bound of Kingma & Welling 2014 (eq. 3).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def reparameterise(mu: Tensor, logvar: Tensor, noise: Tensor | None = None) -> Tensor:
    """A differentiable sample from N(mu, exp(logvar)): z = μ + ε σ (P0 §3.1; Kingma & Welling 2014).

    mu, logvar  (N, D)
    noise       ε (N, D), standard normal; None: drawn from the global random generator
    """
    return mu + (torch.randn_like(mu) if noise is None else noise) * (logvar / 2).exp()


def gaussian_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) of each latent dimension, in nats: (N, D) to (N, D), at least 0.

    The sum over dimensions is P0's L_KL.
    """
    return (mu.square() + logvar.exp() - 1 - logvar) / 2


def variational_loss(images: Tensor, reconstructed: Tensor, mu: Tensor, logvar: Tensor, beta: float) -> Tensor:
    """L = L_recon + β L_KL (P0 §3.1); the module's docstring defines the reductions.

    images, reconstructed  (N, C, H, W)
    mu, logvar             (N, D) mean and log variance of the posterior
    """
    return F.mse_loss(reconstructed, images) + beta * gaussian_divergence(mu, logvar).sum(1).mean()


def decoder_deviation(beta: float, dimensions: int) -> float:
    """Standard deviation σ of the Gaussian decoder to which β is equivalent: β = 2 σ² / D.

    dimensions  D, the number of values of an image: channels x height x width

    >>> round(decoder_deviation(0.001, 3 * 64 * 64), 2)
    2.48
    """
    return (beta * dimensions / 2) ** 0.5
