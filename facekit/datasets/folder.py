"""Any folder of pictures, sorted by emotion or listed in a csv."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from facekit.datasets.base import DatasetMissing
from facekit.datasets.pictures import list_pictures
from facekit.datasets.records import Record, split_named, tabulate
from facekit.datasets.sources import Problems, Source, inside
from facekit.datasets.stored import StoredFaces
from facekit.faces.emotions import emotion_index

SOURCE = Source(
    name="folder",
    title="a folder of pictures",
    address="you",
    terms="those of whoever took the pictures, and what the people in them agreed to",
    layout="<folder>/<emotion>/*.png (or .jpg, ...)\n"
    "<folder>/{train,valid,test}/<emotion>/*.png\n"
    "<folder>/labels.csv with the columns file and emotion, and, where known, person and split",
)

_LIST = "labels.csv"

# What tables call each of the columns.
_COLUMNS = {
    "file": ("file", "path", "image", "filename"),
    "emotion": ("emotion", "label", "expression"),
    "person": ("person", "subject", "identity"),
    "split": ("split", "usage"),
}


class PictureFolder(StoredFaces):
    """Your own pictures: folders named by emotion, or a csv that says which picture shows what.

    split       folders `train`, `valid` and `test`, or a column `split`, decide where they are; else one in ten
                pictures is valid and one in ten test, drawn by person where people are known
    path        the folder, or the csv; by default `data_home() / "folder"`
    size        height and width in pixels; the middle square of each picture is taken. Photographs in which the face
                does not fill the picture belong through `facekit.datasets.prepare` first
    channels    1 for grey, 3 for colour
    person      a regular expression with one group, searched for in each picture's path under the folder: who is in
                it. `r"^[^/]+/(\\w+)_"` reads Ann from `happy/Ann_01.jpg`
    strict      raise `UnusableData` at the first bad file or row, instead of leaving it out and listing it in
                `problems`

    Folders and labels are understood as `emotion_name` does: happy, joy and happiness are one. Raises
    `DatasetMissing` where there is no picture.
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
        strict: bool = False,
    ) -> None:
        root, problems = SOURCE.root(path), Problems(strict)
        table = root if root.is_file() else root / _LIST
        records = list(_listed(table, problems) if table.exists() else by_emotion(root, problems, person))
        if not records:
            raise _nothing(SOURCE, root, problems)
        table = tabulate(SOURCE, records, split, size, channels, problems)
        problems.log(f"{SOURCE.title} ({root.name})")
        super().__init__(split, size, channels, table, problems)


def by_emotion(root: Path, problems: Problems, person: str | None = None) -> Iterator[Record]:
    """The pictures in folders named by emotion, directly in `root` or under folders named by split.

    person    a regular expression with one group, which finds who it is in a picture's path under `root`
    """
    for folder in _folders(root):
        split = split_named(folder.name)
        for emotion in _folders(folder) if split else [folder]:
            for file, label in of_emotion(root, emotion, emotion.name, problems):
                name = file.relative_to(root).as_posix()
                found = re.search(person, name) if person else None
                if person and not found:
                    problems.add(name, f"no person is found in its path by {person!r}")
                    continue
                yield Record((file,), name, label, person=found.group(1) if found else None, split=split)


def of_emotion(root: Path, folder: Path, emotion: str, problems: Problems) -> Iterator[tuple[Path, int]]:
    """The pictures in a folder that all show one emotion, with its index; notes a word for none, and no pictures."""
    where = f"{folder.relative_to(root).as_posix()}/"
    try:
        label = emotion_index(emotion)
    except ValueError as error:
        problems.add(where, f"the folder is left out: {error}")
        return
    files = list(list_pictures(folder))
    if not files:
        problems.add(where, "the folder holds no picture")
    for file in files:
        yield file, label


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _listed(table: Path, problems: Problems) -> Iterator[Record]:
    with table.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        columns = _columns(rows.fieldnames or ())
        if missing := {"file", "emotion"} - set(columns):
            problems.add(table.name, f"there is no column {' or '.join(sorted(missing))}; it has {rows.fieldnames}")
            return
        for row in rows:
            where = f"{table.name}:{rows.line_num}"
            try:
                yield _row(table.parent, where, {key: (row[column] or "").strip() for key, column in columns.items()})
            except ValueError as error:
                problems.add(where, error)


def _columns(header: Mapping | tuple | list) -> dict[str, str]:
    """The table's own name of each column that is known here."""
    own = {name.strip().lower(): name for name in header if name}
    return {key: own[word] for key, words in _COLUMNS.items() if (word := next((w for w in words if w in own), None))}


def _row(folder: Path, where: str, row: dict[str, str]) -> Record:
    file = inside(folder, row["file"])
    if not file.is_file():
        raise ValueError(f"there is no file {row['file']!r}")
    split = split_named(row["split"]) if row.get("split") else None
    if row.get("split") and split is None:
        raise ValueError(f"{row['split']!r} is no split; use train, valid or test")
    label = emotion_index(row["emotion"]) if row["emotion"] else -1
    return Record((file,), f"{where} {row['file']}", label, person=row.get("person") or None, split=split)


def _nothing(source: Source, root: Path, problems: Problems) -> DatasetMissing:
    return source.missing(root, f"no usable picture ({problems[0]})" if problems else "it holds no picture")
