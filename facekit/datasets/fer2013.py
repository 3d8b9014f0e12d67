"""FER-2013: 35,887 greyscale faces of 48 x 48 pixels from a web search, with noisy labels of seven emotions.

Source  Goodfellow et al., *Challenges in representation learning: A report on three machine learning contests*,
        ICONIP 2013.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from facekit.datasets.ferplus import VOTES, with_votes
from facekit.datasets.folder import by_emotion, label_of
from facekit.datasets.packed import packed_files, packed_records
from facekit.datasets.pixel_table import read_pixel_table
from facekit.datasets.records import Record, tabulate
from facekit.datasets.sources import Problems, Source, first_existing
from facekit.datasets.stored import StoredFaces

_FILES = tuple(f"{name}.csv{suffix}" for name in ("fer2013", "icml_face_data", "train") for suffix in ("", ".gz"))
LABELS = ("original", "ferplus")
"""The labels of the challenge, one for each face, or those of FER+ (Barsoum 2016), ten votes for each face."""

SOURCE = Source(
    name="fer2013",
    title="FER-2013",
    address="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    terms="data of a challenge, collected from the web, for research; the people in it did not give consent",
    layout="fer2013/fer2013.csv (or icml_face_data.csv, or the challenge's train.csv; each also with .gz)\n"
    "fer2013/fer2013new.csv beside it, for the labels of FER+\n"
    "fer2013/**/train-00000-of-00001.parquet or train-000000.tar (as Hugging Face serves it)\n"
    "fer2013/{train,test}/{angry,disgust,fear,happy,neutral,sad,surprise}/*.jpg",
)


class FER2013(StoredFaces):
    """FER-2013, from the original CSV file (in any layout, plain or gzipped), from folders of images, or from parquet
    or tar files.

    split       for a CSV file: train is Training, valid is PublicTest and test is PrivateTest; without PrivateTest
                rows, test is PublicTest, with a warning in the log. The challenge's train.csv names no usage: 10 % of
                its rows are valid and 10 % test, at random. For folders, see `records.in_split`
    path        the CSV file, or the folder that contains it or `train/angry`; by default `data_home() / "fer2013"`
    size        height and width in pixels; the original images have 48
    channels    1 for greyscale, or 3 for greyscale repeated
    labels      one of `LABELS`. With "ferplus", the emotion is the one with the most of ten votes, and the attribute
                `votes`, (E,), is the share of each of `EMOTIONS`; faces whose votes are tied, or say unknown or no
                face, are left out and counted in `problems`
    strict      raise `UnusableData` for the first unusable row, instead of adding it to `problems`

    Raises `DatasetMissing` if neither is found, or FER+ is not beside the CSV file.
    """

    name = "fer2013"
    source = SOURCE

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 48,
        channels: int = 1,
        labels: str = "original",
        strict: bool = False,
    ) -> None:
        if labels not in LABELS:
            raise ValueError(f"labels is {labels!r}; use one of {', '.join(LABELS)}")
        root, problems = SOURCE.root(path), Problems(strict)
        file = root if root.is_file() and not packed_files(root) else first_existing(root, _FILES)
        if labels == "ferplus" and not (file and (file.parent / VOTES).is_file()):
            raise SOURCE.missing(root, f"it has no {VOTES} beside the CSV file, which has the votes of FER+")
        if file:
            table = read_pixel_table(file, split, SOURCE, "fer2013", problems)
            if labels == "ferplus":
                table = with_votes(table, split, file.parent / VOTES, problems)
        elif records := _of_copy(root, problems):
            table = tabulate(SOURCE, records, split, size, channels, problems)
        else:
            raise SOURCE.missing(root, f"it contains none of {', '.join(_FILES)}, and no folders of pictures")
        problems.log(SOURCE.title)
        super().__init__(split, size, channels, table, problems)


def _of_copy(root: Path, problems: Problems) -> list[Record]:
    """The images of a copy: packed, or in folders by emotion."""
    if packed := packed_files(root):
        return packed_records(packed, problems, partial(label_of, codes=SOURCE.name))
    return list(by_emotion(root, problems))
