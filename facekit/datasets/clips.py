"""Datasets of clips, folders of frames from neutral to the peak: as sequences, or as their first and last frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facekit.datasets.pictures import list_pictures
from facekit.datasets.records import Record, RecordedFaces
from facekit.datasets.sources import Problems
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


class ClipFaces(RecordedFaces):
    """The base class of datasets of clips. A subclass sets `name` and `source`, and implements `_clips`.

    frames   None for still images: the peak of each clip, and its first frame as neutral. T for sequences of T frames
             at equal distances from the first frame to the peak, whose intensity rises linearly; neutral clips are left
             out
    options  the others are those of `RecordedFaces`

    Splits are random, by person. The owners annotate no landmarks; systems that need them estimate them.
    """

    def __init__(self, split: str = "train", *, frames: int | None = None, **options) -> None:
        if frames is not None and frames < 2:
            raise ValueError(f"frames is {frames}; a sequence has at least 2, and None returns still images")
        self.sequences, self._frames = frames is not None, frames
        super().__init__(split, **options)

    def _records(self, root: Path, problems: Problems) -> Iterator[Record]:
        for clip in self._clips(root, problems):
            yield from _stills(clip) if self._frames is None else _sequence(clip, self._frames)

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
    yield Record(clip.files[:1], f"{clip.name}/{clip.files[0].name}", NEUTRAL, person=clip.person)
    if clip.label != NEUTRAL:
        yield Record(clip.files[-1:], f"{clip.name}/{clip.files[-1].name}", clip.label, person=clip.person)


def _sequence(clip: Clip, frames: int) -> Iterator[Record]:
    if clip.label == NEUTRAL:
        return
    chosen = np.linspace(0, len(clip.files) - 1, frames).round().astype(int)
    rise = {"intensity": np.linspace(0, 1, frames)}
    yield Record(tuple(clip.files[i] for i in chosen), clip.name, clip.label, person=clip.person, known=rise)
