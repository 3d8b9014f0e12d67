"""RaFD: 67 people, eight expressions, three directions of gaze, seen by five cameras at once.

Source  Langner et al., *Presentation and validation of the Radboud Faces Database*, Cognition & Emotion 24(8), 2010.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from facekit.datasets.pictures import list_pictures
from facekit.datasets.records import Record, tabulate
from facekit.datasets.sources import Problems, Source
from facekit.datasets.stored import StoredFaces
from facekit.faces.emotions import emotion_index

CAMERAS = (0, 45, 90, 135, 180)
"""Degrees around the person; 90 is in front."""

_GAZES = ("left", "frontal", "right")
_NAME = re.compile(r"Rafd(\d{3})_(\d{2})_([A-Za-z]+)_([a-z]+)_([a-z]+)_(left|frontal|right)", re.IGNORECASE)

SOURCE = Source(
    name="rafd",
    title="RaFD",
    address="https://rafd.socsci.ru.nl",
    terms="for science alone, to researchers at universities, each of whom asks in person; students through their "
    "supervisors",
    layout="rafd/**/Rafd090_01_Caucasian_female_angry_frontal.jpg (camera, model, group, sex, emotion, gaze)",
)


class RaFD(StoredFaces):
    """RaFD, from the names of its files, in whatever folders they lie.

    Attributes: `camera` in degrees (90 in front), `gaze` (-1 to the left, 0 to the camera, 1 to the right) and `child`
    (0 or 1).

    split       drawn by person
    path        the folder of the pictures; by default `data_home() / "rafd"`
    size        height and width in pixels; the middle square of each picture (681 x 1024) is taken, in which the face
                is small: let `facekit.datasets.prepare` crop it first, which keeps the names
    channels    3 for colour, or 1 for grey
    cameras     which of `CAMERAS` to take
    strict      raise `UnusableData` at the first bad file, instead of leaving it out and listing it in `problems`

    Raises `DatasetMissing` where there is no such picture.
    """

    name = "rafd"
    source = SOURCE

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 64,
        channels: int = 3,
        cameras: Collection[int] = (90,),
        strict: bool = False,
    ) -> None:
        if unknown := set(cameras) - set(CAMERAS):
            raise ValueError(f"there is no camera at {sorted(unknown)} degrees; RaFD has {CAMERAS}")
        root, problems = SOURCE.root(path), Problems(strict)
        records = [record for record in _scan(root, problems) if record.attributes["camera"] in cameras]
        if not records:
            raise SOURCE.missing(root, f"it has no picture by its names from cameras {tuple(cameras)}")
        table = tabulate(SOURCE, records, split, size, channels, problems)
        problems.log(SOURCE.title)
        super().__init__(split, size, channels, table, problems)


def _scan(root: Path, problems: Problems) -> Iterator[Record]:
    for file in list_pictures(root):
        name = file.relative_to(root).as_posix()
        try:
            yield _record(file, name)
        except ValueError as error:
            problems.add(name, error)


def _record(file: Path, name: str) -> Record:
    parts = _NAME.fullmatch(file.stem)
    if parts is None:
        raise ValueError("the name is not of the form Rafd090_01_Caucasian_female_angry_frontal")
    camera, model, group, _, emotion, gaze = parts.groups()
    attributes = {
        "camera": int(camera),
        "gaze": _GAZES.index(gaze.lower()) - 1,
        "child": int(group.lower() == "kid"),
    }
    return Record((file,), name, emotion_index(emotion), person=model, attributes=attributes)
