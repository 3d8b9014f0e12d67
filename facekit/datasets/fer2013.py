"""FER-2013: 35,887 grey faces of 48 x 48 pixels gathered by web search, with noisy labels of seven emotions.

Source      Goodfellow et al., *Challenges in representation learning: A report on three machine learning
            contests*, ICONIP 2013.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facekit.datasets.base import DatasetMissing, Problem
from facekit.datasets.cache import cached_arrays, file_stamp
from facekit.datasets.sources import Problems, dataset_root, logger
from facekit.datasets.stored import StoredFaces
from facekit.emotions import dataset_code_to_index

_SIDE = 48
_USAGES = ("Training", "PublicTest", "PrivateTest")
_SPLIT_USAGE = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}
_FILES = ("fer2013.csv", "fer2013.csv.gz", "icml_face_data.csv", "icml_face_data.csv.gz")


class FER2013(StoredFaces):
    """FER-2013 from its csv: `fer2013.csv` or `icml_face_data.csv`, plain or gzipped.

    split       train is Training, valid is PublicTest, test is PrivateTest; where the file has no PrivateTest rows,
                test is PublicTest, with a notice in the log
    path        the csv, or the folder it lies in; by default `data_home() / "fer2013"`
    size        height and width in pixels; the pictures themselves have 48
    channels    1, or 3 for the same grey three times
    strict      raise `UnusableData` at the first bad row, instead of leaving it out and listing it in `problems`

    Raises `DatasetMissing` where there is no such file.
    """

    name = "fer2013"
    title = "FER-2013"
    obtain = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
    terms = "challenge data gathered from the web, for research; the pictures belong to their owners"
    layout = "fer2013/fer2013.csv or fer2013/icml_face_data.csv (each may be gzipped: .csv.gz)"

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 48,
        channels: int = 1,
        strict: bool = False,
    ) -> None:
        file = _find(dataset_root(self.name, path, self.hint()))
        table = cached_arrays(self.name, [1, *file_stamp(file)], lambda folder: _convert(file, folder))
        problems = _problems(file, table, strict)
        problems.log(self.title)
        usage = _USAGES.index(_SPLIT_USAGE[split])
        if split == "test" and not (table["usage"] == usage).any():
            logger.warning("%s: %s has no PrivateTest rows, so test is PublicTest, as valid is", self.title, file.name)
            usage = _USAGES.index("PublicTest")
        rows = np.flatnonzero(table["usage"] == usage)
        super().__init__(
            split,
            size,
            channels,
            pixels=table["pixels"],
            rows=rows,
            labels=table["label"][rows],
            names=[f"{file.name}:{line}" for line in table["line"][rows].tolist()],
            problems=problems,
        )

    @classmethod
    def hint(cls) -> str:
        """Where the dataset comes from, under which terms, and how it must lie."""
        return f"Ask for it at {cls.obtain} ({cls.terms}) and lay it out as {cls.layout}."


def _find(root: Path) -> Path:
    if root.is_file():
        return root
    for name in _FILES:
        if (root / name).is_file():
            return root / name
    raise DatasetMissing(f"{root} holds none of {', '.join(_FILES)}. {FER2013.hint()}")


def _convert(file: Path, folder: Path) -> None:
    """Read the csv once, into arrays."""
    problems = Problems()
    rows = list(_read(file, problems))
    np.save(folder / "pixels.npy", np.array([row[0] for row in rows], np.uint8).reshape(-1, 1, _SIDE, _SIDE))
    for i, name in enumerate(("label", "usage", "line"), start=1):
        np.save(folder / f"{name}.npy", np.array([row[i] for row in rows], np.int32))
    np.save(folder / "problems.npy", np.array([(p.where, p.what) for p in problems], dtype=np.str_).reshape(-1, 2))


def _problems(file: Path, table: dict[str, np.ndarray], strict: bool) -> Problems:
    problems = Problems(strict)
    for where, what in table["problems"].tolist():
        problems.add(where, what)
    if not len(table["label"]):
        raise DatasetMissing(f"{file} holds no usable row; the first problem: {Problem(*table['problems'][0])}")
    return problems


def _read(file: Path, problems: Problems) -> Iterator[tuple[np.ndarray, int, int, int]]:
    """Pixels, label, usage and line number of each good row."""
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", newline="", encoding="utf-8-sig") as stream:
        table = csv.DictReader(stream)
        table.fieldnames = [name.strip() for name in table.fieldnames or ()]  # icml_face_data.csv has " pixels"
        if missing := {"emotion", "pixels", "Usage"} - set(table.fieldnames):
            problems.add(file.name, f"there is no column {', '.join(sorted(missing))}; it has {table.fieldnames}")
            return
        try:
            for row in table:
                try:
                    yield *_row(row), table.line_num
                except ValueError as error:
                    problems.add(f"{file.name}:{table.line_num}", error)
        except (EOFError, gzip.BadGzipFile, csv.Error, UnicodeDecodeError) as error:
            problems.add(f"{file.name}:{table.line_num}", f"the file cannot be read beyond this line ({error})")


def _row(row: dict[str, str | None]) -> tuple[np.ndarray, int, int]:
    emotion, pixels, usage = ((row[name] or "").strip() for name in ("emotion", "pixels", "Usage"))
    if usage not in _USAGES:
        raise ValueError(f"Usage is {usage!r}; it must be one of {', '.join(_USAGES)}")
    if not emotion.isdecimal():
        raise ValueError(f"emotion is {emotion!r}; it must be a number from 0 to 6")
    return _pixels(pixels), dataset_code_to_index("fer2013", int(emotion)), _USAGES.index(usage)


def _pixels(text: str) -> np.ndarray:
    try:
        values = bytes(map(int, text.split()))
    except ValueError as error:
        raise ValueError(f"a pixel is not a whole number from 0 to 255 ({error})") from None
    if len(values) != _SIDE**2:
        raise ValueError(f"the row has {len(values)} pixels; it must have {_SIDE**2}")
    return np.frombuffer(values, np.uint8)
