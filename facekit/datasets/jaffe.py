"""JAFFE: 213 photographs of ten Japanese women with seven expressions.

Source  Lyons, Akamatsu, Kamachi & Gyoba, *Coding facial expressions with Gabor wavelets*, FG 1998.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from facekit.datasets.records import Record, RecordedFaces, records_by_name
from facekit.datasets.sources import Problems, Source
from facekit.faces.emotions import emotion_index

SOURCE = Source(
    name="jaffe",
    title="JAFFE",
    address="https://zenodo.org/records/3451524",
    terms="for non-commercial research, on request; the images must not be passed on, and few may be shown in print",
    layout="jaffe/**/KA.AN1.39.tiff (person, emotion and take, number)",
)

_NAME = re.compile(r"([A-Z]{2})[.-]([A-Z]{2})(\d+)[.-]\d+", re.IGNORECASE)


class JAFFE(RecordedFaces):
    """JAFFE. All annotations are read from the file names; the folders are irrelevant. Splits are random, by person.

    The images (256 x 256 pixels) are greyscale. Arguments are those of `RecordedFaces`.
    """

    name = "jaffe"
    source = SOURCE

    def _records(self, root: Path, problems: Problems) -> Iterator[Record]:
        return records_by_name(root, problems, _record)


def _record(file: Path, name: str) -> Record:
    parts = _NAME.fullmatch(file.stem)
    if parts is None:
        raise ValueError("the name is not of the form KA.AN1.39 (person, emotion and take, number)")
    person, emotion, _ = parts.groups()
    return Record((file,), name, emotion_index(emotion), person=person.upper())
