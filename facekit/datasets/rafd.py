"""RaFD: 67 people with eight expressions and three directions of gaze, photographed by five cameras.

Source  Langner et al., *Presentation and validation of the Radboud Faces Database*, Cognition & Emotion 24(8), 2010.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from facekit.datasets.records import Record, records_by_name, tabulate
from facekit.datasets.sources import Problems, Source
from facekit.datasets.stored import StoredFaces
from facekit.faces.emotions import emotion_index

CAMERAS = (0, 45, 90, 135, 180)
"""Positions of the cameras around the person in degrees; 90 is frontal."""

_GAZES = ("left", "frontal", "right")
_NAME = re.compile(r"Rafd(\d{3})_(\d{2})_([A-Za-z]+)_([a-z]+)_([a-z]+)_(left|frontal|right)", re.IGNORECASE)

SOURCE = Source(
    name="rafd",
    title="RaFD",
    address="https://rafd.socsci.ru.nl",
    terms="for scientific research, on personal request of researchers at universities; students through their "
    "supervisors",
    layout="rafd/**/Rafd090_01_Caucasian_female_angry_frontal.jpg (camera, model, group, sex, emotion, gaze)",
)


class RaFD(StoredFaces):
    """RaFD. All annotations are read from the file names; the folders are irrelevant.

    Attributes: `camera` in degrees (90 is frontal), `gaze` (-1 to the left, 0 to the camera, 1 to the right) and
    `child` (0 or 1).

    split       by person, at random
    path        the folder of the images; by default `data_home() / "rafd"`
    size        height and width in pixels; images (681 x 1024) are cropped to the central square, in which the face is
                small: crop them with `facekit.datasets.prepare` first, which preserves the names
    channels    3 for RGB, or 1 for greyscale
    cameras     the cameras of `CAMERAS` to use
    strict      raise `UnusableData` for the first unusable file, instead of adding it to `problems`

    Raises `DatasetMissing` if there is no image of these cameras.
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
        every = records_by_name(root, problems, _record)
        records = [record for record in every if record.attributes["camera"] in cameras]
        if not records:
            raise SOURCE.missing(root, f"no file name in it is that of a picture from cameras {tuple(cameras)}")
        table = tabulate(SOURCE, records, split, size, channels, problems)
        problems.log(SOURCE.title)
        super().__init__(split, size, channels, table, problems)


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
