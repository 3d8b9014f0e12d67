"""EmotioNet: addresses of a million photographs from the web, with the action units of each.

The owners distribute tables of addresses, not photographs, and most addresses are dead. The dataset therefore uses the
photographs that are there.

Source  Benitez-Quiroz, Srinivasan & Martinez, *EmotioNet: An accurate, real-time algorithm for the automatic annotation
        of a million facial expressions in the wild*, CVPR 2016.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import numpy as np

from facekit.datasets.openface import read_openface
from facekit.datasets.pictures import list_pictures
from facekit.datasets.records import Record, tabulate
from facekit.datasets.sources import Problems, Source
from facekit.datasets.stored import StoredFaces
from facekit.faces.action_units import ACTION_UNIT_COLUMNS, LETTERS, action_unit_columns

SOURCE = Source(
    name="emotionet",
    title="EmotioNet",
    address="https://cbcsl.ece.ohio-state.edu/EmotionNetChallenge/",
    terms="for research, by a request of a professor; the photographs belong to their photographers",
    layout="emotionet/dataFile_0001.txt, ... (tab-separated: address, original address, AU1 to AU60), or *.xlsx\n"
    "emotionet/**/N_0000000001_00001.jpg (the photographs, in any folders)\n"
    "or instead of the tables, OpenFace's csv of each photograph: emotionet/**/N_0000000001_00001.csv",
)

_UNKNOWN = 999
_FIRST_UNIT = 2  # column of AU1, after the two addresses
_INTENSITIES = dict(enumerate(LETTERS.values(), start=1))  # scores 1 to 5 are the letters of FACS
_UNIT = re.compile(r"AU\s*(\d+)", re.IGNORECASE)


class EmotioNet(StoredFaces):
    """EmotioNet's photographs with their action units, and no emotion.

    A table with no value but 0, 1 and 999 says which units are present, and 1 becomes full intensity. In others, 1 to 5
    are the intensities A to E of FACS. Without tables, the units are those that OpenFace has estimated, in a csv file
    for each photograph. The attribute `annotated`, (A,), is 1 where a unit was annotated or estimated and 0 where it is
    unknown; the intensity of an unknown unit is 0. Units that are not in `ACTION_UNITS` are ignored.

    split       by photograph, at random (identities are unknown)
    path        the folder of the tables and photographs; by default `data_home() / "emotionet"`
    size        height and width in pixels; images are cropped to the central square. Process photographs that the face
                does not fill by `facekit.datasets.prepare` first, which preserves the names
    channels    3 for RGB, or 1 for greyscale
    confidence  the least confidence of OpenFace, 0 to 1; other faces are left out
    strict      raise `UnusableData` for the first unusable file or row, instead of adding it to `problems`

    Raises `DatasetMissing` if no photograph has action units. A pickle of action units, as some copies contain, is
    never read, because reading one can run any program.
    """

    name = "emotionet"
    source = SOURCE

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 64,
        channels: int = 3,
        confidence: float = 0.8,
        strict: bool = False,
    ) -> None:
        root, problems = SOURCE.root(path), Problems(strict)
        pictures = {file.name: file for file in list_pictures(root)}
        tables = sorted([*root.rglob("dataFile_*.txt"), *root.rglob("*.xlsx")])
        records = [record for table in tables for record in _from_table(table, pictures, problems)]
        if not tables:
            records = list(_from_openface(root, pictures, confidence, problems))
        for pickle in sorted(root.rglob("*.pkl")):
            problems.add(pickle.name, _NO_PICKLE)
        if not records:
            raise SOURCE.missing(root, problems[0] if problems else "no photograph in it has action units")
        table = tabulate(SOURCE, records, split, size, channels, problems)
        problems.log(SOURCE.title)
        super().__init__(split, size, channels, table, problems)


_NO_PICKLE = (
    "a pickle is not read, because reading one can run any program: where it was made, write OpenFace's csv of each "
    "photograph beside it (FaceLandmarkImg -fdir photographs -aus)"
)


def _record(file: Path, vector: np.ndarray, annotated: np.ndarray) -> Record:
    return Record((file,), file.name, known={"action_units": vector}, attributes={"annotated": annotated})


# -------------------------------------------------------------------------------------------------- tables


def _from_table(table: Path, pictures: Mapping[str, Path], problems: Problems) -> Iterator[Record]:
    try:
        rows = list(_sheet(table) if table.suffix == ".xlsx" else _text(table))
    except ValueError as error:
        problems.add(table.name, error)
        return
    units, rows = _units(rows)
    parsed, absent = [], []
    for line, row in rows:
        name = PurePosixPath(unquote(urlsplit(row[0]).path)).name
        if name not in pictures:
            absent.append(name)
            continue
        try:
            parsed.append((pictures[name], _numbers(row, units)))
        except ValueError as error:
            problems.add(f"{table.name}:{line}", error)
    if absent:
        problems.add(table.name, f"{len(absent)} of its photographs are not in the folder, first {absent[0]}")
    scored = any(value > 1 for _, numbers in parsed for value in numbers.values())
    for file, numbers in parsed:
        yield _record(file, *_vector(numbers, scored))


def _text(table: Path) -> Iterator[tuple[int, list[str]]]:
    with table.open(newline="", encoding="utf-8-sig") as stream:
        lines = csv.reader(stream, delimiter="\t")
        yield from ((lines.line_num, _stripped(row)) for row in lines if row)


def _sheet(table: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet. Raises `ValueError` for a file that is no workbook."""
    import openpyxl  # slow to import, and most datasets do without

    try:
        book = openpyxl.load_workbook(table, read_only=True, data_only=True)
        rows = list(book.worksheets[0].iter_rows(values_only=True))
    except Exception as error:  # openpyxl raises whatever its parsers raise
        raise ValueError(f"the workbook is damaged ({error})") from None
    for line, row in enumerate(rows, start=1):
        if any(value is not None for value in row):
            yield line, _stripped(["" if value is None else str(value) for value in row])


def _stripped(row: Sequence[str]) -> list[str]:
    """A row without blanks and quotes around its values: some headers are quoted."""
    return [value.strip(" '\"") for value in row]


def _units(rows: list[tuple[int, list[str]]]) -> tuple[dict[int, int], list[tuple[int, list[str]]]]:
    """The number of the unit in each column, and the rows without the header, if there is one."""
    _, first = rows[0] if rows else (0, [])
    named = {i: int(found.group(1)) for i, name in enumerate(first) if (found := _UNIT.fullmatch(name))}
    if named:
        return named, rows[1:]
    return {i: i - _FIRST_UNIT + 1 for i in range(_FIRST_UNIT, len(first))}, rows


def _numbers(row: Sequence[str], units: Mapping[int, int]) -> dict[int, float]:
    """The value of each unit of a row, without unknown ones."""
    if len(row) <= max(units, default=0):
        raise ValueError(f"the row has {len(row)} columns; it must have {max(units) + 1}")
    values = {}
    for i, unit in units.items():
        try:
            value = float(row[i])
        except ValueError:
            raise ValueError(f"AU{unit} is {row[i]!r}; it must be a number") from None
        if value not in (0, _UNKNOWN, *_INTENSITIES):
            raise ValueError(f"AU{unit} is {value:g}; it must be 0 to 5, or {_UNKNOWN} where it is unknown")
        if value != _UNKNOWN:
            values[unit] = value
    return values


def _vector(numbers: Mapping[int, float], scored: bool) -> tuple[np.ndarray, np.ndarray]:
    """Intensities (A,) in [0, 1], and which units are annotated (A,)."""
    vector, annotated = np.zeros((2, len(ACTION_UNIT_COLUMNS)), np.float32)
    for unit, value in numbers.items():
        try:
            columns = list(action_unit_columns(unit))
        except ValueError:
            continue  # a unit that is not in `ACTION_UNITS`
        annotated[columns] = 1
        if value:
            vector[columns] = _INTENSITIES[int(value)] if scored else 1
    return vector, annotated


# -------------------------------------------------------------------------------------------------- OpenFace


def _from_openface(root: Path, pictures: Mapping[str, Path], confidence: float, problems: Problems) -> Iterator[Record]:
    by_stem = {Path(name).stem: file for name, file in pictures.items()}
    for table in sorted(root.rglob("*.csv")):
        name = table.relative_to(root).as_posix()
        try:
            rows = read_openface(table)
            if table.stem not in by_stem:
                raise ValueError(f"there is no photograph {table.stem}.jpg (or .png, ...)")
            if len(rows) != 1:
                raise ValueError(f"it has {len(rows)} faces; it must have one")
            if rows[0].confidence < confidence:
                raise ValueError(f"OpenFace's confidence is {rows[0].confidence:g}, less than {confidence:g}")
        except ValueError as error:
            problems.add(name, error)
            continue
        yield _record(by_stem[table.stem], rows[0].action_units, rows[0].estimated)
