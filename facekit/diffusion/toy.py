"""A distribution whose diffusion is known in closed form: what a perfectly trained network would answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from facekit.diffusion.sampler import Denoise
from facekit.diffusion.schedule import NoiseSchedule


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """K bell-shaped clouds of points in D dimensions.

    weights      (K,) share of each, summing to 1
    means        (K, D)
    covariances  (K, D, D), symmetric, with no negative eigenvalue

    Diffused, it stays a mixture: cloud k has mean a μ_k and covariance a² Σ_k + s² I at signal a and noise s. Hence
    all below is exact. It is computed in float64 and given back in the precision of what came in. Signal and noise
    are numbers, or (N,) one a point: 1 and 0 are the data themselves, and need covariances that are not singular.

    Raises `ValueError` for weights that do not sum to 1 and for shapes that do not fit.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor

    def __post_init__(self) -> None:
        k, d = self.means.shape
        if self.weights.shape != (k,) or self.covariances.shape != (k, d, d):
            shapes = [tuple(part.shape) for part in (self.weights, self.means, self.covariances)]
            raise ValueError(f"weights, means, covariances have shapes {shapes}; need (K,), (K, D), (K, D, D)")
        if (self.weights < 0).any() or abs(self.weights.sum().item() - 1) > 1e-5:
            raise ValueError(f"weights are {self.weights.tolist()}; they must be at least 0 and sum to 1")

    @classmethod
    def ring(cls, clouds: int = 8, radius: float = 0.75, deviation: float = 0.05) -> GaussianMixture:
        """Round clouds of equal weight, evenly on a circle in the plane."""
        angle = torch.arange(clouds, dtype=torch.float64) * 2 * math.pi / clouds
        means = radius * torch.stack([angle.cos(), angle.sin()], 1)
        return cls(torch.full((clouds,), 1 / clouds), means, deviation**2 * torch.eye(2).repeat(clouds, 1, 1))

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """N points (N, D) float32, and which cloud each came from (N,)."""
        label = torch.multinomial(self.weights.float(), n, replacement=True, generator=generator)
        values, vectors = torch.linalg.eigh(self.covariances.double())
        root = vectors * values.clamp(min=0).sqrt()[:, None]  # (K, D, D)
        drawn = torch.randn(n, self.means.shape[1], generator=generator).double()
        points = self.means.double()[label] + (root[label] @ drawn[:, :, None])[..., 0]
        return points.float(), label

    def clean_estimate(self, noisy: Tensor, signal, noise, label: Tensor | None = None) -> Tensor:
        """The mean of all clean points that may lie behind each noisy one, (N, D): the best answer a network can give.

        noisy  (N, D)
        label  (N,) the cloud that each point is known to come from; -1 where that is not known
        """
        joint, pull = self._clouds(noisy, signal, noise, label)
        means = self.means.double() + _column(signal) * torch.einsum("kde,nke->nkd", self.covariances.double(), pull)
        return (joint.softmax(1)[..., None] * means).sum(1).to(noisy)

    def score(self, noisy: Tensor, signal, noise, label: Tensor | None = None) -> Tensor:
        """The gradient of the noisy points' log density, (N, D): which way they become more likely."""
        joint, pull = self._clouds(noisy, signal, noise, label)
        return -(joint.softmax(1)[..., None] * pull).sum(1).to(noisy)

    def log_density(self, noisy: Tensor, signal, noise, label: Tensor | None = None) -> Tensor:
        """The log density of noisy points, (N,)."""
        return self._clouds(noisy, signal, noise, label)[0].logsumexp(1).to(noisy)

    def responsibilities(self, noisy: Tensor, signal, noise) -> Tensor:
        """How likely each noisy point is to come from each cloud, (N, K)."""
        return self._clouds(noisy, signal, noise, None)[0].softmax(1).to(noisy)

    def denoiser(self, schedule: NoiseSchedule, label: Tensor | None = None) -> Denoise:
        """The network that a sampler asks: `clean_estimate` by timestep."""

        def denoise(noisy: Tensor, timestep: Tensor) -> Tensor:
            bar = schedule.alpha_bar[timestep]
            return self.clean_estimate(noisy, bar.sqrt(), (1 - bar).sqrt(), label)

        return denoise

    def _clouds(self, noisy: Tensor, signal, noise, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """By point and cloud: joint log density (N, K), and offset over covariance, C⁻¹ (x − a μ), (N, K, D)."""
        a, s = _column(signal), _column(noise)
        values, vectors = torch.linalg.eigh(self.covariances.double())  # (K, D), (K, D, D)
        offset = noisy.double()[:, None] - a * self.means.double()  # (N, K, D)
        along = torch.einsum("nkd,kde->nke", offset, vectors)  # in each cloud's own axes
        variance = a.square() * values + s.square()  # (N, K, D)
        density = -0.5 * (along.square() / variance + (2 * math.pi * variance).log()).sum(2)
        return self._log_shares(label, len(noisy)) + density, torch.einsum("nke,kde->nkd", along / variance, vectors)

    def _log_shares(self, label: Tensor | None, n: int) -> Tensor:
        """Log weight of each cloud for each point (N, K): all of it on the labelled cloud where there is one."""
        shares = self.weights.double().repeat(n, 1)
        if label is not None:
            known = label >= 0
            shares[known] = one_hot(label[known], len(self.weights)).double()
        return shares.log()


def _column(level) -> Tensor:
    """A signal or a noise, one or (N,), shaped to multiply (N, K, D)."""
    return torch.as_tensor(level, dtype=torch.float64).reshape(-1, 1, 1)
