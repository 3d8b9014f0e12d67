"""Losses of two networks against each other: a critic that tells real pictures from made ones, and their maker.

A critic's scores are high for what it takes to be real. They may have any shape, such as one number for each patch:
the losses are means over all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

ADVERSARIAL = ("wasserstein", "hinge", "logistic", "least_squares")
"""Wasserstein distance (Arjovsky 2017; needs `gradient_penalty`); hinge (Lim & Ye 2017, as in Miyato 2018, eq. 16 and
17); logistic, for the maker in the form that does not saturate (Goodfellow 2014, §3); least squares (Mao 2017, as in
CycleGAN)."""


def discriminator_loss(real: Tensor, made: Tensor, kind: str) -> Tensor:
    """What the critic minimises, of its scores of real and of made pictures. Raises `KeyError` for an unknown kind."""
    of_real, of_made = _DISCRIMINATOR[kind]
    return of_real(real.float()).mean() + of_made(made.float()).mean()


def generator_loss(made: Tensor, kind: str) -> Tensor:
    """What the maker of pictures minimises, of the critic's scores. Raises `KeyError` for an unknown kind."""
    return _GENERATOR[kind](made.float()).mean()


_DISCRIMINATOR: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "wasserstein": (torch.neg, lambda made: made),
    "hinge": (lambda real: F.relu(1 - real), lambda made: F.relu(1 + made)),
    "logistic": (lambda real: F.softplus(-real), F.softplus),
    "least_squares": (lambda real: (real - 1).square(), torch.square),
}

_GENERATOR: dict[str, Callable[[Tensor], Tensor]] = {
    "wasserstein": torch.neg,
    "hinge": torch.neg,
    "logistic": lambda made: F.softplus(-made),
    "least_squares": lambda made: (made - 1).square(),
}


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, made: Tensor) -> Tensor:
    """How far the critic's slope between real and made pictures, both (N, C, H, W), is from 1 (Gulrajani 2017, eq. 3).

    One place is drawn on the line from each real picture to a made one. The gradient is of the sum of a picture's
    scores, as in StarGAN's code, and is differentiated again for the critic's weights: call the critic by a method
    that computes in single precision.
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    norms = _slopes(critic, torch.lerp(made.detach(), real, share)).flatten(1).norm(dim=1)
    return (norms - 1).square().mean()


def r1_penalty(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """The critic's squared slope at real pictures (N, C, H, W): R1 (Mescheder 2018, eq. 9), without its γ / 2.

    The slope is that of the mean of a picture's scores: of their sum it would grow with the square of how many patches
    a critic judges. Computed "lazily", every k-th step and k times as heavy (Karras 2020, appendix B), it costs little.
    """
    mean = lambda images: critic(images).reshape(len(images), -1).mean(1)  # noqa: E731
    return _slopes(mean, real).square().flatten(1).sum(1).mean()


def _slopes(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """How each picture's summed score changes with its pixels, (N, C, H, W)."""
    images = images.detach().float().requires_grad_()
    [slopes] = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return slopes
