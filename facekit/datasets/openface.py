"""Action units as OpenFace 2 writes them: a csv file for each image, or for each video.

Source  Baltrusaitis, Zadeh, Lim & Morency, *OpenFace 2.0: Facial behavior analysis toolkit*, FG 2018.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facekit.faces.action_units import ACTION_UNIT_COLUMNS, action_unit_columns

_INTENSITY = re.compile(r"AU(\d{2})_r")
_LARGEST = 5.0  # OpenFace's intensities are 0 to 5
_SAME = {45: 43}  # a blink (AU45) is the eyes closed (AU43) in a single image


@dataclass(frozen=True, eq=False)
class OpenFaceRow:
    """One face of one frame.

    line          of the file
    frame         number of the frame, from 1; 1 for an image
    confidence    of the landmark detection, 0 to 1
    action_units  (A,) intensities in [0, 1], both sides equal; a unit that OpenFace does not estimate is 0
    estimated     (A,) 1 for the units that it estimates, 0 for the others
    """

    line: int
    frame: int
    confidence: float
    action_units: np.ndarray
    estimated: np.ndarray


def read_openface(file: Path) -> list[OpenFaceRow]:
    """The faces in a csv file of OpenFace (FaceLandmarkImg or FeatureExtraction), in the order of the file.

    Raises `ValueError` for a file without columns of intensities (`AU01_r`, ...), and for a value that is not a number
    or not an intensity from 0 to 5; the message names the line.
    """
    with file.open(newline="", encoding="utf-8-sig") as stream:
        table = csv.reader(stream, skipinitialspace=True)
        header = [name.strip() for name in next(table, [])]
        units = {i: _columns(int(found.group(1))) for i, name in enumerate(header) if (found := _known(name))}
        if not units:
            raise ValueError(f"{file.name} has no columns AU01_r, AU02_r, ...: it was not written by OpenFace")
        return [_row(file, table.line_num, header, row, units) for row in table if row]


def _known(name: str) -> re.Match | None:
    found = _INTENSITY.fullmatch(name)
    return found if found and _columns(int(found.group(1))) else None


def _columns(unit: int) -> list[int]:
    """The columns of a unit; none for one that is not in `ACTION_UNITS`."""
    try:
        return list(action_unit_columns(_SAME.get(unit, unit)))
    except ValueError:
        return []


def _row(file: Path, line: int, header: list[str], row: list[str], units: dict[int, list[int]]) -> OpenFaceRow:
    if len(row) != len(header):
        raise ValueError(f"{file.name}:{line} has {len(row)} values; it must have {len(header)}")
    vector, estimated = np.zeros((2, len(ACTION_UNIT_COLUMNS)), np.float32)
    try:
        numbers = {name: float(value) for name, value in zip(header, row, strict=True)}
    except ValueError as error:
        raise ValueError(f"{file.name}:{line} has a value that is not a number ({error})") from None
    for i, columns in units.items():
        value = numbers[header[i]]
        if not 0 <= value <= _LARGEST:
            raise ValueError(f"{file.name}:{line}: {header[i]} is {value:g}; intensities are 0 to 5")
        vector[columns], estimated[columns] = value / _LARGEST, 1
    return OpenFaceRow(line, int(numbers.get("frame", 1)), numbers.get("confidence", 1.0), vector, estimated)
