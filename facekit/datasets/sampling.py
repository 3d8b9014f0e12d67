"""Datasets in which some emotions are rare: weights for the loss, and an order in which all are as frequent."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from facekit.faces.emotions import EMOTIONS


def class_weights(labels: Tensor, scheme: str = "inverse", beta: float = 0.999) -> Tensor:
    """A weight for each emotion, (E,), larger for rarer ones; 0 for those that do not occur.

    labels    (N,) indices into `EMOTIONS`; -1 is not counted
    scheme    "inverse": 1 / n of a class of n pictures. "effective": 1 / effective number, (1 - beta) / (1 - beta^n)
              (Cui et al., *Class-balanced loss based on effective number of samples*, CVPR 2019, eq. 2), which is
              gentler: the thousandth picture of a class tells less than the first
    beta      of the effective number, in [0, 1): 0 weighs all alike, towards 1 it becomes "inverse"

    The mean weight of a picture is 1, so that a weighted loss keeps its scale. Raises `ValueError` for an unknown
    scheme, or where nothing is labelled.

    >>> class_weights(torch.tensor([0, 0, 0, 3]))[[0, 3]].tolist()
    [0.6666666865348816, 2.0]
    """
    counts = torch.bincount(labels[labels >= 0], minlength=len(EMOTIONS)).double()
    if not counts.sum():
        raise ValueError("there is no labelled picture to weigh")
    if scheme == "inverse":
        effective = counts
    elif scheme == "effective":
        effective = (1 - beta**counts) / (1 - beta)
    else:
        raise ValueError(f"{scheme!r} is no scheme of class weights; use 'inverse' or 'effective'")
    weights = torch.where(counts > 0, 1 / effective, 0.0)
    return (weights * counts.sum() / (weights * counts).sum()).float()


class BalancedSampler(Sampler[int]):
    """An order of indices in which every emotion that occurs comes as often: for `loader(..., sampler=...)`.

    Within an emotion, each picture comes once before any comes again. The order depends on the seed and the epoch
    alone: call `set_epoch` before each epoch, and a resumed run sees what an uninterrupted one would have.

    labels    (N,) indices into `EMOTIONS`; pictures labelled -1 are never drawn
    length    indices an epoch; by default as many as there are labelled pictures
    """

    def __init__(self, labels: Tensor, seed: int = 0, length: int | None = None) -> None:
        self._classes = [(labels == label).nonzero().flatten() for label in labels[labels >= 0].unique()]
        if not self._classes:
            raise ValueError("there is no labelled picture to draw from")
        self.seed, self.epoch = seed, 0
        self._length = int((labels >= 0).sum()) if length is None else length

    def set_epoch(self, epoch: int) -> None:
        """Draw the order of this epoch from now on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        # torch's generator looks at 32 bits of its seed.
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % 2**32)
        each = -(-self._length // len(self._classes))
        drawn = torch.stack([_cycled(members, each, generator) for members in self._classes], dim=1)
        order = drawn.flatten()[: self._length]
        yield from order[torch.randperm(len(order), generator=generator)].tolist()


def _cycled(members: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n of the members, in one shuffled order after another."""
    rounds = -(-n // len(members))
    return torch.cat([members[torch.randperm(len(members), generator=generator)] for _ in range(rounds)])[:n]
