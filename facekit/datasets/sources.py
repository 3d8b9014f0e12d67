"""Where datasets are found, who is in which split, and what becomes of a file or a row that cannot be used."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from facekit.datasets.base import SPLITS, DatasetMissing, Problem

logger = logging.getLogger("facekit.datasets")

SPLIT_SHARES: Mapping[str, float] = {"train": 0.8, "valid": 0.1, "test": 0.1}
"""Shares of the people in each split, for datasets whose owners made no split."""


class UnusableData(ValueError):
    """With `strict=True`: the first file or row of a dataset that cannot be used. `problem` says which and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


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

    def log(self, title: str) -> None:
        """One line on how much was left out, or none where nothing was."""
        if self:
            logger.warning(
                "%s: %d unusable, left out and listed in dataset.problems; the first: %s", title, len(self), self[0]
            )


def data_home() -> Path:
    """The folder in which datasets are looked for, each under its name: FACEKIT_DATA, or the checkout's `data`.

    Where the library is installed without a checkout, it is `data` in the current folder.
    """
    if home := os.environ.get("FACEKIT_DATA"):
        return Path(home).expanduser()
    checkout = Path(__file__).parents[2]
    return (checkout if (checkout / "pyproject.toml").exists() else Path.cwd()) / "data"


def dataset_root(name: str, path: str | os.PathLike | None, hint: str) -> Path:
    """The file or folder that holds a dataset: `path` where given, else `data_home() / name`.

    Raises `DatasetMissing` with `hint` (where to get it, how it must lie) where nothing is there.
    """
    root = Path(path).expanduser() if path is not None else data_home() / name
    if not root.exists():
        raise DatasetMissing(f"{name} is not at {root}. {hint}")
    return root


def split_of(key: str) -> str:
    """The split that a person (or, where people are not told apart, a file) belongs to, on every machine.

    >>> split_of("S005"), split_of("S010")
    ('train', 'train')
    """
    digest = hashlib.sha256(key.encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    for split in SPLITS:
        position -= SPLIT_SHARES[split]
        if position < 0:
            return split
    return SPLITS[-1]
