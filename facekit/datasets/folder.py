"""Any folder of images, sorted by emotion or listed in a CSV file."""

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
    address="your own pictures",
    terms="those of the photographers, and the consent of the people in the pictures",
    layout="<folder>/<emotion>/*.png (or .jpg, ...)\n"
    "<folder>/{train,valid,test}/<emotion>/*.png\n"
    "<folder>/labels.csv with the columns file and emotion, and, where known, person and split",
)

_LIST = "labels.csv"

# Accepted names of each column.
_COLUMNS = {
    "file": ("file", "path", "image", "filename"),
    "emotion": ("emotion", "label", "expression"),
    "person": ("person", "subject", "identity"),
    "split": ("split", "usage"),
}


class PictureFolder(StoredFaces):
    """Your own images: in folders named by emotion, or listed in a CSV file.

    split       assigned by folders `train`, `valid` and `test` or a column `split`; otherwise 10 % of the images are
                valid and 10 % test, split by person where identities are known
    path        the folder, or the CSV file; by default `data_home() / "folder"`
    size        height and width in pixels; images are cropped to the central square. Photographs that the face does not
                fill must be processed by `facekit.datasets.prepare` first
    channels    1 for greyscale, 3 for RGB
    person      a regular expression with one group, which is searched in the path of each image under the folder and
                captures the identity: `r"^[^/]+/(\\w+)_"` captures Ann in `happy/Ann_01.jpg`
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
    """The images in folders named by emotion, which lie in `root` or in folders named by split.

    person    a regular expression with one group, which captures the identity in the path of an image under `root`
    """
    for folder in _folders(root):
        split = split_named(folder.name)
        for emotion in _folders(folder) if split else [folder]:
            for file, label in of_emotion(root, emotion, emotion.name, problems):
                name = file.relative_to(root).as_posix()
                found = re.search(person, name) if person else None
                if person and not found:
                    problems.add(name, f"its path does not match {person!r}, which captures the person")
                    continue
                yield Record((file,), name, label, person=found.group(1) if found else None, split=split)


def of_emotion(root: Path, folder: Path, emotion: str, problems: Problems) -> Iterator[tuple[Path, int]]:
    """The images in a folder of one emotion, with its index. An unknown emotion or an empty folder is a problem."""
    where = f"{folder.relative_to(root).as_posix()}/"
    try:
        label = emotion_index(emotion)
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
    """The name in the table of each known column."""
    own = {name.strip().lower(): name for name in header if name}
    return {key: own[word] for key, words in _COLUMNS.items() if (word := next((w for w in words if w in own), None))}


def _row(folder: Path, where: str, row: dict[str, str]) -> Record:
    file = inside(folder, row["file"])
    if not file.is_file():
        raise ValueError(f"there is no file {row['file']!r}")
    split = split_named(row["split"]) if row.get("split") else None
    if row.get("split") and split is None:
        raise ValueError(f"{row['split']!r} is not a split; use train, valid or test")
    label = emotion_index(row["emotion"]) if row["emotion"] else -1
    return Record((file,), f"{where} {row['file']}", label, person=row.get("person") or None, split=split)


def _nothing(source: Source, root: Path, problems: Problems) -> DatasetMissing:
    return source.missing(root, f"no usable picture ({problems[0]})" if problems else "it contains no picture")
