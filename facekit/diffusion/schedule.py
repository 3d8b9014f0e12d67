"""Noise schedules, and the three quantities that a denoiser may predict.

A noisy image is x_t = √ᾱ_t · clean + √(1 − ᾱ_t) · noise (Ho 2020, eq. 4). Timesteps run from 0, nearly clean, to
T − 1, nearly pure noise. Given x_t, any one of noise, clean image and velocity determines the other two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

PREDICTIONS = ("noise", "clean", "velocity")
"""The target of the network: ε (Ho 2020), x0, or v = √ᾱ ε − √(1 − ᾱ) x0 (Salimans & Ho 2022, §4)."""

NOISE_SCHEDULES = ("linear", "cosine")
"""Constructors of `NoiseSchedule`: Ho 2020, and Nichol & Dhariwal 2021."""

DENSITIES = ("uniform", "logit_normal")
"""The distribution of timesteps in training: uniform, or the sigmoid of a standard normal number, which favours the
middle timesteps, where the content of an image is decided (Esser 2024, §3.1)."""


class Level(NamedTuple):
    """A noise level in double precision: x = signal · clean + noise · ε."""

    signal: float  # √ᾱ
    noise: float  # √(1 − ᾱ)

    @property
    def log_ratio(self) -> float:
        """λ = log(signal / noise), half the log signal-to-noise ratio."""
        return math.log(self.signal / self.noise)


CLEAN = Level(1.0, 0.0)


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The fraction ᾱ of the signal's variance that remains at each of T timesteps.

    alpha_bar  (T,) float64, strictly decreasing, in (0, 1)

    Methods take images, each (N, ...), and timesteps (N,) int64 in 0 to T − 1, all on one device. Raises `ValueError`
    for an `alpha_bar` that does not decrease or leaves (0, 1).
    """

    alpha_bar: Tensor

    def __post_init__(self) -> None:
        bar = self.alpha_bar
        if bar.ndim != 1 or not len(bar) or bar.dtype != torch.float64:
            raise ValueError(f"alpha_bar is {bar.dtype} of shape {tuple(bar.shape)}; need float64 of shape (T,)")
        if not (bar[0] < 1 and bar[-1] > 0 and (bar.diff() < 0).all()):
            raise ValueError("alpha_bar must fall at every timestep and stay above 0 and below 1")

    @classmethod
    def linear(cls, timesteps: int = 1000, first: float = 1e-4, last: float = 0.02) -> NoiseSchedule:
        """β rises linearly from first to last (Ho 2020, §4)."""
        betas = torch.linspace(first, last, timesteps, dtype=torch.float64)
        return cls((1 - betas).cumprod(0))

    @classmethod
    def cosine(cls, timesteps: int = 1000) -> NoiseSchedule:
        """ᾱ falls as a squared cosine (Nichol & Dhariwal 2021, eq. 17), with β at most 0.999 as in the paper."""
        at = torch.linspace(0, 1, timesteps + 1, dtype=torch.float64)
        bar = ((at + 0.008) / 1.008 * math.pi / 2).cos().square()
        betas = (1 - bar[1:] / bar[:-1]).clamp(max=0.999)
        return cls((1 - betas).cumprod(0))

    def __len__(self) -> int:
        """T, the number of timesteps."""
        return len(self.alpha_bar)

    def sample_timesteps(self, n: int, density: str = "uniform", device: torch.device | str = "cpu") -> Tensor:
        """Random timesteps (n,) for training, from PyTorch's global generator; `density` is one of `DENSITIES`."""
        if density == "uniform":
            return torch.randint(len(self), (n,), device=device)
        if density == "logit_normal":
            return (torch.randn(n, device=device).sigmoid() * len(self)).long()
        raise ValueError(f"{density!r} is no density of timesteps; known are {', '.join(DENSITIES)}")

    def level(self, timestep: int) -> Level:
        """The noise level of one timestep."""
        bar = self.alpha_bar[timestep].item()
        return Level(math.sqrt(bar), math.sqrt(1 - bar))

    def snr(self, timestep: Tensor) -> Tensor:
        """Signal-to-noise ratio ᾱ / (1 − ᾱ) of each timestep: (N,) float32."""
        return _take(self.alpha_bar / (1 - self.alpha_bar), timestep)

    def add_noise(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """The noisy image at a timestep (Ho 2020, eq. 4)."""
        a, s = self.signal_and_noise(timestep, clean)
        return a * clean + s * noise

    def target(self, clean: Tensor, noise: Tensor, timestep: Tensor, prediction: str) -> Tensor:
        """The training target for a clean image and its noise; `prediction` is one of `PREDICTIONS`."""
        if _known(prediction) == "noise":
            return noise
        if prediction == "clean":
            return clean
        a, s = self.signal_and_noise(timestep, clean)
        return a * noise - s * clean

    def to_clean(self, output: Tensor, noisy: Tensor, timestep: Tensor, prediction: str) -> Tensor:
        """The clean image that follows from a network's output for a noisy one.

        Near T − 1 a noise prediction is divided by √ᾱ close to 0, so that the estimate may lie far outside [-1, 1].
        """
        if _known(prediction) == "clean":
            return output
        a, s = self.signal_and_noise(timestep, noisy)
        return (noisy - s * output) / a if prediction == "noise" else a * noisy - s * output

    def to_noise(self, clean: Tensor, noisy: Tensor, timestep: Tensor) -> Tensor:
        """The noise that leads from a clean image to a noisy one."""
        a, s = self.signal_and_noise(timestep, noisy)
        return (noisy - a * clean) / s

    def signal_and_noise(self, timestep: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """√ᾱ and √(1 − ᾱ), in a shape that multiplies images (N, ...)."""
        shape = (-1, *[1] * (like.ndim - 1))
        bar = self.alpha_bar
        return _take(bar.sqrt(), timestep).view(shape), _take((1 - bar).sqrt(), timestep).view(shape)


def _take(table: Tensor, timestep: Tensor) -> Tensor:
    """Rows of a float64 table, rounded to float32 before the transfer: some devices do not support float64."""
    return table.float().to(timestep.device)[timestep]


def _known(prediction: str) -> str:
    if prediction not in PREDICTIONS:
        raise ValueError(f"{prediction!r} is no kind of prediction; known are {', '.join(PREDICTIONS)}")
    return prediction
