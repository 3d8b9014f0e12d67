"""Any folder of images, sorted by emotion or listed in a CSV file."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from facekit.datasets.base import DatasetMissing
from facekit.datasets.packed import packed_files, packed_records
from facekit.datasets.pictures import list_pictures
from facekit.datasets.records import Record, split_named, tabulate
from facekit.datasets.sources import Problems, Source, inside, logger
from facekit.datasets.stored import StoredFaces
from facekit.datasets.tables import open_table, open_text
from facekit.faces.emotions import DATASET_LABELS, dataset_code_to_index, emotion_index

SOURCE = Source(
    name="folder",
    title="a folder of pictures",
    address="your own pictures",
    terms="those of the photographers, and the consent of the people in the pictures",
    layout="<folder>/<emotion>/*.png (or .jpg, ...)\n"
    "<folder>/{train,valid,test}/<emotion>/*.png\n"
    "<folder>/labels.csv with the columns file and emotion, and, where known, person and split\n"
    "<folder>/**/train-00000-of-00001.parquet or train-000000.tar (as Hugging Face serves datasets)",
)

_LIST = "labels.csv"

_ABSOLUTE = re.compile(r"(/|[A-Za-z]:/)")  # on Linux, macOS and Windows

# Accepted names of each column, in lower case.
_COLUMNS = {
    "file": ("file", "path", "image", "filename", "file_name", "image_path", "pth"),
    "emotion": ("emotion", "label", "expression", "class"),
    "person": ("person", "subject", "identity"),
    "split": ("split", "usage"),
}


class PictureFolder(StoredFaces):
    """Your own images: in folders named by emotion, listed in a CSV file, or packed in parquet or tar files.

    split       assigned by folders `train`, `valid` and `test` or a column `split`; otherwise 10 % of the images are
                valid and 10 % test, split by person where identities are known
    path        the folder, or the CSV, parquet or tar file; by default `data_home() / "folder"`
    size        height and width in pixels; images are cropped to the central square. Photographs that the face does not
                fill must be processed by `facekit.datasets.prepare` first
    channels    1 for greyscale, 3 for RGB
    person      a regular expression with one group, which is searched in the path of each image under the folder and
                captures the identity: `r"^[^/]+/(\\w+)_"` captures Ann in `happy/Ann_01.jpg`
    codes       for emotions that are numbers, the dataset in whose order they are (key in `DATASET_LABELS`); by
                default, the one that the name of the folder contains
    strict      raise `UnusableData` for the first unusable file or row, instead of adding it to `problems`

    Folder names and labels may be synonyms (`emotion_name`): happy, joy and happiness are equivalent. Raises
    `DatasetMissing` if there is no image.
    """

    name = "folder"
    source = SOURCE

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 64,
        channels: int = 3,
        person: str | None = None,
        codes: str | None = None,
        strict: bool = False,
    ) -> None:
        root, problems = SOURCE.root(path), Problems(strict)
        table = root if root.is_file() else root / _LIST
        if codes not in (None, *DATASET_LABELS):
            raise ValueError(f"codes is {codes!r}; use one of {', '.join(DATASET_LABELS)}")
        codes = codes or _guessed_codes(root)
        if packed := packed_files(root):
            records = packed_records(packed, problems, partial(label_of, codes=codes))
        elif table.exists():
            records = list(listed(table, problems, codes))
        else:
            records = list(by_emotion(root, problems, person, codes))
        if not records:
            raise _nothing(SOURCE, root, problems)
        table = tabulate(SOURCE, records, split, size, channels, problems)
        problems.log(f"{SOURCE.title} ({root.name})")
        super().__init__(split, size, channels, table, problems)


def by_emotion(root: Path, problems: Problems, person: str | None = None, codes: str | None = None) -> Iterator[Record]:
    """The images in folders named by emotion, which lie in `root` or in folders named by split.

    person    a regular expression with one group, which captures the identity in the path of an image under `root`
    codes     key in `DATASET_LABELS`, for folders that are named by numbers
    """
    for folder in _folders(root):
        split = split_named(folder.name)
        for emotion in _folders(folder) if split else [folder]:
            for file, label in of_emotion(root, emotion, emotion.name, problems, codes):
                name = file.relative_to(root).as_posix()
                found = re.search(person, name) if person else None
                if person and not found:
                    problems.add(name, f"its path does not match {person!r}, which captures the person")
                    continue
                yield Record((file,), name, label, person=found.group(1) if found else None, split=split)


def of_emotion(
    root: Path, folder: Path, emotion: str, problems: Problems, codes: str | None = None
) -> Iterator[tuple[Path, int]]:
    """The images in a folder of one emotion, with its index. An unknown emotion or an empty folder is a problem."""
    where = f"{folder.relative_to(root).as_posix()}/"
    try:
        label = label_of(emotion, codes)
    except ValueError as error:
        problems.add(where, f"the folder is left out: {error}")
        return
    files = list(list_pictures(folder))
    if not files:
        problems.add(where, "the folder contains no picture")
    for file in files:
        yield file, label


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def label_of(emotion: str, codes: str | None = None) -> int:
    """Index into `EMOTIONS` of an emotion by name, or by its number in the order of a dataset; -1 for "" and for a
    number that stands for no emotion. Raises `ValueError` for any other word, and for a number without an order."""
    if not emotion:
        return -1
    if not re.fullmatch(r"\d+(\.0+)?", emotion):
        return emotion_index(emotion)
    if codes is None:
        raise ValueError(
            f"the emotion is the number {emotion}: say whose order it has, as in codes='fer2013' "
            f"(--set data.codes=fer2013); known are {', '.join(DATASET_LABELS)}"
        )
    return dataset_code_to_index(codes, int(float(emotion)))


def _guessed_codes(root: Path) -> str | None:
    """The dataset whose name the folder's name contains, with a notice in the log, if there is one."""
    word = re.sub(r"[^a-z0-9]", "", (root.parent if root.is_file() else root).name.lower())
    found = next((name for name in sorted(DATASET_LABELS, key=len, reverse=True) if name in word), None)
    if found:
        logger.warning("emotions that are numbers are read in the order of %s, which %s names", found, root.name)
    return found


def listed(table: Path, problems: Problems, codes: str | None = None) -> Iterator[Record]:
    """The images in a CSV file, which lie below its folder. Arguments as for `by_emotion`."""
    with open_text(table) as stream:
        rows = open_table(stream)
        columns = {key: name for key, words in _COLUMNS.items() if (name := _first(words, rows.columns))}
        if missing := {"file", "emotion"} - set(columns):
            problems.add(table.name, f"there is no column {' or '.join(sorted(missing))}; it has {[*rows.columns]}")
            return
        try:
            for line, row in rows.rows:
                where = f"{table.name}:{line}"
                try:
                    yield _row(table.parent, where, {key: row[column] for key, column in columns.items()}, codes)
                except ValueError as error:
                    problems.add(where, error)
        except csv.Error as error:
            problems.add(table.name, f"it is not a table ({error})")


def _first(words: Sequence[str], columns: Sequence[str]) -> str | None:
    return next((word for word in words if word in columns), None)


def _row(folder: Path, where: str, row: dict[str, str], codes: str | None) -> Record:
    file = _file(folder, row["file"])
    split = split_named(row["split"]) if row.get("split") else None
    if row.get("split") and split is None:
        raise ValueError(f"{row['split']!r} is not a split; use train, valid or test")
    label = label_of(row["emotion"], codes)
    return Record((file,), f"{where} {row['file']}", label, person=row.get("person") or None, split=split)


def _file(folder: Path, name: str) -> Path:
    """The file of a row: relative to the folder, with slashes or backslashes, or with an absolute path that was written
    on another machine and whose last parts lie below the folder."""
    path = name.replace("\\", "/")
    if _ABSOLUTE.match(path):
        parts = PurePosixPath(path).parts[1:]
        tails = ("/".join(parts[i:]) for i in range(len(parts)))
        path = next((tail for tail in tails if ".." not in tail and (folder / tail).is_file()), path)
    file = inside(folder.absolute(), path)
    if not file.is_file():
        raise ValueError(f"there is no file {name!r}")
    return file


def _nothing(source: Source, root: Path, problems: Problems) -> DatasetMissing:
    return source.missing(root, f"no usable picture ({problems[0]})" if problems else "it contains no picture")
