"""Datasets of clips, folders of frames from neutral to the peak: as sequences, or as their first and last frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from facekit.datasets.pictures import list_pictures
from facekit.datasets.records import Record, tabulate
from facekit.datasets.sources import Problems, Source
from facekit.datasets.stored import StoredFaces
from facekit.faces.emotions import NEUTRAL, emotion_index


@dataclass(frozen=True)
class Clip:
    """The frames of a person's expression, from neutral to the peak.

    label  index into `EMOTIONS`
    """

    person: str
    name: str
    files: tuple[Path, ...]
    label: int


class ClipFaces(StoredFaces):
    """The base class of datasets of clips. A subclass sets `name` and `source`, and implements `_clips`.

    split     by person, at random
    path      the folder; by default the one with the dataset's name in `data_home()`
    size      height and width in pixels
    channels  3 for RGB, or 1 for greyscale
    frames    None for still images: the peak of each clip, and its first frame as neutral. T for sequences of T frames
              at equal distances from the first frame to the peak, whose intensity rises linearly; neutral clips are
              left out
    strict    raise `UnusableData` for the first unusable file or folder, instead of adding it to `problems`

    The owners annotate no landmarks; systems that need them estimate them. Raises `DatasetMissing` if there is no
    usable clip.
    """

    source: ClassVar[Source]

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 64,
        channels: int = 3,
        frames: int | None = None,
        strict: bool = False,
    ) -> None:
        if frames is not None and frames < 2:
            raise ValueError(f"frames is {frames}; a sequence has at least 2, and None returns still images")
        root, problems = self.source.root(path), Problems(strict)
        records = [
            record
            for clip in self._clips(root, problems)
            for record in (_stills(clip) if frames is None else _sequence(clip, frames))
        ]
        if not records:
            raise self.source.missing(root, problems[0] if problems else "it contains no clip")
        table = tabulate(self.source, records, split, size, channels, problems, sequences=frames is not None)
        problems.log(self.source.title)
        super().__init__(split, size, channels, table, problems)

    def _clips(self, root: Path, problems: Problems) -> Iterable[Clip]:
        """The clips below a folder."""
        raise NotImplementedError


def read_clip(root: Path, folder: Path, person: str, emotion: str, to_peak: float = 1.0) -> Clip:
    """The clip in a folder of frames, of which the first share `to_peak` leads to the peak.

    Raises `ValueError` for a folder with fewer than two frames or an unknown emotion.
    """
    files = list(list_pictures(folder))
    if len(files) < 2:
        raise ValueError(f"a clip has at least two pictures, and this one has {len(files)}")
    last = max(2, round(len(files) * to_peak))
    return Clip(person, folder.relative_to(root).as_posix(), tuple(files[:last]), emotion_index(emotion))


def _stills(clip: Clip) -> Iterator[Record]:
    neutral = Record(clip.files[:1], f"{clip.name}/{clip.files[0].name}", NEUTRAL, person=clip.person)
    yield neutral
    if clip.label != NEUTRAL:
        yield Record(clip.files[-1:], f"{clip.name}/{clip.files[-1].name}", clip.label, person=clip.person)


def _sequence(clip: Clip, frames: int) -> Iterator[Record]:
    if clip.label == NEUTRAL:
        return
    chosen = np.linspace(0, len(clip.files) - 1, frames).round().astype(int)
    rise = {"intensity": np.linspace(0, 1, frames)}
    yield Record(tuple(clip.files[i] for i in chosen), clip.name, clip.label, person=clip.person, known=rise)
