"""Adversarial losses of a discriminator, which separates real from generated images, and of a generator.

The discriminator's scores are high for images that it takes to be real. Scores may have any shape, such as one score
per patch: every loss is the mean over all scores. With the Wasserstein loss, the discriminator is called a critic.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

ADVERSARIAL = ("wasserstein", "hinge", "logistic", "least_squares")
"""Wasserstein distance (Arjovsky 2017; needs `gradient_penalty`); hinge loss (Lim & Ye 2017; Miyato 2018, eq. 16 and
17); logistic loss, for the generator in its non-saturating form (Goodfellow 2014, §3); least squares (Mao 2017, used
by CycleGAN)."""


def discriminator_loss(real: Tensor, generated: Tensor, kind: str) -> Tensor:
    """The discriminator's loss, given its scores of real and of generated images.

    kind  one of `ADVERSARIAL`; raises `KeyError` for any other
    """
    loss_on_real, loss_on_generated = _DISCRIMINATOR[kind]
    return loss_on_real(real.float()).mean() + loss_on_generated(generated.float()).mean()


def generator_loss(generated: Tensor, kind: str) -> Tensor:
    """The generator's loss, given the discriminator's scores of generated images. `kind` as in `discriminator_loss`."""
    return _GENERATOR[kind](generated.float()).mean()


_DISCRIMINATOR: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "wasserstein": (torch.neg, lambda generated: generated),
    "hinge": (lambda real: F.relu(1 - real), lambda generated: F.relu(1 + generated)),
    "logistic": (lambda real: F.softplus(-real), F.softplus),
    "least_squares": (lambda real: (real - 1).square(), torch.square),
}

_GENERATOR: dict[str, Callable[[Tensor], Tensor]] = {
    "wasserstein": torch.neg,
    "hinge": torch.neg,
    "logistic": lambda generated: F.softplus(-generated),
    "least_squares": lambda generated: (generated - 1).square(),
}


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, generated: Tensor) -> Tensor:
    """Squared difference of 1 and the critic's gradient norm between real and generated images (Gulrajani 2017, eq. 3).

    The gradient is taken at one random point on the line from each real image to a generated one, both (N, C, H, W) or,
    for other data than images, (N, ...). It is the gradient of the sum of an image's scores, as in StarGAN's code. The
    penalty is differentiated again with respect to the critic's weights, so `critic` must compute in single precision.
    """
    weight_of_real = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
    norms = _input_gradients(critic, torch.lerp(generated.detach(), real, weight_of_real)).flatten(1).norm(dim=1)
    return (norms - 1).square().mean()


def r1_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """R1: the squared norm of the discriminator's gradient at real images (N, C, H, W) (Mescheder 2018, eq. 9).

    The gradient is that of the *mean* of an image's scores; that of their sum would grow with the number of patches.
    `lazy_r1_penalty` adds the factor γ / 2, and makes the penalty cheap.
    """
    mean_score = lambda images: discriminator(images).reshape(len(images), -1).mean(1)  # noqa: E731
    return _input_gradients(mean_score, real).square().flatten(1).sum(1).mean()


def lazy_r1_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, gamma: float, every: int, step: int
) -> Tensor:
    """γ / 2 R1 by lazy regularisation (Karras 2020, appendix B): every k-th step with k times the weight.

    0 in the steps between, and for a γ of 0.
    """
    if not gamma or step % every:
        return real.new_zeros(())
    return gamma / 2 * every * r1_penalty(discriminator, real)


def _input_gradients(discriminator: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Gradient of each image's summed scores with respect to its pixels, (N, C, H, W)."""
    images = images.detach().float().requires_grad_()
    [gradients] = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return gradients
