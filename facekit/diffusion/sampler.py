"""Sampling and inversion: DDPM, DDIM and DPM-Solver++ (2M) as settings of one sampler.

All three are one formula. Let x be a noisy image at the level (a, s) and x̂ the estimate of its clean image. The image
at the next level (a', s') is

    x' = a' x̂ + √(s'² − σ²) (x − a x̂) / s + σ z,    σ = η (s' / s) √(1 − a² / a'²)

(Song 2021, eqs. 12 and 16). With η = 0 this is DDIM. With η = 1 it is DDPM: σ² is the posterior variance β̃, the rest
the posterior mean (Ho 2020, eq. 7). DPM-Solver++ (2M) is DDIM with x̂ extrapolated to the middle of the step from this
estimate and the previous one (Lu 2022, algorithm 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from facekit.diffusion.schedule import CLEAN, Level, NoiseSchedule

Denoise = Callable[[Tensor, Tensor], Tensor]
"""denoise(noisy (N, ...), timestep (N,) int64) -> estimate of the clean images (N, ...)."""

METHODS = ("dpm++", "ddim", "ddpm")
SPACINGS = ("quadratic", "uniform")


class SamplingStep(NamedTuple):
    """One step of a sampler: the input of the network and its estimate."""

    noisy: Tensor  # (N, ...)
    clean: Tensor  # (N, ...) the clean estimate, clipped where the sampler clips; that of the last step is the sample
    timestep: int


@dataclass(frozen=True)
class Sampler:
    """The settings of a sampler. Each step evaluates the network once.

    method   "dpm++" (DPM-Solver++ 2M, Lu 2022), "ddim" (Song 2021) or "ddpm" (Ho 2020; with fewer steps than T, the
             posterior between the remaining timesteps)
    steps    number of steps from pure noise to the image, at most T
    eta      amount of fresh noise in DDIM's steps, from 0 (none) to 1 (as DDPM)
    clip     clamp clean estimates to [-1, 1], the range of images, while sampling; inversion does not clip
    spacing  of the timesteps: "quadratic" (Song 2021, §D.2) from T − 1 to 0, denser towards the clean image;
             "uniform" from T − 1 to T / steps − 1 (Lin 2024, table 2, "trailing"), with a long last step. With T steps
             both are all timesteps

    Raises `ValueError` for invalid settings, and when used with a schedule of fewer timesteps than steps.
    """

    method: str = "dpm++"
    steps: int = 20
    eta: float = 0.0
    clip: bool = True
    spacing: str = "quadratic"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"{self.method!r} is no sampling method; known are {', '.join(METHODS)}")
        if self.spacing not in SPACINGS:
            raise ValueError(f"{self.spacing!r} is no spacing of timesteps; known are {', '.join(SPACINGS)}")
        if self.steps < 1:
            raise ValueError(f"a sampler needs at least one step, not {self.steps}")
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta is {self.eta}; it ranges from 0 (no fresh noise) to 1 (as DDPM)")
        if self.eta and self.method != "ddim":
            raise ValueError(f"eta is a setting of 'ddim'; {self.method!r} determines its own: leave eta at 0")

    @property
    def is_stochastic(self) -> bool:
        """Whether the steps add fresh noise."""
        return self._eta > 0

    @property
    def _eta(self) -> float:
        return 1.0 if self.method == "ddpm" else self.eta

    def timesteps(self, schedule: NoiseSchedule, strength: float = 1.0) -> list[int]:
        """The timesteps at which the network is evaluated, in descending order.

        At full strength the first is T − 1, so that sampling starts at the noise level with which training ended.

        strength  fraction of the noise levels that are used, in (0, 1]: only timesteps below strength · T, at least one
        """
        if self.steps > len(schedule):
            raise ValueError(f"{self.steps} steps are more than the {len(schedule)} timesteps of the schedule")
        if not 0 < strength <= 1:
            raise ValueError(f"strength is {strength}; it must be above 0 and at most 1")
        spaced = _uniform if self.spacing == "uniform" else _quadratic
        whole = spaced(len(schedule), self.steps)
        return [timestep for timestep in whole if timestep < strength * len(schedule)] or whole[-1:]

    def noised(self, clean: Tensor, noise: Tensor, schedule: NoiseSchedule, strength: float) -> Tensor:
        """Images (N, ...) with noise added up to the level at which `sample` with the same strength starts (SDEdit,
        Meng 2022)."""
        first = self.timesteps(schedule, strength)[0]
        return schedule.add_noise(clean, noise, _timestep(first, clean))

    def sample(
        self,
        denoise: Denoise,
        start: Tensor,
        schedule: NoiseSchedule,
        *,
        strength: float = 1.0,
        noise: Iterator[Tensor] | None = None,
    ) -> Tensor:
        """Clean images (N, ...) from noisy ones; the arguments are those of `trajectory`."""
        for step in self.trajectory(denoise, start, schedule, strength=strength, noise=noise):
            estimate = step.clean
        return estimate

    @torch.no_grad()
    def trajectory(
        self,
        denoise: Denoise,
        start: Tensor,
        schedule: NoiseSchedule,
        *,
        strength: float = 1.0,
        noise: Iterator[Tensor] | None = None,
    ) -> Iterator[SamplingStep]:
        """Yield every step of sampling, noisiest first; the clean estimate of the last step is the sample.

        start     (N, ...) pure noise at strength 1, else images as noisy as `noised` or `invert` return them
        strength  fraction of the noise levels that are traversed, in (0, 1]
        noise     fresh noise (N, ...) for each step but the last, such as `noise_stream`; only if `is_stochastic`
        """
        if self.is_stochastic and noise is None:
            raise ValueError(
                f"{self.method!r} adds noise at every step: give noise, such as noise_stream(seeds, shape)"
            )
        noisy, previous = start, None
        timesteps = self.timesteps(schedule, strength)
        for timestep, following in pairwise([*timesteps, None]):
            clean = denoise(noisy, _timestep(timestep, noisy))
            clean = clean.clamp(-1, 1) if self.clip else clean
            yield SamplingStep(noisy, clean, timestep)
            if following is None:
                return
            here, there = schedule.level(timestep), schedule.level(following)
            estimate = clean
            if self.method == "dpm++" and previous is not None:
                estimate = _extrapolated(clean, previous.clean, here, schedule.level(previous.timestep), there)
            fresh, previous = self._fresh(here, there), SamplingStep(noisy, clean, timestep)
            noisy = _moved(noisy, estimate, here, there, fresh)
            noisy = noisy + fresh * next(noise) if self.is_stochastic else noisy

    def _fresh(self, here: Level, there: Level) -> float:
        """σ of the module's formula: the standard deviation of the fresh noise of a step."""
        return self._eta * there.noise / here.noise * math.sqrt(1 - (here.signal / there.signal) ** 2)

    @torch.no_grad()
    def invert(self, denoise: Denoise, clean: Tensor, schedule: NoiseSchedule, *, strength: float = 1.0) -> Tensor:
        """The stochastic code of images: the noise from which this sampler, without fresh noise, reconstructs them.

        Decoding evaluates the network at the noisier end of each step, which inversion does not know yet. Each step
        therefore predicts that end with the previous estimate (DiffAE's eq. 8, Preechakul 2022), evaluates the
        network there, and repeats the step with the new estimate; for "dpm++" with the mean of both estimates, which
        has the order of accuracy of its decoding. Each step evaluates the network once, as in decoding.

        clean     (N, ...)
        strength  fraction of the noise levels that are traversed, in (0, 1]

        Returns (N, ...), a `start` for `sample`.
        """
        noisy, here, previous = clean, CLEAN, None
        for timestep in reversed(self.timesteps(schedule, strength)):
            there = schedule.level(timestep)
            predicted = clean if previous is None else _moved(noisy, previous, here, there)
            estimate = denoise(predicted, _timestep(timestep, noisy))
            blended = (estimate + previous) / 2 if self.method == "dpm++" and previous is not None else estimate
            noise = (predicted - there.signal * blended) / there.noise
            growth = there.signal / here.signal
            noisy, here, previous = growth * noisy + (there.noise - growth * here.noise) * noise, there, estimate
        return noisy


def _uniform(timesteps: int, steps: int) -> list[int]:
    return [round(timesteps - i * timesteps / steps) - 1 for i in range(steps)]


def _quadratic(timesteps: int, steps: int) -> list[int]:
    if steps == 1:
        return [timesteps - 1]
    rising = [round((timesteps - 1) * (i / (steps - 1)) ** 2) for i in range(steps)]
    # Near 0 several steps would round to the same timestep: there they take consecutive ones.
    above = accumulate((timestep - i for i, timestep in enumerate(rising)), max)
    return [i + least for i, least in enumerate(above)][::-1]


def _moved(noisy: Tensor, clean: Tensor, here: Level, there: Level, fresh: float = 0.0) -> Tensor:
    """Images at another level by this clean estimate, before fresh noise of this standard deviation is added."""
    kept = math.sqrt(there.noise**2 - fresh**2) / here.noise
    return kept * noisy + (there.signal - kept * here.signal) * clean


def _extrapolated(clean: Tensor, previous: Tensor, here: Level, earlier: Level, there: Level) -> Tensor:
    """The clean estimate, extrapolated linearly in log_ratio by half a step (Lu 2022, algorithm 2, line 9)."""
    step, last = there.log_ratio - here.log_ratio, here.log_ratio - earlier.log_ratio
    return clean + step / last / 2 * (clean - previous)


def _timestep(timestep: int, like: Tensor) -> Tensor:
    return torch.full((len(like),), timestep, dtype=torch.int64, device=like.device)
