"""CelebA: 202,599 photographs of 10,177 celebrities, each with 40 attributes; without emotions.

It serves to train recognisers, and to pretrain generators on faces without labels (P1 §7).

Source  Liu, Luo, Wang & Tang, *Deep learning face attributes in the wild*, ICCV 2015.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facekit.datasets.pictures import PICTURE_SUFFIXES, list_pictures
from facekit.datasets.records import Record, RecordedFaces
from facekit.datasets.sources import Problems, Source, first_existing

SOURCE = Source(
    name="celeba",
    title="CelebA",
    address="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    terms="for non-commercial research; the photographs belong to their photographers and must not be passed on",
    layout="celeba/img_align_celeba/000001.jpg, ... (178 x 218 pixels)\n"
    "celeba/{list_attr_celeba,identity_CelebA,list_eval_partition,list_landmarks_align_celeba}.txt (each is optional;\n"
    "    also in Anno and Eval; also .csv)",
)

_IMAGES = tuple(f"{home}img_align_celeba{inner}" for home in ("", "Img/") for inner in ("/img_align_celeba", ""))
_TABLE_HOMES = (".", "Anno", "Eval")
_PARTITIONS = {0: "train", 1: "valid", 2: "test"}

# Where the owners' alignment puts the eyes, on average, in pictures of 178 x 218 pixels.
_EYES = np.array([[69.0, 111.0], [108.0, 111.0]])


class CelebA(RecordedFaces):
    """CelebA's aligned photographs, cropped by the eyes like all photographs of the suite. Faces have no emotion.

    Attributes: the 40 of `list_attr_celeba`, 0 or 1, by their names in lower case (`smiling`, `eyeglasses`, ...).

    split       the owners' (no person is in two); without `list_eval_partition` at random, by person where
                `identity_CelebA` is given
    path        the folder of img_align_celeba; by default `data_home() / "celeba"`

    Other arguments are those of `RecordedFaces`. A part of the photographs is enough: rows of the tables without a
    photograph are ignored.
    """

    name = "celeba"
    source = SOURCE

    def _records(self, root: Path, problems: Problems) -> Iterator[Record]:
        images = first_existing(root, _IMAGES)
        if images is None:
            raise SOURCE.missing(root, "it has no folder img_align_celeba")
        stems = ("list_attr_celeba", "identity_CelebA", "list_eval_partition", "list_landmarks_align_celeba")
        tables = [_read(root, stem, problems) for stem in stems]
        for file in list_pictures(images):
            lacking = next((table.name for table in tables if table.rows and file.name not in table.rows), None)
            try:
                if lacking:
                    raise ValueError(f"it has no row in {lacking}")
                yield _record(file, *tables)
            except ValueError as error:
                problems.add(file.name, error)


@dataclass(frozen=True)
class _Table:
    """One of the owners' tables: the values of each picture by its file name."""

    name: str
    columns: tuple[str, ...] = ()
    rows: dict[str, list[float]] = field(default_factory=dict)


def _record(file: Path, attributes: _Table, identity: _Table, partition: _Table, landmarks: _Table) -> Record:
    part = partition.rows[file.name][0] if partition.rows else None
    if part is not None and part not in _PARTITIONS:
        raise ValueError(f"its partition is {part:g}; partitions are 0 (train), 1 (valid) and 2 (test)")
    # The first two points are the eyes; "left" is that of the image in some releases, and the person's in others.
    eyes = np.reshape(landmarks.rows[file.name][:4], (2, 2)) if landmarks.rows else _EYES
    return Record(
        (file,),
        file.name,
        person=f"{identity.rows[file.name][0]:.0f}" if identity.rows else None,
        split=None if part is None else _PARTITIONS[part],
        eyes=eyes[eyes[:, 0].argsort()],
        attributes={
            name.lower(): float(value > 0)
            for name, value in zip(attributes.columns, attributes.rows.get(file.name, ()), strict=True)
        },
    )


def _read(root: Path, stem: str, problems: Problems) -> _Table:
    """A table by the stem of its file; it has no rows if there is no such file.

    The text files begin with the number of pictures and the names of the columns, except two that have neither. The csv
    files begin with the names of the columns.
    """
    file = first_existing(root, [f"{home}/{stem}{suffix}" for home in _TABLE_HOMES for suffix in (".txt", ".csv")])
    if file is None:
        return _Table(stem)
    columns, rows = (), {}
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        words = line.replace(",", " ").split()
        if not words or (number == 1 and len(words) == 1):
            continue
        if Path(words[0]).suffix.lower() not in PICTURE_SUFFIXES and not rows and not columns:
            columns = tuple(word for word in words if word != "image_id")
            continue
        try:
            rows[words[0]] = _values(words[1:], len(columns) or 1)
        except ValueError as error:
            problems.add(f"{file.name}:{number}", error)
    return _Table(file.name, columns, rows)


def _values(words: list[str], count: int) -> list[float]:
    if len(words) != count:
        raise ValueError(f"the row has {len(words)} values; it must have {count}")
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise ValueError(f"the row has a value that is not a number ({error})") from None
