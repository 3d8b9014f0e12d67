"""The origin and layout of a dataset, and the collection of files and rows that cannot be used."""

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
    """Origin, terms and layout of a dataset.

    name      key in `DATASETS`, and name of its folder under `data_home()`
    title     its name in messages
    address   where to obtain it
    terms     who may use it, and for what
    layout    the files that are expected, one layout per line
    """

    name: str
    title: str
    address: str
    terms: str
    layout: str

    def root(self, path: str | os.PathLike | None = None) -> Path:
        """The file or folder of the dataset: `path` if given, else its folder under `data_home()`.

        Raises `DatasetMissing` if it does not exist.
        """
        root = Path(path).expanduser() if path is not None else data_home() / self.name
        if not root.exists():
            raise self.missing(root, "there is no such file or folder")
        return root

    def missing(self, root: Path, what: str) -> DatasetMissing:
        """The error for a dataset that is not found at `root`, with the reason and the remedy."""
        return DatasetMissing(f"{self.title} is not at {root}: {what}.\n{self.hint()}")

    def hint(self) -> str:
        """Where to obtain it, under which terms, and the layout of its files."""
        first, *others = self.layout.splitlines()
        lines = [f"from    {self.address}", f"terms   {self.terms}", f"layout  {first}", *(" " * 8 + o for o in others)]
        return "\n".join(f"  {line}" for line in lines)


class UnusableData(ValueError):
    """Raised with `strict=True` for the first file or row that cannot be used; `problem` contains the details."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class EmptySplit(ValueError):
    """The requested split of a dataset contains no usable image."""


class Problems(list[Problem]):
    """A list of unusable files and rows; with `strict`, the first raises `UnusableData`."""

    def __init__(self, strict: bool = False) -> None:
        super().__init__()
        self.strict = strict

    def add(self, where: str | Path, what: object) -> None:
        """Add a problem, or raise it if `strict`."""
        problem = Problem(str(where), str(what))
        if self.strict:
            raise UnusableData(problem)
        self.append(problem)

    def add_array(self, pairs: np.ndarray) -> None:
        """Add the problems in an array (n, 2) of text, as returned by `to_array`."""
        for where, what in pairs.tolist():
            self.add(where, what)

    def to_array(self) -> np.ndarray:
        """The problems as an array (n, 2) of text, for a cache."""
        return np.array([(p.where, p.what) for p in self], dtype=np.str_).reshape(-1, 2)

    def log(self, title: str) -> None:
        """Log a warning with the number of problems and the first one, if there are any."""
        if self:
            first = f"the first is {self[0]}"
            logger.warning("%s: left out %d unusable files or rows (see dataset.problems); %s", title, len(self), first)


def inside(folder: Path, name: str) -> Path:
    """The path of a file named in a table, relative to `folder`; raises `ValueError` if it lies outside the folder."""
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(os.path.normpath(folder)):
        raise ValueError(f"the path {name!r} leads out of the folder of the dataset")
    return path


def first_existing(root: Path, names: Iterable[str]) -> Path | None:
    """The first of these paths under `root` that exists, or None."""
    return next((root / name for name in names if (root / name).exists()), None)
