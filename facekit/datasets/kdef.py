"""KDEF: 4,900 photographs of 70 people with seven expressions, from five angles, each taken twice.

Source  Lundqvist, Flykt & Öhman, *The Karolinska directed emotional faces*, Karolinska Institutet, 1998.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from facekit.datasets.records import Record, RecordedFaces, records_by_name
from facekit.datasets.sources import Problems, Source
from facekit.faces.emotions import emotion_index

ANGLES = {"FL": -90, "HL": -45, "S": 0, "HR": 45, "FR": 90}
"""Angles of the head in degrees by their codes: full left, half left, straight, half right, full right."""

SOURCE = Source(
    name="kdef",
    title="KDEF",
    address="https://kdef.se",
    terms="for non-commercial research, on request",
    layout="kdef/**/AF01ANS.JPG (session, sex and person, emotion, angle)",
)

_NAME = re.compile(r"([AB])([FM]\d{2})(AF|AN|DI|HA|NE|SA|SU)(FL|HL|S|HR|FR)", re.IGNORECASE)
_EMOTIONS = {"AF": "afraid"}  # the other codes are known everywhere


class KDEF(RecordedFaces):
    """KDEF. All annotations are read from the file names; the folders are irrelevant. Splits are random, by person.

    Attributes: `angle` of the head in degrees, positive to the person's right, and `session` (0 or 1). The images
    (562 x 762 pixels) are cropped to the central square: crop them with `facekit.datasets.prepare` first, which
    preserves the names.

    angles      codes in `ANGLES` of the images to use

    Other arguments are those of `RecordedFaces`.
    """

    name = "kdef"
    source = SOURCE

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 64,
        channels: int = 3,
        angles: Collection[str] = ("S",),
        strict: bool = False,
    ) -> None:
        if unknown := set(angles) - set(ANGLES):
            raise ValueError(f"there is no angle {', '.join(sorted(unknown))}; KDEF has {', '.join(ANGLES)}")
        self._angles = {ANGLES[angle] for angle in angles}
        super().__init__(split, path=path, size=size, channels=channels, strict=strict)

    def _records(self, root: Path, problems: Problems) -> Iterator[Record]:
        records = records_by_name(root, problems, _record)
        return (record for record in records if record.attributes["angle"] in self._angles)


def _record(file: Path, name: str) -> Record:
    parts = _NAME.fullmatch(file.stem)
    if parts is None:
        raise ValueError("the name is not of the form AF01ANS (session, sex and person, emotion, angle)")
    session, person, emotion, angle = parts.groups()
    emotion, attributes = emotion.upper(), {"angle": ANGLES[angle.upper()], "session": float(session.upper() == "B")}
    label = emotion_index(_EMOTIONS.get(emotion, emotion))
    return Record((file,), name, label, person=person.upper(), attributes=attributes)
