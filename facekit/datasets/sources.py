"""Where datasets come from and are found, and what becomes of a file or a row that cannot be used."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facekit.datasets.base import DatasetMissing, Problem
from facekit.workspace.folders import data_home

logger = logging.getLogger("facekit.datasets")


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from, what its owners ask, and how it must lie on the disk.

    name      key in `DATASETS`, and the dataset's folder under `data_home()`
    title     its name for people
    address   where to ask for it
    terms     who may have it, and for what
    layout    the files that are looked for, one form a line
    """

    name: str
    title: str
    address: str
    terms: str
    layout: str

    def root(self, path: str | os.PathLike | None = None) -> Path:
        """The file or folder that holds the dataset: `path` where given, else its folder under `data_home()`.

        Raises `DatasetMissing` where nothing is there.
        """
        root = Path(path).expanduser() if path is not None else data_home() / self.name
        if not root.exists():
            raise self.missing(root, "there is no such file or folder")
        return root

    def missing(self, root: Path, what: str) -> DatasetMissing:
        """The error to raise where the dataset is not at `root`: what is wrong, and how to put it right."""
        return DatasetMissing(f"{self.title} is not at {root}: {what}.\n{self.hint()}")

    def hint(self) -> str:
        """Where to ask for it, under which terms, and how to lay it out."""
        first, *others = self.layout.splitlines()
        lines = [f"from    {self.address}", f"terms   {self.terms}", f"layout  {first}", *(" " * 8 + o for o in others)]
        return "\n".join(f"  {line}" for line in lines)


class UnusableData(ValueError):
    """With `strict=True`: the first file or row of a dataset that cannot be used. `problem` says which and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class EmptySplit(ValueError):
    """A dataset is there, and no usable picture of it falls to the split that was asked for."""


class Problems(list[Problem]):
    """What was found unusable: collected, or with `strict` raised at the first as `UnusableData`."""

    def __init__(self, strict: bool = False) -> None:
        super().__init__()
        self.strict = strict

    def add(self, where: str | Path, what: object) -> None:
        """Note that `where` cannot be used, because `what`."""
        problem = Problem(str(where), str(what))
        if self.strict:
            raise UnusableData(problem)
        self.append(problem)

    def add_array(self, pairs: np.ndarray) -> None:
        """Note problems that were kept as an array, (n, 2) of text."""
        for where, what in pairs.tolist():
            self.add(where, what)

    def to_array(self) -> np.ndarray:
        """The problems as (n, 2) of text, to be kept."""
        return np.array([(p.where, p.what) for p in self], dtype=np.str_).reshape(-1, 2)

    def log(self, title: str) -> None:
        """One line on how much was left out; none where nothing was."""
        if self:
            first = f"the first is {self[0]}"
            logger.warning("%s: left out %d unusable, listed in dataset.problems; %s", title, len(self), first)


def inside(folder: Path, name: str) -> Path:
    """The file that a table names, relative to its folder; raises `ValueError` for one that leaves that folder."""
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(os.path.normpath(folder)):
        raise ValueError(f"the path {name!r} leads out of the dataset's folder")
    return path


def first_existing(root: Path, names: Iterable[str]) -> Path | None:
    """The first of these under `root` that exists, or None."""
    return next((root / name for name in names if (root / name).exists()), None)
