"""Pictures in files, with what is known of each, as a table of bytes: which split each belongs to, and reading them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from facekit.datasets.alignment import alignment, eyes_of, to_relative, warp
from facekit.datasets.base import SPLITS
from facekit.datasets.cache import cached_arrays, file_stamp
from facekit.datasets.pictures import BadPicture, read_picture, to_array
from facekit.datasets.sources import EmptySplit, Problems, Source, logger
from facekit.datasets.stored import Table
from facekit.faces.parts import DOMAINS

_VERSION = 1  # of the cache: raise it when the same files come out as other bytes


@dataclass(frozen=True, eq=False)
class Record:
    """One picture, or one sequence of T, in files.

    files       the picture, or the frames in order
    name        where it stands, for people
    label       index into `EMOTIONS`, or -1
    person      who it is, or None where people are not told apart
    split       the split that the dataset's owners put it in, or None
    landmarks   (T, 68, 2) in pixels of the file, T 1 for a picture; the picture is then aligned by the eyes
    known       further fields of `Faces`, without N: intensity, action_units
    attributes  further facts by name, without N
    """

    files: tuple[Path, ...]
    name: str
    label: int = -1
    person: str | None = None
    split: str | None = None
    landmarks: np.ndarray | None = None
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    attributes: Mapping[str, float] = field(default_factory=dict)


def tabulate(
    source: Source,
    records: Sequence[Record],
    split: str,
    size: int,
    channels: int,
    problems: Problems,
    *,
    sequences: bool = False,
    domain: str = "photo",
) -> Table:
    """The records of a split as a table, read once into the cache; those that cannot be read become problems.

    Pictures with landmarks are aligned by the eyes (a sequence as a whole, by its first frame, so that what moves
    still moves); of others the middle square is taken. Raises `EmptySplit` for a split without one.
    """
    chosen = in_split(records, split, source, problems)
    stored = cached_arrays(
        source.name,
        [_VERSION, size, channels, sequences, [_stamp(record) for record in chosen]],
        partial(_read_all, chosen, size, channels, sequences),
    )
    problems.add_array(stored["problems"])
    rows = np.flatnonzero(stored["usable"])
    kept = [chosen[i] for i in rows]
    if not kept:
        raise EmptySplit(
            f"{source.title} has no usable picture in split {split!r}: of {len(records)} in all, {len(chosen)} fall to "
            f"it, and {len(problems)} are unusable; with few pictures or people, lay them out in train, valid and test"
        )
    known = {name: np.stack([r.known[name] for r in kept]).astype(np.float32) for name in kept[0].known}
    if kept[0].landmarks is not None:
        placed = np.stack([_placed(record, size) for record in kept]).astype(np.float32)
        known["landmarks"] = placed if sequences else placed[:, 0]
    known["domain"] = np.full(len(kept), DOMAINS.index(domain))
    return Table(
        pixels=stored["pixels"],
        rows=rows,
        labels=np.array([r.label for r in kept]),
        names=[r.name for r in kept],
        persons=_numbered(records, kept),
        known=known,
        attributes={k: np.array([r.attributes[k] for r in kept], np.float32) for k in kept[0].attributes},
    )


# ------------------------------------------------------------------------------------------------------ splits


def split_of(key: str) -> str:
    """The split of a person (or, where people are not told apart, a file), the same on every machine: 8 of 10 to
    train, 1 to valid, 1 to test.

    >>> split_of("ckplus/S004"), split_of("ckplus/S005")
    ('train', 'valid')
    """
    position = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    return "train" if position < 0.8 else "valid" if position < 0.9 else "test"


def in_split(records: Sequence[Record], split: str, source: Source, problems: Problems) -> list[Record]:
    """The records of one split.

    Where the owners made no splits, `split_of` decides by person, so that nobody is in two. Else theirs count: a
    missing valid is taken out of their train by `split_of`, and a missing test is valid, with a notice in the log;
    a record in none of their splits becomes a problem.
    """
    drawn = {id(record): split_of(f"{source.name}/{record.person or record.name}") for record in records}
    given = {record.split for record in records} - {None}
    if not given:
        return [record for record in records if drawn[id(record)] == split]
    for record in records:
        if record.split is None:
            problems.add(record.name, "it is in none of the splits, as others are")
    if split == "test" and "test" not in given:
        logger.warning("%s has no test split, so test is its valid split", source.title)
        split = "valid"
    if split == "test" or "valid" in given:
        return [record for record in records if record.split == split]
    train = [record for record in records if record.split == "train"]
    return [record for record in train if (drawn[id(record)] == "valid") == (split == "valid")]


def split_named(folder: str) -> str | None:
    """The split that a folder's name stands for, or None.

    >>> split_named("Validation"), split_named("happy")
    ('valid', None)
    """
    word = folder.lower()
    return {"val": "valid", "validation": "valid"}.get(word, word if word in SPLITS else None)


# ----------------------------------------------------------------------------------------------------- reading


def _read_all(records: Sequence[Record], size: int, channels: int, sequences: bool, folder: Path) -> None:
    """Every picture of the records as bytes, which of the records could be read, and what was wrong with the others."""
    frames = (len(records[0].files),) if records and sequences else ()
    shape = (len(records), *frames, channels, size, size)
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, shape)
    usable, problems = np.zeros(len(records), bool), Problems()
    with ThreadPoolExecutor() as pool:  # Pillow and OpenCV let other threads run while they work
        read = pool.map(partial(_read, size=size, channels=channels), records)
        for i, (drawn, problem) in enumerate(tqdm(read, "reading pictures", len(records), disable=None)):
            if problem is None:
                pixels[i], usable[i] = drawn if sequences else drawn[0], True
            else:
                problems.add(*problem)
    pixels.flush()
    np.save(folder / "usable.npy", usable)
    np.save(folder / "problems.npy", problems.to_array())


def _read(record: Record, size: int, channels: int) -> tuple[np.ndarray | None, tuple[str, str] | None]:
    """The pictures of a record as (T, C, size, size), or where and what is wrong."""
    try:
        matrix = None if record.landmarks is None else _alignment(record, size)
        return np.stack([_framed(file, matrix, size, channels) for file in record.files]), None
    except ValueError as error:
        return None, (record.name, str(error))


def _framed(file: Path, matrix: np.ndarray | None, size: int, channels: int) -> np.ndarray:
    try:
        image = read_picture(file, channels)
    except BadPicture as error:
        raise BadPicture(f"{file.name}: {error}") from None
    if matrix is None:
        return to_array(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))
    drawn = warp(np.asarray(image), matrix, size)
    return drawn[None] if channels == 1 else drawn.transpose(2, 0, 1)


def _alignment(record: Record, size: int) -> np.ndarray:
    return alignment(eyes_of(record.landmarks[0]), size)


def _placed(record: Record, size: int) -> np.ndarray:
    return to_relative(record.landmarks, _alignment(record, size), size)


def _stamp(record: Record) -> list:
    """All that the bytes of a record depend on."""
    eyes = None if record.landmarks is None else eyes_of(record.landmarks[0]).tolist()
    return [[file_stamp(file) if file.exists() else str(file) for file in record.files], eyes]


def _numbered(records: Sequence[Record], kept: Sequence[Record]) -> np.ndarray | None:
    """A number for each person, the same in every split, or None where nobody is known."""
    people = sorted({record.person for record in records if record.person is not None})
    if not people:
        return None
    number = {person: i for i, person in enumerate(people)}
    return np.array([number.get(record.person, -1) for record in kept])
