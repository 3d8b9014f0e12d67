"""Tables whose rows hold an emotion and the 48 x 48 pixels of an image, as FER-2013 and its kin are distributed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facekit.datasets.base import SPLITS
from facekit.datasets.cache import cached_arrays, file_stamp
from facekit.datasets.records import split_of
from facekit.datasets.sources import Problems, Source, logger
from facekit.datasets.stored import Table
from facekit.datasets.tables import open_table, open_text
from facekit.faces.emotions import dataset_code_to_index
from facekit.faces.parts import DOMAINS

_VERSION = 3  # of the cached arrays: increase it when the same file is read differently
_SIDE = 48
_SPLIT_OF = {"training": "train", "publictest": "valid", "privatetest": "test"}


def read_pixel_table(file: Path, split: str, source: Source, order: str, problems: Problems) -> Table:
    """The rows of one split. Columns `emotion` and `pixels` are needed, in any case.

    By the column `Usage`, train is Training, valid is PublicTest and test is PrivateTest; without PrivateTest rows,
    test is PublicTest, with a warning in the log. Without that column, rows are assigned at random: 10 % valid, 10 %
    test.

    source  the dataset, for messages
    order   key in `DATASET_LABELS` of the order of the numeric labels

    Raises `DatasetMissing` if no row is usable.
    """
    key = [_VERSION, order, *file_stamp(file)]
    stored = cached_arrays(source.name, key, lambda folder: _convert(file, source, order, folder))
    problems.add_array(stored["problems"])
    if not len(stored["label"]):
        raise source.missing(file, f"it contains no usable row ({problems[0] if problems else 'it is empty'})")
    own = SPLITS.index(split)
    if split == "test" and own not in stored["split"]:
        logger.warning("%s: %s has no PrivateTest rows; PublicTest is used as test", source.title, file.name)
        own = SPLITS.index("valid")
    rows = np.flatnonzero(stored["split"] == own)
    return Table(
        pixels=stored["pixels"],
        rows=rows,
        labels=stored["label"][rows],
        names=[f"{file.name}:{line}" for line in stored["line"][rows].tolist()],
        known={"domain": np.full(len(rows), DOMAINS.index("photo"))},
    )


def _convert(file: Path, source: Source, order: str, folder: Path) -> None:
    """Convert a table to arrays."""
    problems = Problems()
    rows = list(_read(file, source, order, problems))
    pixels = np.array([row[0] for row in rows], np.uint8)
    np.save(folder / "pixels.npy", pixels.reshape(-1, 1, _SIDE, _SIDE))
    for i, name in enumerate(("label", "split", "line"), start=1):
        np.save(folder / f"{name}.npy", np.array([row[i] for row in rows], np.int32))
    np.save(folder / "problems.npy", problems.to_array())


def _read(file: Path, source: Source, order: str, problems: Problems) -> Iterator[tuple[np.ndarray, int, int, int]]:
    """Pixels, label, split and line number of each usable row."""
    line = 0
    try:
        with open_text(file) as stream:
            table = open_table(stream)
            if missing := {"emotion", "pixels"} - set(table.columns):
                problems.add(file.name, f"there is no column {' or '.join(sorted(missing))}; it has {table.columns}")
                return
            for line, row in table.rows:
                try:
                    part, label = SPLITS.index(_split(row, source, line)), _label(row["emotion"], order)
                    yield _pixels(row["pixels"]), label, part, line
                except ValueError as error:
                    problems.add(f"{file.name}:{line}", error)
    except (EOFError, OSError, UnicodeDecodeError, csv.Error) as error:
        problems.add(f"{file.name}:{line + 1}", f"the file cannot be read from this line on ({error})")


def _label(emotion: str, order: str) -> int:
    if not emotion.isdecimal():
        raise ValueError(f"emotion is {emotion!r}; it must be a number from 0 on")
    return dataset_code_to_index(order, int(emotion))


def _split(row: dict[str, str], source: Source, line: int) -> str:
    if "usage" not in row:
        return split_of(f"{source.name}/{line}")
    if row["usage"].lower() not in _SPLIT_OF:
        raise ValueError(f"Usage is {row['usage']!r}; it must be one of Training, PublicTest, PrivateTest")
    return _SPLIT_OF[row["usage"].lower()]


def _pixels(text: str) -> np.ndarray:
    try:
        values = bytes(map(int, text.split()))
    except ValueError as error:
        raise ValueError(f"a pixel is not a whole number from 0 to 255 ({error})") from None
    if len(values) != _SIDE**2:
        raise ValueError(f"the row has {len(values)} pixels; it must have {_SIDE**2}")
    return np.frombuffer(values, np.uint8)
