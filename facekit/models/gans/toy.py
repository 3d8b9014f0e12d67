"""GANs on a toy distribution, eight modes on a ring in the plane: several independent runs at once, to average out
chance."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from facekit.diffusion.toy import GaussianMixture
from facekit.losses.adversarial import discriminator_loss, generator_loss, gradient_penalty, r1_penalty

RING = GaussianMixture.ring(8, radius=1.0, deviation=0.05)
"""The data: eight narrow Gaussians on the unit circle."""

_NOISE, _HIDDEN, _BATCH = 8, 64, 128


@dataclass(frozen=True)
class Setting:
    """How the games of `play_ring` are trained.

    loss                 one of `facekit.losses.adversarial.ADVERSARIAL`
    momentum             β1 of Adam
    r1                   γ of R1 (Mescheder 2018, eq. 9)
    gradient_penalty     λ of the gradient penalty (Gulrajani 2017, eq. 3)
    discriminator_steps  of the discriminator for one of the generator
    learning_rate        of both networks
    """

    loss: str = "logistic"
    momentum: float = 0.0
    r1: float = 0.0
    gradient_penalty: float = 0.0
    discriminator_steps: int = 1
    learning_rate: float = 4e-3


class ParallelMLP(nn.Module):
    """Independent multilayer perceptrons of one shape: (games, N, inputs) to (games, N, outputs)."""

    def __init__(self, games: int, *widths: int) -> None:
        super().__init__()
        sizes = list(pairwise(widths))
        self.weights = nn.ParameterList(torch.randn(games, a, b) * (2 / a) ** 0.5 for a, b in sizes)
        self.biases = nn.ParameterList(torch.zeros(games, 1, b) for _, b in sizes)

    def forward(self, x: Tensor) -> Tensor:
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x.relu() if i else x, weight)
        return x


def play_ring(
    setting: Setting, games: int = 4, steps: int = 600, snapshots: Collection[int] = (), seed: int = 0
) -> dict[int, Tensor]:
    """Train independent GANs ("games") on `RING`.

    Returns 300 generated points per game, (games, 300, 2), after each of the steps in `snapshots`; by default after the
    last. The global random state is restored.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _play(setting, games, steps, snapshots or (steps,))


def _play(setting: Setting, games: int, steps: int, snapshots: Collection[int]) -> dict[int, Tensor]:
    generator = ParallelMLP(games, _NOISE, _HIDDEN, _HIDDEN, 2)
    discriminator = ParallelMLP(games, 2, _HIDDEN, _HIDDEN, 1)
    adam_g, adam_d = (
        torch.optim.Adam(network.parameters(), setting.learning_rate, betas=(setting.momentum, 0.99), fused=True)
        for network in (generator, discriminator)
    )
    fixed, samples = torch.randn(games, 300, _NOISE), {}
    for step in range(1, steps + 1):
        for _ in range(setting.discriminator_steps):
            real = RING.sample(games * _BATCH)[0].view(games, _BATCH, 2)
            with torch.no_grad():
                generated = generator(torch.randn(games, _BATCH, _NOISE))
            loss = discriminator_loss(discriminator(real), discriminator(generated), setting.loss)
            _descend(adam_d, games * (loss + _penalty(setting, discriminator, real, generated)))
        scores = discriminator(generator(torch.randn(games, _BATCH, _NOISE)))
        _descend(adam_g, games * generator_loss(scores, setting.loss))
        if step in snapshots:
            samples[step] = generator(fixed).detach()
    return samples


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _penalty(setting: Setting, discriminator: ParallelMLP, real: Tensor, generated: Tensor) -> Tensor:
    """The penalties of the setting. The library's functions take images: a point is an image of 2 channels, 1 x 1."""
    games = len(real)
    as_images = [points.reshape(-1, 2, 1, 1) for points in (real, generated)]

    def scores(images: Tensor) -> Tensor:
        return discriminator(images.view(games, -1, 2)).view(-1, 1)

    penalty = real.new_zeros(())
    if setting.r1:
        penalty = penalty + setting.r1 / 2 * r1_penalty(scores, as_images[0])
    if setting.gradient_penalty:
        penalty = penalty + setting.gradient_penalty * gradient_penalty(scores, *as_images)
    return penalty


def modes_reached(points: Tensor, modes: Tensor = RING.means, radius: float = 0.25, share: float = 0.02) -> list[int]:
    """The number of modes that each game has found: those near which more than a `share` of its points lie.

    points  (games, N, 2)
    modes   (M, 2)
    radius  the largest distance of a point from its mode

    >>> modes_reached(torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.1], [1.0, 0.0]]]))
    [2, 1]
    """
    distance, nearest = torch.cdist(points, modes.to(points)).min(2)  # (games, N)
    counts = [torch.bincount(n[d < radius], minlength=len(modes)) for n, d in zip(nearest, distance, strict=True)]
    return [int((count > share * points.shape[1]).sum()) for count in counts]
