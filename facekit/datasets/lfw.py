"""LFW: 13,233 photographs of 5,749 people from the news, and 6,000 pairs by which recognisers are compared.

Source  Huang, Ramesh, Berg & Learned-Miller, *Labeled faces in the wild*, technical report 07-49, University of
        Massachusetts, Amherst, 2007.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from facekit.datasets.alignment import eyes_in
from facekit.datasets.records import Record, RecordedFaces, records_by_name, tabulate
from facekit.datasets.sources import Problems, Source, first_existing
from facekit.datasets.stored import StoredFaces
from facekit.faces.faces import Faces

SOURCE = Source(
    name="lfw",
    title="LFW",
    address="http://vis-www.cs.umass.edu/lfw/ (copies: scikit-learn's fetch_lfw_pairs downloads it)",
    terms="for research; the photographs were taken from news pages, and the people in them were not asked",
    layout="lfw/lfw_funneled/<name>/<name>_0001.jpg (or lfw, lfw-deepfunneled; 250 x 250 pixels)\n"
    "lfw/pairs.txt (for verification)",
)

_IMAGES = ("lfw_funneled", "lfw-deepfunneled/lfw-deepfunneled", "lfw-deepfunneled", "lfw", ".")
_NAME = re.compile(r"(.+)_(\d{4})")
_PAIRS = "pairs.txt"

# The square around the face in pictures of 250 x 250 pixels: rows 70 to 195, as scikit-learn crops them.
_EYES = eyes_in(left=62.5, top=70, side=125)


class LFW(RecordedFaces):
    """LFW, cropped to the face. Faces have an identity and no emotion. Splits are random, by person.

    path        the folder of lfw_funneled; by default `data_home() / "lfw"`

    Other arguments are those of `RecordedFaces`.
    """

    name = "lfw"
    source = SOURCE

    def _records(self, root: Path, problems: Problems) -> Iterator[Record]:
        return records_by_name(first_existing(root, _IMAGES), problems, _record)


@dataclass(frozen=True, eq=False)
class VerificationPairs:
    """Pairs of photographs of one person or of two, in folds that share no person.

    faces   all photographs of the pairs
    first   (P,) index of each pair's first photograph in `faces`
    second  (P,) index of its second
    same    (P,) bool, whether both show one person
    fold    (P,) number of the fold, from 0
    """

    faces: Faces
    first: Tensor
    second: Tensor
    same: Tensor
    fold: Tensor


def verification_pairs(
    path: str | os.PathLike | None = None, *, size: int = 64, channels: int = 3
) -> VerificationPairs:
    """The pairs of `pairs.txt`; arguments are those of `LFW`.

    Raises `DatasetMissing` without `pairs.txt`, and `UnusableData` for a bad row or a photograph that is not there:
    with other pairs, the accuracy could not be compared.
    """
    root, problems = SOURCE.root(path), Problems(strict=True)
    images, table = first_existing(root, _IMAGES), root / _PAIRS
    if not table.is_file():
        raise SOURCE.missing(root, f"it has no {_PAIRS}")
    rows = list(_read_pairs(table, problems))
    names = sorted({name for row in rows for name in row.names})
    missing = [name for name in names if not (images / name).is_file()]
    if missing:
        problems.add(table.name, f"{len(missing)} photographs are not in {images}, the first of them {missing[0]}")
    records = [_record(images / name, name, split="test") for name in names]
    stored = StoredFaces("test", size, channels, tabulate(SOURCE, records, "test", size, channels, problems))
    place = {name: i for i, name in enumerate(names)}
    first, second = torch.tensor([[place[name] for name in row.names] for row in rows]).T
    return VerificationPairs(
        stored.faces(range(len(stored))),
        first,
        second,
        torch.tensor([row.names[0].split("/")[0] == row.names[1].split("/")[0] for row in rows]),
        torch.tensor([row.fold for row in rows]),
    )


def _record(file: Path, name: str, split: str | None = None) -> Record:
    parts = _NAME.fullmatch(file.stem)
    if parts is None or parts.group(1) != file.parent.name:
        raise ValueError("the path is not of the form Aaron_Eckhart/Aaron_Eckhart_0001.jpg")
    return Record((file,), name, person=file.parent.name, split=split, eyes=_EYES)


@dataclass(frozen=True)
class _Pair:
    names: tuple[str, str]
    fold: int


def _read_pairs(table: Path, problems: Problems) -> Iterator[_Pair]:
    """The rows of `pairs.txt`. Its first line, "10 300", means ten folds of 300 pairs of one person and 300 of two."""
    head, *lines = table.read_text(encoding="utf-8").splitlines()
    try:
        folds, each = map(int, head.split())
    except ValueError:
        problems.add(f"{table.name}:1", f"it is {head!r}; it must be the number of folds and of pairs, such as 10 300")
    if len(lines) != 2 * folds * each:
        problems.add(table.name, f"it has {len(lines)} pairs; its first line says 2 x {folds} x {each}")
    for number, line in enumerate(lines):
        match line.split():
            case [person, a, b] if a.isdigit() and b.isdigit():
                names = _file(person, a), _file(person, b)
            case [person, a, other, b] if a.isdigit() and b.isdigit():
                names = _file(person, a), _file(other, b)
            case _:
                problems.add(f"{table.name}:{number + 2}", f"{line!r} is neither 'name 1 2' nor 'name 1 other 2'")
        yield _Pair(names, number // (2 * each))


def _file(person: str, number: str) -> str:
    return f"{person}/{person}_{int(number):04d}.jpg"
