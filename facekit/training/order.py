"""Random numbers of a training run, as a function of counters.

The order of the faces and all other random numbers depend on (seed, step, process) alone. A resumed run therefore draws
the same numbers as an uninterrupted one, without saved generator states.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

from facekit.datasets.sampling import BalancedSampler


def derived_seed(*counters: int | str) -> int:
    """A seed in [0, 2**63) from a hash of all counters."""
    digest = hashlib.blake2b(repr(counters).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator_for(*counters: int | str) -> torch.Generator:
    """A generator on the CPU, seeded by `derived_seed`."""
    return torch.Generator().manual_seed(derived_seed(*counters))


def seed_global_generators(*counters: int | str) -> None:
    """Seed the global generators of PyTorch (on all devices), NumPy and Python by `derived_seed`."""
    seed = derived_seed(*counters)
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:  # torch.manual_seed would also record a traceback for a GPU that may be initialised later
        torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


class FaceOrder(Sampler[int]):
    """The dataset indices of one process, step by step, from step `start` to the end of the run.

    All processes share one sequence of epochs, with `batch` indices per process and step: two processes with a batch
    size of 32 take the same faces in each step as one with a batch size of 64. A batch may extend over the end of an
    epoch, so that no face is left out.

    balance  labels (faces,) for sampling all emotions equally often; None takes every face once per epoch
    """

    def __init__(
        self,
        faces: int,
        batch: int,
        steps: int,
        *,
        seed: int = 0,
        start: int = 0,
        rank: int = 0,
        processes: int = 1,
        balance: Tensor | None = None,
    ) -> None:
        self.faces, self.batch, self.steps = faces, batch, steps
        self.seed, self.start, self.rank, self.processes = seed, start, rank, processes
        self.balance = balance
        self._epoch = functools.lru_cache(maxsize=2)(self._draw_epoch)

    def _draw_epoch(self, epoch: int) -> list[int]:
        seed = derived_seed(self.seed, "order", epoch)
        if self.balance is None:
            return torch.randperm(self.faces, generator=torch.Generator().manual_seed(seed)).tolist()
        return list(BalancedSampler(self.balance, seed, length=self.faces))

    def __iter__(self) -> Iterator[int]:
        for step in range(self.start, self.steps):
            first = (step * self.processes + self.rank) * self.batch
            for position in range(first, first + self.batch):
                epoch, place = divmod(position, self.faces)
                yield self._epoch(epoch)[place]

    def __len__(self) -> int:
        return (self.steps - self.start) * self.batch
