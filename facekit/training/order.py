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
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


class FaceOrder(Sampler[int]):
    """The indices that one process takes, step by step, from step `start` to the end of the run.

    All processes together read one endless sequence, epoch after epoch, `batch` indices a process and step, so
    that two processes with a batch of 32 take the same faces at each step as one with a batch of 64. A batch may
    reach over the end of an epoch; no face is left out.

    weights  (faces,) how often each face is drawn, with replacement; None takes every face once an epoch
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
        weights: Tensor | None = None,
    ) -> None:
        self.faces, self.batch, self.steps = faces, batch, steps
        self.seed, self.start, self.rank, self.processes = seed, start, rank, processes
        self.weights = weights
        self._epoch = functools.lru_cache(maxsize=2)(self._draw_epoch)

    def _draw_epoch(self, epoch: int) -> list[int]:
        generator = generator_for(self.seed, "order", epoch)
        if self.weights is None:
            return torch.randperm(self.faces, generator=generator).tolist()
        return torch.multinomial(self.weights, self.faces, replacement=True, generator=generator).tolist()

    def __iter__(self) -> Iterator[int]:
        for step in range(self.start, self.steps):
            first = (step * self.processes + self.rank) * self.batch
            for position in range(first, first + self.batch):
                epoch, place = divmod(position, self.faces)
                yield self._epoch(epoch)[place]

    def __len__(self) -> int:
        return (self.steps - self.start) * self.batch


def balancing_weights(labels: Tensor) -> Tensor:
    """How often each face must be drawn so that every emotion comes as often as any other; unlabelled ones never.

    >>> balancing_weights(torch.tensor([0, 0, 1, -1])).tolist()
    [0.5, 0.5, 1.0, 0.0]
    """
    counts = torch.bincount(labels[labels >= 0])
    return torch.where(labels >= 0, 1 / counts[labels].double(), 0.0)
