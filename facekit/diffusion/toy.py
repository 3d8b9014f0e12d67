"""A distribution whose diffusion has a closed form, with the optimal denoiser that a perfect network would be."""

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
    """A mixture of K Gaussians in D dimensions.

    weights      (K,), summing to 1
    means        (K, D)
    covariances  (K, D, D), symmetric and positive semidefinite

    Diffusion turns it into another mixture: at signal a and noise s, component k has the mean a μ_k and the covariance
    a² Σ_k + s² I. All methods are therefore exact. They compute in float64 and return the dtype of their input. Signal
    and noise are numbers, or (N,) one per point; 1 and 0 give the data itself, which requires regular covariances.

    Raises `ValueError` for weights that do not sum to 1 and for inconsistent shapes.
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
    def ring(cls, components: int = 8, radius: float = 0.75, deviation: float = 0.05) -> GaussianMixture:
        """Isotropic components of equal weight, evenly spaced on a circle in the plane."""
        angle = torch.arange(components, dtype=torch.float64) * 2 * math.pi / components
        means = radius * torch.stack([angle.cos(), angle.sin()], 1)
        covariances = deviation**2 * torch.eye(2).repeat(components, 1, 1)
        return cls(torch.full((components,), 1 / components), means, covariances)

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """N points (N, D) float32, and the index of each point's component (N,)."""
        label = torch.multinomial(self.weights.float(), n, replacement=True, generator=generator)
        values, vectors = torch.linalg.eigh(self.covariances.double())
        root = vectors * values.clamp(min=0).sqrt()[:, None]  # (K, D, D)
        drawn = torch.randn(n, self.means.shape[1], generator=generator).double()
        points = self.means.double()[label] + (root[label] @ drawn[:, :, None])[..., 0]
        return points.float(), label

    def clean_estimate(self, noisy: Tensor, signal, noise, label: Tensor | None = None) -> Tensor:
        """The posterior mean of the clean point given each noisy one, (N, D): the estimate of least mean square error.

        noisy  (N, D)
        label  (N,) the component of each point; -1 where it is not known
        """
        joint, pull = self._components(noisy, signal, noise, label)
        means = self.means.double() + _column(signal) * torch.einsum("kde,nke->nkd", self.covariances.double(), pull)
        return (joint.softmax(1)[..., None] * means).sum(1).to(noisy)

    def score(self, noisy: Tensor, signal, noise, label: Tensor | None = None) -> Tensor:
        """The gradient of the log density at noisy points, (N, D)."""
        joint, pull = self._components(noisy, signal, noise, label)
        return -(joint.softmax(1)[..., None] * pull).sum(1).to(noisy)

    def log_density(self, noisy: Tensor, signal, noise, label: Tensor | None = None) -> Tensor:
        """The log density at noisy points, (N,)."""
        return self._components(noisy, signal, noise, label)[0].logsumexp(1).to(noisy)

    def responsibilities(self, noisy: Tensor, signal, noise) -> Tensor:
        """The posterior probability of each component given each noisy point, (N, K)."""
        return self._components(noisy, signal, noise, None)[0].softmax(1).to(noisy)

    def denoiser(self, schedule: NoiseSchedule, label: Tensor | None = None) -> Denoise:
        """`clean_estimate` as a denoiser for a sampler."""

        def denoise(noisy: Tensor, timestep: Tensor) -> Tensor:
            bar = schedule.alpha_bar[timestep]
            return self.clean_estimate(noisy, bar.sqrt(), (1 - bar).sqrt(), label)

        return denoise

    def _components(self, noisy: Tensor, signal, noise, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """By point and component: joint log density (N, K), and C⁻¹ (x − a μ) for its covariance C, (N, K, D)."""
        a, s = _column(signal), _column(noise)
        values, vectors = torch.linalg.eigh(self.covariances.double())  # (K, D), (K, D, D)
        offset = noisy.double()[:, None] - a * self.means.double()  # (N, K, D)
        along = torch.einsum("nkd,kde->nke", offset, vectors)  # in the component's principal axes
        variance = a.square() * values + s.square()  # (N, K, D)
        density = -0.5 * (along.square() / variance + (2 * math.pi * variance).log()).sum(2)
        return self._log_weights(label, len(noisy)) + density, torch.einsum("nke,kde->nkd", along / variance, vectors)

    def _log_weights(self, label: Tensor | None, n: int) -> Tensor:
        """Log prior of each component for each point, (N, K); that of a labelled component is 0, of the others -inf."""
        weights = self.weights.double().repeat(n, 1)
        if label is not None:
            known = label >= 0
            weights[known] = one_hot(label[known], len(self.weights)).double()
        return weights.log()


def _column(level) -> Tensor:
    """A signal or noise, one number or (N,), in a shape that multiplies (N, K, D)."""
    return torch.as_tensor(level, dtype=torch.float64).reshape(-1, 1, 1)
