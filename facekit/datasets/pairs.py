"""Pairs of a neutral and a happy photograph of the same person: real ground truth for one edit."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from facekit.datasets.pictures import PICTURE_SUFFIXES, BadPicture, read_picture, to_array
from facekit.datasets.sources import EmptySplit, Problems, Source
from facekit.datasets.stored import StoredFaces, Table
from facekit.faces.emotions import emotion_index
from facekit.faces.parts import DOMAINS

_SIDE = 64
_EMOTIONS = ("neutral", "happy")

SOURCE = Source(
    name="pairs",
    title="pairs of a neutral and a happy person",
    address="https://github.com/muxspace/facial_expressions (the people with both expressions), or your own pictures",
    terms="Apache-2.0; for your own pictures, the consent of the people in them",
    layout="pairs/<person>/neutral.png and happy.png (or .jpg, ...)\n"
    "pairs/*.zip, one archive with the folders of all people",
)


class NeutralHappyPairs(StoredFaces):
    """Photographs of people, each neutral and happy, in this order: faces 2 i and 2 i + 1 show the same person.

    split       "test", which contains all people, because the dataset serves evaluation only
    path        the folder that contains a folder for each person, or a zip archive of it; by default
                `data_home() / "pairs"`, which contains these folders or one archive
    size        height and width in pixels; the central square of each image is stored with 64 x 64 pixels
    channels    1 for greyscale, or 3 for greyscale repeated
    strict      raise `UnusableData` for the first person who cannot be used, instead of adding to `problems`

    Raises `DatasetMissing` if no person has both images, and `EmptySplit` for another split.
    """

    name = "pairs"
    source = SOURCE

    def __init__(
        self,
        split: str = "test",
        *,
        path: str | os.PathLike | None = None,
        size: int = 64,
        channels: int = 1,
        strict: bool = False,
    ) -> None:
        root, problems = SOURCE.root(path), Problems(strict)
        if split != "test":
            raise EmptySplit(f"{SOURCE.title} serve evaluation only: all are in split 'test', and none in {split!r}")
        people = dict(_people(_opened(root), problems))
        if not people:
            raise SOURCE.missing(
                root, problems[0] if problems else "no folder in it contains a neutral and a happy picture"
            )
        problems.log(SOURCE.title)
        count = 2 * len(people)
        table = Table(
            pixels=np.concatenate(list(people.values())),
            rows=np.arange(count),
            labels=np.array([emotion_index(name) for name in _EMOTIONS] * len(people)),
            names=[f"{person}/{emotion}" for person in people for emotion in _EMOTIONS],
            persons=np.arange(count) // 2,
            known={"domain": np.full(count, DOMAINS.index("photo"))},
        )
        super().__init__(split, size, channels, table, problems)


def _opened(root: Path) -> Path | zipfile.Path:
    """The folder that contains a folder for each person, on disk or in an archive."""
    archives = sorted(root.glob("*.zip")) if root.is_dir() else [root]
    if not archives:
        return root
    try:
        return zipfile.Path(archives[0])
    except zipfile.BadZipFile as error:
        raise SOURCE.missing(archives[0], f"it cannot be read as a zip archive ({error})") from None


def _people(root: Path | zipfile.Path, problems: Problems) -> Iterator[tuple[str, np.ndarray]]:
    """Name and images (2, 1, _SIDE, _SIDE) of each person, in the order of `_EMOTIONS`."""
    for folder in sorted(root.iterdir(), key=lambda path: path.name):
        if not folder.is_dir() or folder.name.startswith((".", "__")):  # macOS adds __MACOSX to archives
            continue
        files = {Path(f.name).stem.lower(): f for f in folder.iterdir() if _is_picture(f)}
        if absent := [emotion for emotion in _EMOTIONS if emotion not in files]:
            problems.add(f"{folder.name}/", f"there is no picture named {' or '.join(absent)}")
            continue
        try:
            yield folder.name, np.stack([_read(files[emotion]) for emotion in _EMOTIONS])
        except BadPicture as error:
            problems.add(f"{folder.name}/", error)


def _is_picture(file: Path | zipfile.Path) -> bool:
    return Path(file.name).suffix.lower() in PICTURE_SUFFIXES and not file.name.startswith(".")


def _read(file: Path | zipfile.Path) -> np.ndarray:
    try:
        image = read_picture(file.read_bytes(), channels=1)
    except (BadPicture, zipfile.BadZipFile) as error:
        raise BadPicture(f"{file.name}: {error}") from None
    return to_array(ImageOps.fit(image, (_SIDE, _SIDE), Image.Resampling.BICUBIC))
