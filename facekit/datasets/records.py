"""Image files with annotations: their assignment to splits, and reading them into a table of bytes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from facekit.datasets.alignment import alignment, eyes_of, to_relative, warp
from facekit.datasets.cache import cached_arrays, file_stamp
from facekit.datasets.pictures import BadPicture, list_pictures, read_picture, to_array
from facekit.datasets.sources import EmptySplit, Problems, Source, logger
from facekit.datasets.stored import StoredFaces, Table
from facekit.faces.parts import DOMAINS

_VERSION = 1  # of the cache: increase it when the same files are read as different bytes


@dataclass(frozen=True, eq=False)
class PackedPicture:
    """An image file inside a larger file.

    name     for messages
    content  its bytes, (n,) uint8, usually mapped from a cache
    stamp    what the bytes depend on, as JSON values
    """

    name: str
    content: np.ndarray
    stamp: Sequence[object]


@dataclass(frozen=True, eq=False)
class Record:
    """An image, or a sequence of T images, in files.

    files       the image, or the frames in order
    name        its origin, for messages
    label       index into `EMOTIONS`, or -1
    person      identity, or None if unknown
    group       what must not be in two splits where the identity is unknown, such as a photograph of several people
    split       the official split of the dataset, or None
    landmarks   (T, 68, 2) in pixels of the file, T = 1 for an image; they are used for alignment by the eyes
    eyes        (2, 2) centres of the eyes in pixels of the file, for alignment where there are no landmarks
    known       further fields of `Faces`, without N: intensity, action_units
    attributes  further annotations by name, without N
    """

    files: tuple[Path | PackedPicture, ...]
    name: str
    label: int = -1
    person: str | None = None
    group: str | None = None
    split: str | None = None
    landmarks: np.ndarray | None = None
    eyes: np.ndarray | None = None
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    attributes: Mapping[str, float] = field(default_factory=dict)


class RecordedFaces(StoredFaces):
    """The base class of datasets of image files, which differ in how their files are annotated.

    A subclass sets `name` and `source`, and implements `_records`.

    split       the owners', or at random: by person where identities are known
    path        the folder; by default the one with the dataset's name in `data_home()`
    size        height and width in pixels
    channels    3 for RGB, or 1 for greyscale
    strict      raise `UnusableData` for the first unusable file or row, instead of adding it to `problems`

    Raises `DatasetMissing` if there is no usable image.
    """

    source: ClassVar[Source]
    sequences = False
    """Whether each record is a sequence of frames."""

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 64,
        channels: int = 3,
        strict: bool = False,
    ) -> None:
        root, problems = self.source.root(path), Problems(strict)
        records = list(self._records(root, problems))
        if not records:
            raise self.source.missing(root, problems[0] if problems else "it contains no picture")
        table = tabulate(self.source, records, split, size, channels, problems, sequences=self.sequences)
        problems.log(self.source.title)
        super().__init__(split, size, channels, table, problems)

    def _records(self, root: Path, problems: Problems) -> Iterable[Record]:
        """The annotated files below a folder."""
        raise NotImplementedError


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
    """Read the records of a split into a table, once, through the cache; unreadable ones are added to `problems`.

    Images with landmarks or eyes are aligned by the eyes; a sequence is aligned by its first frame, so that head motion
    is preserved. Other images are cropped to the central square. Raises `EmptySplit` if no image is usable.
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
            f"{source.title} has no usable picture in split {split!r}: of {len(records)} in total, {len(chosen)} "
            f"belong to it, and {len(problems)} are unusable; with few pictures or people, make folders train, valid "
            "and test"
        )
    known = {name: np.stack([r.known[name] for r in kept]).astype(np.float32) for name in kept[0].known}
    if kept[0].landmarks is not None:
        aligned = np.stack([_aligned_landmarks(record, size) for record in kept]).astype(np.float32)
        known["landmarks"] = aligned if sequences else aligned[:, 0]
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


def records_by_name(root: Path, problems: Problems, record_of: Callable[[Path, str], Record]) -> Iterator[Record]:
    """The images below a folder whose annotations are in their names.

    record_of  the record of a file and of its path below the folder; raises `ValueError` for a name that it cannot read
    """
    for file in list_pictures(root):
        name = file.relative_to(root).as_posix()
        try:
            yield record_of(file, name)
        except ValueError as error:
            problems.add(name, error)


# ------------------------------------------------------------------------------------------------------ splits


def split_of(key: str) -> str:
    """The split of a person, or of a file where identities are unknown: 80 % train, 10 % valid, 10 % test.

    It is a hash of the key and thus the same on every machine.

    >>> split_of("ckplus/S004"), split_of("ckplus/S005")
    ('train', 'valid')
    """
    position = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    return "train" if position < 0.8 else "valid" if position < 0.9 else "test"


def in_split(records: Sequence[Record], split: str, source: Source, problems: Problems) -> list[Record]:
    """The records of one split.

    Without official splits, `split_of` assigns whole people, so that splits share no identity. Otherwise the official
    splits are used: a missing valid split is taken out of train by `split_of`, and for a missing test split the valid
    split is used, with a warning in the log. A record in none of the official splits is added to `problems`.
    """
    key = {id(record): record.person or record.group or record.name for record in records}
    random_split = {number: split_of(f"{source.name}/{own}") for number, own in key.items()}
    official = {record.split for record in records} - {None}
    if not official:
        return [record for record in records if random_split[id(record)] == split]
    for record in records:
        if record.split is None:
            problems.add(record.name, "it is in none of the splits, unlike other files")
    if split == "test" and "test" not in official:
        logger.warning("%s has no test split; its valid split is used as test", source.title)
        split = "valid"
    if split == "test" or "valid" in official:
        return [record for record in records if record.split == split]
    train = [record for record in records if record.split == "train"]
    return [record for record in train if (random_split[id(record)] == "valid") == (split == "valid")]


_SPLIT_WORDS = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "publictest"),
    "test": ("test", "testing", "privatetest"),
}


def split_named(folder: str) -> str | None:
    """The split named by a folder, or by its first word, or None.

    >>> split_named("Validation"), split_named("Train_Aligned_Faces"), split_named("happy")
    ('valid', 'train', None)
    """
    word = re.split(r"[_\W]", folder.lower())[0]
    return next((split for split, words in _SPLIT_WORDS.items() if word in words), None)


# ----------------------------------------------------------------------------------------------------- reading


def _read_all(records: Sequence[Record], size: int, channels: int, sequences: bool, folder: Path) -> None:
    """Write all images of the records as bytes, which records are usable, and the problems of the others."""
    frames = (len(records[0].files),) if records and sequences else ()
    shape = (len(records), *frames, channels, size, size)
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, shape)
    usable, problems = np.zeros(len(records), bool), Problems()
    with ThreadPoolExecutor() as pool:  # Pillow and OpenCV release the global interpreter lock
        read = pool.map(partial(_read, size=size, channels=channels), records)
        for i, (images, problem) in enumerate(tqdm(read, "reading pictures", len(records), disable=None)):
            if problem is None:
                pixels[i], usable[i] = images if sequences else images[0], True
            else:
                problems.add(*problem)
    pixels.flush()
    np.save(folder / "usable.npy", usable)
    np.save(folder / "problems.npy", problems.to_array())


def _read(record: Record, size: int, channels: int) -> tuple[np.ndarray | None, tuple[str, str] | None]:
    """The images of a record (T, C, size, size), or its problem as (where, what)."""
    try:
        matrix = None if (eyes := _eyes(record)) is None else alignment(eyes, size)
        return np.stack([_read_image(file, matrix, size, channels) for file in record.files]), None
    except ValueError as error:
        return None, (record.name, str(error))


def _read_image(file: Path | PackedPicture, matrix: np.ndarray | None, size: int, channels: int) -> np.ndarray:
    try:
        image = read_picture(file.content.tobytes() if isinstance(file, PackedPicture) else file, channels)
    except BadPicture as error:
        raise BadPicture(f"{file.name}: {error}") from None
    if matrix is None:
        return to_array(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))
    warped = warp(np.asarray(image), matrix, size)
    return warped[None] if channels == 1 else warped.transpose(2, 0, 1)


def _eyes(record: Record) -> np.ndarray | None:
    """The centres of the eyes (2, 2) by which a record is aligned, or None."""
    return record.eyes if record.landmarks is None else eyes_of(record.landmarks[0])


def _aligned_landmarks(record: Record, size: int) -> np.ndarray:
    return to_relative(record.landmarks, alignment(_eyes(record), size), size)


def _stamp(record: Record) -> list:
    """Everything that the bytes of a record depend on, as JSON values."""
    eyes = _eyes(record)
    return [[_stamp_of(file) for file in record.files], None if eyes is None else eyes.tolist()]


def _stamp_of(file: Path | PackedPicture) -> object:
    if isinstance(file, PackedPicture):
        return file.stamp
    return file_stamp(file) if file.exists() else str(file)


def _numbered(records: Sequence[Record], kept: Sequence[Record]) -> np.ndarray | None:
    """A number for each person, the same in every split, or None if all identities are unknown."""
    people = sorted({record.person for record in records if record.person is not None})
    if not people:
        return None
    number = {person: i for i, person in enumerate(people)}
    return np.array([number.get(record.person, -1) for record in kept])
