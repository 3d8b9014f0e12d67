"""FERG-DB: 55,767 rendered images of six cartoon characters, each with seven expressions.

Source  Aneja et al., *Modeling stylized character expressions via deep learning*, ACCV 2016.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from facekit.datasets.folder import of_emotion
from facekit.datasets.records import Record, split_of, tabulate
from facekit.datasets.sources import Problems, Source, first_existing
from facekit.datasets.stored import StoredFaces

CHARACTERS = ("aia", "bonnie", "jules", "malcolm", "mery", "ray")

# Six characters are too few for a random split. There are three women and three men; one of each is held out.
_SPLITS = {"aia": "train", "bonnie": "train", "jules": "train", "malcolm": "train", "mery": "valid", "ray": "test"}

SOURCE = Source(
    name="ferg",
    title="FERG-DB",
    address="https://grail.cs.washington.edu/projects/deepexpr/ferg-2d-db.html",
    terms="for research, by a form; the characters belong to their creators",
    layout="ferg/FERG_DB_256/<character>/<character>_<emotion>/*.png, such as aia/aia_joy/aia_joy_1.png",
)


class FERG(StoredFaces):
    """FERG-DB. Its domain is cartoon, and each character is a person.

    split       by character, with one held out for valid (mery) and one for test (ray); with `known_characters`, 10 %
                of the images of each character are valid and 10 % test
    path        the folder FERG_DB_256, or the folder that contains it; by default `data_home() / "ferg"`
    size        height and width in pixels; the original images have 256
    channels    3 for RGB, or 1 for greyscale
    known_characters    every character is in every split, as in the paper: to generate images of these six characters
    strict      raise `UnusableData` for the first unusable file, instead of adding it to `problems`

    Raises `DatasetMissing` if there is no folder of any character.
    """

    name = "ferg"
    source = SOURCE

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 64,
        channels: int = 3,
        known_characters: bool = False,
        strict: bool = False,
    ) -> None:
        root, problems = SOURCE.root(path), Problems(strict)
        home = first_existing(root, ("FERG_DB_256", ".")) or root
        records = list(_scan(home, known_characters, problems))
        if not records:
            raise SOURCE.missing(root, f"it has no folder of {', '.join(CHARACTERS)}")
        table = tabulate(SOURCE, records, split, size, channels, problems, domain="cartoon")
        problems.log(SOURCE.title)
        super().__init__(split, size, channels, table, problems)


def _scan(home: Path, known_characters: bool, problems: Problems) -> Iterator[Record]:
    for character in CHARACTERS:
        for folder in sorted((home / character).glob(f"{character}_*")):
            for file, label in of_emotion(home, folder, folder.name.removeprefix(f"{character}_"), problems):
                name = file.relative_to(home).as_posix()
                split = split_of(f"ferg/{name}") if known_characters else _SPLITS[character]
                yield Record((file,), name, label, person=character, split=split)
