"""What is drawn at random in training, as a function of counters.

Which face comes when, and every other random number, follows from (seed, step, process) alone. So a resumed run
needs no saved generators to draw what the run that was never stopped would have drawn.
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
    """A seed in [0, 2**63) that depends on all counters, and looks unrelated when any one changes."""
    digest = hashlib.blake2b(repr(counters).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator_for(*counters: int | str) -> torch.Generator:
    """A generator on the CPU with the seed that follows from the counters."""
    return torch.Generator().manual_seed(derived_seed(*counters))


def seed_global_generators(*counters: int | str) -> None:
    """Seed PyTorch's generators on all devices, NumPy's and Python's, for code that draws from them."""
    seed = derived_seed(*counters)
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:  # the same for the CPU, without noting a seed, with a traceback, for a GPU that is not there
        torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


class FaceOrder(Sampler[int]):
    """The indices that one process takes, step by step, from step `start` to the end of the run.

    All processes together read one endless sequence, epoch after epoch, `batch` indices a process and step, so
    that two processes with a batch of 32 take the same faces at each step as one with a batch of 64. A batch may
    reach over the end of an epoch; no face is left out.

    balance  (faces,) labels by which every emotion comes as often; None takes every face once an epoch
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
