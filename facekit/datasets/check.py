"""A report on all datasets: which are present, what they contain, and where to obtain the others."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import torch

from facekit.datasets.base import DATASETS, SPLITS, DatasetMissing, Problem, open_dataset
from facekit.datasets.sources import EmptySplit, Source
from facekit.datasets.stored import StoredFaces
from facekit.faces.emotions import EMOTIONS
from facekit.workspace.folders import data_home

_RENDERED = ("synthetic", "synthetic_pairs", "synthetic_transfers", "synthetic_motions")  # without files
_COMPOSED = ("joint",)  # made of other datasets, which are checked themselves
_MAX_PROBLEMS = 10  # of one dataset in the printed text


@dataclass(frozen=True)
class DatasetReport:
    """The state of one dataset.

    source      its origin; None for a rendered dataset
    root        where it was looked for
    missing     why it cannot be opened, or empty
    counts      number of images by split and emotion, or "unlabelled"
    persons     number of people by split, where identities are known
    repeated    for each pair of splits, the number of images of the second that are also in the first, byte for byte
    problems    files and rows that were left out
    """

    name: str
    source: Source | None
    root: Path | None = None
    missing: str = ""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    persons: Mapping[str, int] = field(default_factory=dict)
    repeated: Mapping[tuple[str, str], int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def found(self) -> bool:
        """Whether it can be opened."""
        return not self.missing

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.source is None:
            yield f"{self.name}: embedded; rendered when it is opened"
            return
        if not self.found:
            yield f"{self.name}: {self.missing}"
            return
        yield f"{self.name}: {self.source.title} at {self.root}"
        yield from _table(self.counts, self.persons)
        for (first, second), count in self.repeated.items():
            if count:
                yield f"  {count} images of {second} are also in {first}"
        if self.problems:
            yield f"  {len(self.problems)} left out as unusable:"
            yield from (f"    {problem}" for problem in self.problems[:_MAX_PROBLEMS])
            if len(self.problems) > _MAX_PROBLEMS:
                yield f"    ... and {len(self.problems) - _MAX_PROBLEMS} more, in dataset.problems"


@dataclass(frozen=True)
class DataReport:
    """The state of all datasets, to be printed."""

    home: Path
    datasets: tuple[DatasetReport, ...]

    def __getitem__(self, name: str) -> DatasetReport:
        return next(report for report in self.datasets if report.name == name)

    def __str__(self) -> str:
        head = f"Datasets are looked for in {self.home} (set FACEKIT_DATA for another folder)."
        found = [str(report) for report in self.datasets if report.found]
        missing = [str(report) for report in self.datasets if not report.found]
        return "\n\n".join([head, *found, *(["Not found:"] if missing else []), *missing])


def check_data(home: str | os.PathLike | None = None) -> DataReport:
    """Check every dataset under `home` (by default `data_home()`).

    Every image is read, as when the dataset is opened for the first time; a second check takes seconds.
    """
    home = data_home() if home is None else Path(home).expanduser()
    return DataReport(home, tuple(check_dataset(name, home / name) for name in DATASETS if name not in _COMPOSED))


def check_dataset(name: str, root: str | os.PathLike) -> DatasetReport:
    """Check the dataset with this name in `DATASETS`, in this file or folder."""
    if name in _RENDERED:
        return DatasetReport(name, None)
    module, _, cls = DATASETS[name].partition(":")
    source = getattr(importlib.import_module(module), cls).source
    splits, reason = {}, ""
    for split in SPLITS:
        try:
            splits[split] = open_dataset(name, split, path=root)
        except (DatasetMissing, EmptySplit) as error:
            reason = str(error)
    if not splits:
        return DatasetReport(name, source, Path(root), missing=reason)
    pairs = [(a, b) for i, a in enumerate(splits) for b in list(splits)[i + 1 :]]
    content = {split: _digests(dataset) for split, dataset in splits.items()}
    return DatasetReport(
        name,
        source,
        Path(root),
        counts={split: _counts(dataset) for split, dataset in splits.items()},
        persons={s: len(d.persons.unique()) for s, d in splits.items() if d.persons is not None},
        repeated={(a, b): sum(digest in set(content[a]) for digest in content[b]) for a, b in pairs},
        problems=tuple(dict.fromkeys(problem for dataset in splits.values() for problem in dataset.problems)),
    )


def _counts(dataset: StoredFaces) -> dict[str, int]:
    unlabelled = int((dataset.labels < 0).sum())
    return dataset.class_counts() | ({"unlabelled": unlabelled} if unlabelled else {})


def _digests(dataset: StoredFaces) -> list[bytes]:
    return [blake2b(dataset.bytes(torch.tensor([i])).tobytes(), digest_size=16).digest() for i in range(len(dataset))]


def _table(counts: Mapping[str, Mapping[str, int]], persons: Mapping[str, int]) -> Iterator[str]:
    """A table with a column for each split and a row for each emotion, with counts and shares."""
    present = [*(e for e in (*EMOTIONS, "unlabelled") if any(e in of for of in counts.values()))]
    totals = {split: sum(of.values()) for split, of in counts.items()}
    yield _row("", [f"{split:>9}" for split in counts])
    for emotion in present:
        shares = [(of.get(emotion, 0), totals[split]) for split, of in counts.items()]
        yield _row(emotion, [f"{count:>9,} {count / total:>6.1%}" for count, total in shares])
    yield _row("all", [f"{total:>9,}" for total in totals.values()])
    if persons:
        yield _row("people", [f"{persons.get(split, 0):>9,}" for split in counts])


def _row(head: str, cells: list[str]) -> str:
    return f"  {head:<10}{''.join(f'{cell:<17}' for cell in cells)}".rstrip()
