"""Class imbalance: class weights for the loss, and balanced sampling."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from facekit.faces.emotions import EMOTIONS


def class_weights(labels: Tensor, scheme: str = "inverse", beta: float = 0.999) -> Tensor:
    """Class weights (E,), larger for rarer emotions; 0 for emotions that do not occur.

    labels    (N,) indices into `EMOTIONS`; -1 is ignored
    scheme    "inverse": 1 / n for a class of n images. "effective": 1 / effective number, (1 - beta) / (1 - beta^n)
              (Cui et al., *Class-balanced loss based on effective number of samples*, CVPR 2019, eq. 2), which is less
              extreme, because further images of a class add less and less information
    beta      of the effective number, in [0, 1): 0 gives equal weights, beta towards 1 approaches "inverse"

    The mean weight over all images is 1, so that a weighted loss keeps its scale. Raises `ValueError` for an unknown
    scheme, or if no image is labelled.

    >>> class_weights(torch.tensor([0, 0, 0, 3]))[[0, 3]].tolist()
    [0.6666666865348816, 2.0]
    """
    counts = torch.bincount(labels[labels >= 0], minlength=len(EMOTIONS)).double()
    if not counts.sum():
        raise ValueError("class weights need at least one labelled image")
    if scheme == "inverse":
        effective = counts
    elif scheme == "effective":
        effective = (1 - beta**counts) / (1 - beta)
    else:
        raise ValueError(f"{scheme!r} is not a scheme of class weights; use 'inverse' or 'effective'")
    weights = torch.where(counts > 0, 1 / effective, 0.0)
    return (weights * counts.sum() / (weights * counts).sum()).float()


class BalancedSampler(Sampler[int]):
    """A sampler that draws all emotions equally often, for `loader(..., sampler=...)`.

    Within an emotion, every image is drawn once before any is repeated. The order depends on seed and epoch alone: call
    `set_epoch` before each epoch, so that a resumed run sees the same images as an uninterrupted one.

    labels    (N,) indices into `EMOTIONS`; images labelled -1 are never drawn
    length    number of indices per epoch; by default the number of labelled images
    """

    def __init__(self, labels: Tensor, seed: int = 0, length: int | None = None) -> None:
        self._classes = [(labels == label).nonzero().flatten() for label in labels[labels >= 0].unique()]
        if not self._classes:
            raise ValueError("balanced sampling needs at least one labelled image")
        self.seed, self.epoch = seed, 0
        self._length = int((labels >= 0).sum()) if length is None else length

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which determines the order."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        # The generator of torch uses 32 bits of its seed.
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % 2**32)
        each = -(-self._length // len(self._classes))
        drawn = torch.stack([_cycled(members, each, generator) for members in self._classes], dim=1)
        order = drawn.flatten()[: self._length]
        yield from order[torch.randperm(len(order), generator=generator)].tolist()


def _cycled(members: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n of the members: concatenated random permutations."""
    rounds = -(-n // len(members))
    return torch.cat([members[torch.randperm(len(members), generator=generator)] for _ in range(rounds)])[:n]
