"""From noise to a picture, and back: DDPM, DDIM and DPM-Solver++ (2M) as settings of one sampler.

They are one formula. From a noisy picture x at level (a, s), with the estimate x̂ of the clean one, the next is

    x' = a' x̂ + √(s'² − σ²) (x − a x̂) / s + σ z,    σ = η (s' / s) √(1 − a² / a'²)

(Song 2021, eqs. 12 and 16). η 0 is DDIM. η 1 is DDPM: σ² is the posterior's variance β̃, and the rest its mean (Ho
2020, eq. 7). DPM-Solver++ (2M) is DDIM with x̂ carried on to the middle of the step, along the line through this
estimate and the one before (Lu 2022, algorithm 2).
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
"""denoise(noisy (N, ...), timestep (N,) int64) -> estimate of the clean pictures (N, ...)."""

METHODS = ("dpm++", "ddim", "ddpm")
SPACINGS = ("quadratic", "uniform")


class Stage(NamedTuple):
    """One step of a sampler on its way: what the network saw and what it made of it."""

    noisy: Tensor  # (N, ...)
    clean: Tensor  # (N, ...) the network's estimate, clipped where the sampler clips; the last one is the sample
    timestep: int


@dataclass(frozen=True)
class Sampler:
    """How to come from noise to a picture. One step is one network call.

    method   "dpm++" (DPM-Solver++ 2M, Lu 2022), "ddim" (Song 2021) or "ddpm" (Ho 2020; over fewer steps than T, the
             posterior between the timesteps that are left)
    steps    from pure noise to the picture, at most T
    eta      share of fresh noise in DDIM's steps, from 0 (none) to 1 (as DDPM)
    clip     hold clean estimates to [-1, 1] while sampling, as pictures are; inversion never does
    spacing  of the timesteps: "quadratic" (Song 2021, §D.2) from T − 1 to 0, closer together the cleaner the picture;
             "uniform" from T − 1 to T / steps − 1 (Lin 2024, table 2, "trailing"), whose last step is a long one.
             Both are all timesteps where steps is T

    Raises `ValueError` for settings that make no sense, and later for more steps than the schedule has.
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
            raise ValueError(f"eta is {self.eta}; it goes from 0 (no fresh noise) to 1 (as DDPM)")
        if self.eta and self.method != "ddim":
            raise ValueError(f"eta is for 'ddim'; {self.method!r} has its own: leave it at 0")

    @property
    def draws_noise(self) -> bool:
        """Whether the steps need fresh noise."""
        return self._eta > 0

    @property
    def _eta(self) -> float:
        return 1.0 if self.method == "ddpm" else self.eta

    def timesteps(self, schedule: NoiseSchedule, strength: float = 1.0) -> list[int]:
        """The timesteps at which the network is asked, noisiest first.

        The first of a whole way is T − 1, so that sampling starts from the noise that training ended with.

        strength  share of the way back into noise, in (0, 1]: only timesteps below that share of T, one at least
        """
        if self.steps > len(schedule):
            raise ValueError(f"{self.steps} steps are more than the {len(schedule)} timesteps of the schedule")
        if not 0 < strength <= 1:
            raise ValueError(f"strength is {strength}; it is a share of the way back into noise, above 0 and up to 1")
        spaced = _uniform if self.spacing == "uniform" else _quadratic
        whole = spaced(len(schedule), self.steps)
        return [timestep for timestep in whole if timestep < strength * len(schedule)] or whole[-1:]

    def noised(self, clean: Tensor, noise: Tensor, schedule: NoiseSchedule, strength: float) -> Tensor:
        """Pictures (N, ...) taken as far into noise as `sample` with the same strength starts (SDEdit, Meng 2022)."""
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
        """Clean pictures (N, ...) from noisy ones; the arguments are those of `walk`."""
        for stage in self.walk(denoise, start, schedule, strength=strength, noise=noise):
            estimate = stage.clean
        return estimate

    @torch.no_grad()
    def walk(
        self,
        denoise: Denoise,
        start: Tensor,
        schedule: NoiseSchedule,
        *,
        strength: float = 1.0,
        noise: Iterator[Tensor] | None = None,
    ) -> Iterator[Stage]:
        """Sample, step by step: yields every stage, noisiest first; the clean estimate of the last is the sample.

        start     (N, ...) pure noise for strength 1, else pictures as noisy as `noised` or `invert` leave them
        strength  share of the way that is gone, in (0, 1]
        noise     fresh noise (N, ...) for each step but the last, such as `noise_stream`; only where `draws_noise`
        """
        if self.draws_noise and noise is None:
            raise ValueError(
                f"{self.method!r} draws noise at every step: give noise, such as noise_stream(seeds, shape)"
            )
        noisy, before = start, None
        timesteps = self.timesteps(schedule, strength)
        for timestep, after in pairwise([*timesteps, None]):
            clean = denoise(noisy, _timestep(timestep, noisy))
            clean = clean.clamp(-1, 1) if self.clip else clean
            yield Stage(noisy, clean, timestep)
            if after is None:
                return
            here, there = schedule.level(timestep), schedule.level(after)
            estimate = clean
            if self.method == "dpm++" and before is not None:
                estimate = _midway(clean, before.clean, here, schedule.level(before.timestep), there)
            fresh, before = self._fresh(here, there), Stage(noisy, clean, timestep)
            noisy = _moved(noisy, estimate, here, there, fresh)
            noisy = noisy + fresh * next(noise) if self.draws_noise else noisy

    def _fresh(self, here: Level, there: Level) -> float:
        """σ of the formula at the head of this file: how much fresh noise a step brings."""
        return self._eta * there.noise / here.noise * math.sqrt(1 - (here.signal / there.signal) ** 2)

    @torch.no_grad()
    def invert(self, denoise: Denoise, clean: Tensor, schedule: NoiseSchedule, *, strength: float = 1.0) -> Tensor:
        """The stochastic code of pictures: the noise from which this sampler, without fresh noise, leads back to them.

        Decoding will ask the network about the noisier end of a step, which inversion has yet to find. So a step is
        foretold with the estimate that there is (DiffAE's eq. 8, Preechakul 2022), the network asked at the end found
        so, and the step taken with its answer; for "dpm++" with the mean of both estimates, which is as accurate as
        its decoding. One step is one network call, as in decoding.

        clean     (N, ...)
        strength  share of the way into noise, in (0, 1]

        Returns (N, ...), a `start` for `sample`.
        """
        noisy, here, before = clean, CLEAN, None
        for timestep in reversed(self.timesteps(schedule, strength)):
            there = schedule.level(timestep)
            foretold = clean if before is None else _moved(noisy, before, here, there)
            answer = denoise(foretold, _timestep(timestep, noisy))
            estimate = (answer + before) / 2 if self.method == "dpm++" and before is not None else answer
            noise = (foretold - there.signal * estimate) / there.noise
            growth = there.signal / here.signal
            noisy, here, before = growth * noisy + (there.noise - growth * here.noise) * noise, there, answer
        return noisy


def _uniform(timesteps: int, steps: int) -> list[int]:
    return [round(timesteps - i * timesteps / steps) - 1 for i in range(steps)]


def _quadratic(timesteps: int, steps: int) -> list[int]:
    if steps == 1:
        return [timesteps - 1]
    rising = [round((timesteps - 1) * (i / (steps - 1)) ** 2) for i in range(steps)]
    # Near 0 many steps would fall on one timestep: there they take one each.
    above = accumulate((timestep - i for i, timestep in enumerate(rising)), max)
    return [i + least for i, least in enumerate(above)][::-1]


def _moved(noisy: Tensor, clean: Tensor, here: Level, there: Level, fresh: float = 0.0) -> Tensor:
    """Pictures taken to another level with this estimate, room left for fresh noise of this deviation."""
    kept = math.sqrt(there.noise**2 - fresh**2) / here.noise
    return kept * noisy + (there.signal - kept * here.signal) * clean


def _midway(clean: Tensor, before: Tensor, here: Level, earlier: Level, there: Level) -> Tensor:
    """The clean estimate carried on by half a step in log_ratio (Lu 2022, algorithm 2, line 9)."""
    step, last = there.log_ratio - here.log_ratio, here.log_ratio - earlier.log_ratio
    return clean + step / last / 2 * (clean - before)


def _timestep(timestep: int, like: Tensor) -> Tensor:
    return torch.full((len(like),), timestep, dtype=torch.int64, device=like.device)
