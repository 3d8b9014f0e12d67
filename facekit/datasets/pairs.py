"""People who each look at rest in one picture and smile in another: real people with a true answer to one edit."""

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
_SHOWN = ("neutral", "happy")

SOURCE = Source(
    name="pairs",
    title="pairs of a person at rest and smiling",
    address="https://github.com/muxspace/facial_expressions, of which the people who have both were taken; or you",
    terms="Apache-2.0 there; your own as the people in them agreed to",
    layout="pairs/<person>/neutral.png and happy.png (or .jpg, ...)\n"
    "pairs/*.zip, one archive with the folders of all people",
)


class NeutralHappyPairs(StoredFaces):
    """Real people, each neutral and happy, in this order: faces 2 i and 2 i + 1 are of one person.

    split       "test": all people are in it, as they are there to measure with
    path        the folder of the people's folders, or a zip archive of them; by default `data_home() / "pairs"`,
                with the people's folders or one archive in it
    size        height and width in pixels; the middle square of each picture is kept with 64
    channels    1, or 3 for the same grey three times
    strict      raise `UnusableData` at the first person who cannot be used, instead of listing it in `problems`

    Raises `DatasetMissing` where there is no person with both pictures, and `EmptySplit` for another split.
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
            raise EmptySplit(f"{SOURCE.title} are for measuring: all are in split 'test', and none in {split!r}")
        people = dict(_people(_opened(root), problems))
        if not people:
            raise SOURCE.missing(
                root, problems[0] if problems else "no folder in it holds a neutral and a happy picture"
            )
        problems.log(SOURCE.title)
        count = 2 * len(people)
        table = Table(
            pixels=np.concatenate(list(people.values())),
            rows=np.arange(count),
            labels=np.array([emotion_index(name) for name in _SHOWN] * len(people)),
            names=[f"{person}/{shown}" for person in people for shown in _SHOWN],
            persons=np.arange(count) // 2,
            known={"domain": np.full(count, DOMAINS.index("photo"))},
        )
        super().__init__(split, size, channels, table, problems)


def _opened(root: Path) -> Path | zipfile.Path:
    """The folder of the people's folders, on the disk or in an archive."""
    archives = sorted(root.glob("*.zip")) if root.is_dir() else [root]
    if not archives:
        return root
    try:
        return zipfile.Path(archives[0])
    except zipfile.BadZipFile as error:
        raise SOURCE.missing(archives[0], f"it cannot be read as a zip archive ({error})") from None


def _people(root: Path | zipfile.Path, problems: Problems) -> Iterator[tuple[str, np.ndarray]]:
    """Each person's name and pictures (2, 1, _SIDE, _SIDE), in the order of `_SHOWN`."""
    for folder in sorted(root.iterdir(), key=lambda path: path.name):
        if not folder.is_dir() or folder.name.startswith((".", "__")):  # macOS adds __MACOSX to archives
            continue
        files = {Path(f.name).stem.lower(): f for f in folder.iterdir() if _is_picture(f)}
        if absent := [shown for shown in _SHOWN if shown not in files]:
            problems.add(f"{folder.name}/", f"there is no picture named {' or '.join(absent)}")
            continue
        try:
            yield folder.name, np.stack([_read(files[shown]) for shown in _SHOWN])
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
