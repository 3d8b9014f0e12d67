"""Losses of variational autoencoders: the two terms of P0 §3.1, and the trick by which gradients pass a random draw.

How the terms are reduced decides what β means, and few papers say it. Here, everywhere: the reconstruction error is
the *mean* over channels and pixels, as the name MSE says; the divergence is the *sum* over the latent dimensions, as
P0's equation writes it; both are the mean over faces. So β weighs nats a face against mean square errors, and with
D = channels x height x width it says the same as a decoder of Gaussian noise with the variance β D / 2 in the bound
of Kingma & Welling 2014 (eq. 3).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def reparameterise(mu: Tensor, logvar: Tensor, noise: Tensor | None = None) -> Tensor:
    """A draw from N(mu, exp(logvar)) through which gradients pass: z = μ + ε σ (P0 §3.1; Kingma & Welling 2014).

    mu, logvar  (N, D)
    noise       ε (N, D), standard normal; drawn from the global generator unless given
    """
    return mu + (torch.randn_like(mu) if noise is None else noise) * (logvar / 2).exp()


def gaussian_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) of each dimension by itself, in nats: (N, D) to (N, D), at least 0.

    Its sum over the dimensions is P0's L_KL.
    """
    return (mu.square() + logvar.exp() - 1 - logvar) / 2


def variational_loss(images: Tensor, reconstructed: Tensor, mu: Tensor, logvar: Tensor, beta: float) -> Tensor:
    """P0's L = L_recon + β L_KL, reduced as the head of this file says.

    images, reconstructed  (N, C, H, W)
    mu, logvar             (N, D) of the posterior
    """
    return F.mse_loss(reconstructed, images) + beta * gaussian_divergence(mu, logvar).sum(1).mean()


def decoder_deviation(beta: float, dimensions: int) -> float:
    """The standard deviation σ of the decoder's noise that a β stands for: β = 2 σ² / D.

    dimensions  D, the numbers that a picture is made of: channels x height x width

    >>> round(decoder_deviation(0.001, 3 * 64 * 64), 2)
    2.48
    """
    return (beta * dimensions / 2) ** 0.5
