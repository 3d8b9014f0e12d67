"""E10: confidence intervals of metrics, and how much of its training set a generator has memorised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.3g} ({self.low:.3g} to {self.high:.3g})"


def bootstrap(
    statistic: Callable[..., float | Tensor],
    *values: Tensor,
    persons: Tensor | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic (Efron 1979).

    statistic  function of all `values`, such as `torch.mean`
    values     tensors with one row per face
    persons    (N,) identities; if given, identities are resampled instead of faces (a cluster bootstrap). The faces of
               one person are not independent, and intervals that assume independence are too narrow
    level      confidence level
    """
    persons = torch.arange(len(values[0])) if persons is None else persons
    estimates = [
        float(statistic(*(value[rows] for value in values)))
        for rows in _resampled_rows(tuple(persons.tolist()), resamples, seed)
    ]
    tail = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.tensor(estimates, dtype=torch.float64).quantile(tail).tolist()
    return Interval(float(statistic(*values)), low, high)


@lru_cache(maxsize=4)
def _resampled_rows(persons: tuple[int, ...], resamples: int, seed: int) -> list[Tensor]:
    """The row indices of every resample. The metrics of a benchmark share them, and are fast for it."""
    generator, rows_of = torch.Generator().manual_seed(seed), _RowsByPerson(torch.tensor(persons))
    return [rows_of(torch.randint(rows_of.people, (rows_of.people,), generator=generator)) for _ in range(resamples)]


class _RowsByPerson:
    """The rows of resampled identities, without a loop over them.

    people  number of identities
    """

    def __init__(self, persons: Tensor) -> None:
        self._order = persons.argsort(stable=True)
        self._counts = persons.unique(return_counts=True)[1]
        self._starts = self._counts.cumsum(0) - self._counts
        self.people = len(self._counts)

    def __call__(self, drawn: Tensor) -> Tensor:
        """Row indices (M,) of people (P,), person by person."""
        counts = self._counts[drawn]
        shift = self._starts[drawn] - (counts.cumsum(0) - counts)
        return self._order[torch.arange(int(counts.sum())) + shift.repeat_interleave(counts)]


def nearest_training_faces(faces: Tensor, training: Tensor, batch: int = 1024) -> tuple[Tensor, Tensor]:
    """The nearest training face of each face: Euclidean distances (N,) and indices (N,).

    faces, training  (N, D) and (M, D): embeddings, or flattened images
    """
    nearest = [torch.cdist(part, training).min(1) for part in faces.split(batch)]
    return torch.cat([found.values for found in nearest]), torch.cat([found.indices for found in nearest])


def memorised_share(generated: Tensor, held_out: Tensor, training: Tensor, level: float = 0.01) -> float:
    """Share of generated faces nearer to a face of the training set than the `level` quantile of held-out real faces.

    About `level` for a generator that memorises nothing; near 1 for one that repeats its training faces.

    generated, held_out, training  (N, D), (K, D) and (M, D): embeddings, or flattened images
    """
    reference, _ = nearest_training_faces(held_out, training)
    found, _ = nearest_training_faces(generated, training)
    return (found < reference.quantile(level)).float().mean().item()
