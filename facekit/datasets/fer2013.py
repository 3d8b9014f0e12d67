"""FER-2013: 35,887 greyscale faces of 48 x 48 pixels from a web search, with noisy labels of seven emotions.

Source  Goodfellow et al., *Challenges in representation learning: A report on three machine learning contests*,
        ICONIP 2013.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facekit.datasets.cache import cached_arrays, file_stamp
from facekit.datasets.folder import by_emotion
from facekit.datasets.records import tabulate
from facekit.datasets.sources import Problems, Source, first_existing, logger
from facekit.datasets.stored import StoredFaces, Table
from facekit.faces.emotions import dataset_code_to_index
from facekit.faces.parts import DOMAINS

_SIDE = 48
_FILES = ("fer2013.csv", "fer2013.csv.gz", "icml_face_data.csv", "icml_face_data.csv.gz")
_USAGES = ("Training", "PublicTest", "PrivateTest")
_USAGE_OF = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}

SOURCE = Source(
    name="fer2013",
    title="FER-2013",
    address="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    terms="data of a challenge, collected from the web, for research; the people in it did not give consent",
    layout="fer2013/fer2013.csv (or icml_face_data.csv, or either with .gz)\n"
    "fer2013/{train,test}/{angry,disgust,fear,happy,neutral,sad,surprise}/*.jpg",
)


class FER2013(StoredFaces):
    """FER-2013, from the original CSV file (in either layout, plain or gzipped) or from folders of images.

    split       for a CSV file: train is Training, valid is PublicTest and test is PrivateTest; without PrivateTest
                rows, test is PublicTest, with a warning in the log. For folders, see `records.in_split`
    path        the CSV file, or the folder that contains it or `train/angry`; by default `data_home() / "fer2013"`
    size        height and width in pixels; the original images have 48
    channels    1 for greyscale, or 3 for greyscale repeated
    strict      raise `UnusableData` for the first unusable row, instead of adding it to `problems`

    Raises `DatasetMissing` if neither is found.
    """

    name = "fer2013"
    source = SOURCE

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 48,
        channels: int = 1,
        strict: bool = False,
    ) -> None:
        root, problems = SOURCE.root(path), Problems(strict)
        if file := root if root.is_file() else first_existing(root, _FILES):
            table = _from_csv(file, split, problems)
        elif records := list(by_emotion(root, problems)):
            table = tabulate(SOURCE, records, split, size, channels, problems)
        else:
            raise SOURCE.missing(root, f"it contains none of {', '.join(_FILES)}, and no folders of pictures")
        problems.log(SOURCE.title)
        super().__init__(split, size, channels, table, problems)


def _from_csv(file: Path, split: str, problems: Problems) -> Table:
    stored = cached_arrays(SOURCE.name, [2, *file_stamp(file)], lambda folder: _convert(file, folder))
    problems.add_array(stored["problems"])
    if not len(stored["label"]):
        raise SOURCE.missing(file, f"it contains no usable row ({problems[0] if problems else 'it is empty'})")
    usage = _USAGES.index(_USAGE_OF[split])
    if split == "test" and usage not in stored["usage"]:
        logger.warning("%s: %s has no PrivateTest rows; PublicTest is used as test", SOURCE.title, file.name)
        usage = _USAGES.index("PublicTest")
    rows = np.flatnonzero(stored["usage"] == usage)
    return Table(
        pixels=stored["pixels"],
        rows=rows,
        labels=stored["label"][rows],
        names=[f"{file.name}:{line}" for line in stored["line"][rows].tolist()],
        known={"domain": np.full(len(rows), DOMAINS.index("photo"))},
    )


def _convert(file: Path, folder: Path) -> None:
    """Convert a CSV file to arrays."""
    problems = Problems()
    rows = list(_read(file, problems))
    pixels = np.array([row[0] for row in rows], np.uint8)
    np.save(folder / "pixels.npy", pixels.reshape(-1, 1, _SIDE, _SIDE))
    for i, name in enumerate(("label", "usage", "line"), start=1):
        np.save(folder / f"{name}.npy", np.array([row[i] for row in rows], np.int32))
    np.save(folder / "problems.npy", problems.to_array())


def _read(file: Path, problems: Problems) -> Iterator[tuple[np.ndarray, int, int, int]]:
    """Pixels, label, usage and line number of each usable row."""
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", newline="", encoding="utf-8-sig", errors="replace") as stream:
        table = csv.DictReader(stream)
        try:
            table.fieldnames = [name.strip() for name in table.fieldnames or ()]  # icml_face_data.csv has " pixels"
            if missing := {"emotion", "pixels", "Usage"} - set(table.fieldnames):
                problems.add(file.name, f"there is no column {' or '.join(sorted(missing))}; it has {table.fieldnames}")
                return
            for row in table:
                try:
                    yield *_row(row), table.line_num
                except ValueError as error:
                    problems.add(f"{file.name}:{table.line_num}", error)
        except (EOFError, OSError, csv.Error) as error:
            problems.add(f"{file.name}:{table.line_num + 1}", f"the file cannot be read from this line on ({error})")


def _row(row: dict[str, str | None]) -> tuple[np.ndarray, int, int]:
    emotion, pixels, usage = ((row[name] or "").strip() for name in ("emotion", "pixels", "Usage"))
    if usage not in _USAGES:
        raise ValueError(f"Usage is {usage!r}; it must be one of {', '.join(_USAGES)}")
    if not emotion.isdecimal():
        raise ValueError(f"emotion is {emotion!r}; it must be a number from 0 to 6")
    return _pixels(pixels), dataset_code_to_index(SOURCE.name, int(emotion)), _USAGES.index(usage)


def _pixels(text: str) -> np.ndarray:
    try:
        values = bytes(map(int, text.split()))
    except ValueError as error:
        raise ValueError(f"a pixel is not a whole number from 0 to 255 ({error})") from None
    if len(values) != _SIDE**2:
        raise ValueError(f"the row has {len(values)} pixels; it must have {_SIDE**2}")
    return np.frombuffer(values, np.uint8)
