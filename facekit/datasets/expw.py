"""ExpW: 91,793 faces in photographs from the web, each with its box and one of seven emotions.

Source  Zhang, Luo, Loy & Tang, *From facial expression recognition to interpersonal relation prediction*,
        International Journal of Computer Vision 126, 2018.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from facekit.datasets.alignment import eyes_in
from facekit.datasets.records import Record, RecordedFaces
from facekit.datasets.sources import Problems, Source, first_existing, inside
from facekit.faces.emotions import dataset_code_to_index

SOURCE = Source(
    name="expw",
    title="ExpW",
    address="http://mmlab.ie.cuhk.edu.hk/projects/socialrelation/index.html",
    terms="for non-commercial research; the photographs belong to their photographers and must not be passed on",
    layout="expw/label.lst (also in label) with expw/image/*.jpg (or origin)",
)

_LISTS = ("label.lst", "label/label.lst")
_IMAGES = ("image/origin", "image", "origin", ".")


class ExpW(RecordedFaces):
    """ExpW's faces, cropped to their boxes. A photograph may hold several; all of them are in the same random split.

    confidence  least confidence of the face detector; other boxes are left out

    Other arguments are those of `RecordedFaces`. Attribute: `confidence`.
    """

    name = "expw"
    source = SOURCE

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 64,
        channels: int = 3,
        confidence: float = 0.0,
        strict: bool = False,
    ) -> None:
        self._confidence = confidence
        super().__init__(split, path=path, size=size, channels=channels, strict=strict)

    def _records(self, root: Path, problems: Problems) -> Iterator[Record]:
        table = first_existing(root, _LISTS)
        if table is None:
            raise SOURCE.missing(root, "it has no label.lst")
        images = first_existing(root, _IMAGES)
        for number, line in enumerate(table.read_text(encoding="utf-8-sig").splitlines(), start=1):
            try:
                record = _record(images, line.split()) if line.strip() else None
            except ValueError as error:
                problems.add(f"{table.name}:{number}", error)
                continue
            if record and record.attributes["confidence"] >= self._confidence:
                yield record


def _record(images: Path, words: list[str]) -> Record:
    """The face of a line: file, number of the face, top, left, right and bottom of its box, confidence, emotion."""
    if len(words) != 8:
        raise ValueError(f"the line has {len(words)} values; it must have 8")
    name, face, *numbers = words
    try:
        top, left, right, bottom, confidence, emotion = map(float, numbers)
    except ValueError as error:
        raise ValueError(f"the line has a value that is not a number ({error})") from None
    if right <= left or bottom <= top:
        raise ValueError(f"the box from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) is empty")
    side = max(right - left, bottom - top)
    return Record(
        (inside(images, name),),
        f"{name}#{face}",
        dataset_code_to_index(SOURCE.name, int(emotion)),
        group=name,
        eyes=eyes_in((left + right - side) / 2, (top + bottom - side) / 2, side),
        attributes={"confidence": confidence},
    )
