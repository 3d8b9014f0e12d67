"""CK+: 593 sequences of 123 people from neutral to the peak, coded in FACS; 327 of them have an emotion label.

Source  Lucey et al., *The extended Cohn-Kanade dataset (CK+): A complete dataset for action unit and
        emotion-specified expression*, CVPR Workshops 2010.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facekit.datasets.folder import by_emotion
from facekit.datasets.pictures import list_pictures
from facekit.datasets.pixel_table import read_pixel_table
from facekit.datasets.records import Record, tabulate
from facekit.datasets.sources import Problems, Source, first_existing
from facekit.datasets.stored import StoredFaces
from facekit.faces.action_units import ACTION_UNIT_COLUMNS, LETTERS, action_unit_columns
from facekit.faces.emotions import EMOTIONS, dataset_code_to_index

SOURCE = Source(
    name="ckplus",
    title="CK+",
    address="https://www.jeffcohn.net/Resources/",
    terms="for non-commercial research by members of a faculty, by a signed agreement; few of the people may be shown "
    "in print",
    layout="ckplus/cohn-kanade-images/S005/001/S005_001_00000001.png, ... (from neutral to the peak)\n"
    "ckplus/Emotion/S005/001/S005_001_00000011_emotion.txt (of the last frame; 327 sequences)\n"
    "ckplus/FACS/S005/001/S005_001_00000011_facs.txt\n"
    "ckplus/Landmarks/S005/001/S005_001_00000001_landmarks.txt, ...\n"
    "ckplus/{anger,contempt,disgust,fear,happy,sadness,surprise}/S010_004_00000017.png (48 x 48 pixels)\n"
    "ckplus/ckextended.csv (emotion, pixels, Usage; 48 x 48 pixels)",
)

# The folders in the official archives, and those of common copies.
_IMAGES = ("cohn-kanade-images", "extended-cohn-kanade-images/cohn-kanade-images")
_EMOTION = ("Emotion", "Emotion_labels/Emotion")
_PIXELS = "ckextended.csv"
_FACS = ("FACS", "FACS_labels/FACS")
_LANDMARKS = ("Landmarks/Landmarks", "Landmarks")

# Scores 1 to 5 are the letters of FACS. A score of 0 means that the unit is present without a score; like a FACS code
# without a letter, it counts as full intensity.
_INTENSITIES = dict(enumerate(LETTERS.values(), start=1)) | {0: LETTERS["E"]}

_UNSCORED = -1.0


class CKPlus(StoredFaces):
    """CK+, in its official layout, as folders of 48 x 48 pixel images by emotion, or as a table of such images.

    In the official layout, images are aligned by the eyes, action units are read from the FACS files, and the attribute
    `facs`, (A,), contains the scores of the FACS coders: 1 to 5, -1 for a unit that is present without a score, 0 for
    an absent unit. Units that are not in `ACTION_UNITS` are ignored. Without the folders `FACS` or `Landmarks`, these
    annotations are unknown.

    split       by person, at random; in a table by image, as its column Usage says
    path        the folder of cohn-kanade-images, of the folders by emotion, or of ckextended.csv, or that file; by
                default `data_home() / "ckplus"`
    size        height and width in pixels
    channels    1 for greyscale, or 3 (a few sequences are in colour)
    frames      None for still images: the peak of each sequence, and its first frame as neutral. T for sequences of T
                frames from the first frame to the peak; frames in between are not annotated, so that intensity and
                action units are interpolated linearly
    unlabelled  include the 266 sequences without an emotion, with label -1 (their peaks have action units)
    strict      raise `UnusableData` for the first unusable file, instead of adding it to `problems`

    Raises `DatasetMissing` if no layout is found, and `ValueError` for sequences from single images.
    """

    name = "ckplus"
    source = SOURCE

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 64,
        channels: int = 1,
        frames: int | None = None,
        unlabelled: bool = False,
        strict: bool = False,
    ) -> None:
        if frames is not None and frames < 2:
            raise ValueError(f"frames is {frames}; a sequence has at least 2, and None returns still images")
        root, problems = SOURCE.root(path), Problems(strict)
        images, pixels = first_existing(root, _IMAGES), root if root.is_file() else root / _PIXELS
        if images is None and frames is not None:
            raise ValueError(f"{root} has single pictures and no sequences; frames must be None")
        if images is None and pixels.is_file():
            table = read_pixel_table(pixels, split, SOURCE, "ckextended", problems)
        else:
            if images:
                records = _from_sequences(root, images, frames, unlabelled, problems)
            else:
                records = list(by_emotion(root, problems, person=r"(S\d{3})_"))
            if not records:
                raise SOURCE.missing(root, problems[0] if problems else "it contains no picture")
            table = tabulate(SOURCE, records, split, size, channels, problems, sequences=frames is not None)
        problems.log(SOURCE.title)
        super().__init__(split, size, channels, table, problems)


@dataclass(frozen=True)
class _Sequence:
    """One sequence from neutral to the peak, with its annotations."""

    person: str
    name: str
    files: tuple[Path, ...]
    label: int
    landmarks: np.ndarray | None  # (T, 68, 2)
    scores: np.ndarray | None  # (A,)


def _from_sequences(root: Path, images: Path, frames: int | None, unlabelled: bool, problems: Problems) -> list[Record]:
    records = []
    for folder in sorted(path for path in images.glob("*/*") if path.is_dir()):
        try:
            sequence = _sequence(root, folder)
        except ValueError as error:
            problems.add(folder.relative_to(root).as_posix(), error)
            continue
        if sequence.label >= 0 or unlabelled:
            records += [_sampled(sequence, frames)] if frames else _stills(sequence)
    return records


def _sequence(root: Path, folder: Path) -> _Sequence:
    files = tuple(list_pictures(folder))
    if not files:
        raise ValueError("the folder contains no picture")
    person, number = folder.parent.name, folder.name
    return _Sequence(
        person=person,
        name=f"{person}/{number}",
        files=files,
        label=_label(root, files[-1], person, number),
        landmarks=_landmarks(root, files, person, number),
        scores=_scores(root, files[-1], person, number),
    )


def _stills(sequence: _Sequence) -> Iterator[Record]:
    yield _record(sequence, [0], EMOTIONS.index("neutral"), np.zeros(1))
    yield _record(sequence, [len(sequence.files) - 1], sequence.label, np.ones(1))


def _sampled(sequence: _Sequence, frames: int) -> Record:
    chosen = np.linspace(0, len(sequence.files) - 1, frames).round().astype(int)
    return _record(sequence, chosen.tolist(), sequence.label, np.linspace(0, 1, frames))


def _record(sequence: _Sequence, chosen: list[int], label: int, rise: np.ndarray) -> Record:
    """Chosen frames of a sequence; `rise` (T,) is the intensity of each relative to the peak."""
    still = len(chosen) == 1
    known, attributes = {}, {}
    if not still:
        known["intensity"] = rise
    if sequence.scores is not None:
        units = rise[:, None] * _intensities(sequence.scores)
        known["action_units"] = units[0] if still else units
        attributes["facs"] = sequence.scores * (rise[-1] > 0)
    return Record(
        tuple(sequence.files[i] for i in chosen),
        f"{sequence.name}/{sequence.files[chosen[-1]].name}" if still else sequence.name,
        label,
        person=sequence.person,
        landmarks=None if sequence.landmarks is None else sequence.landmarks[chosen],
        known=known,
        attributes=attributes,
    )


# ------------------------------------------------------------------------------------------------- text files


def _label(root: Path, peak: Path, person: str, number: str) -> int:
    """The emotion of a sequence as an index, or -1 for one of the 266 without a label."""
    home = first_existing(root, _EMOTION)
    file = home / person / number / f"{peak.stem}_emotion.txt" if home else None
    if file is None or not file.exists():
        return -1
    values = _numbers(file, columns=1)
    if values.shape[0] != 1:
        raise ValueError(f"{file.name} holds {values.shape[0]} labels; it must hold one")
    return dataset_code_to_index(SOURCE.name, int(values[0, 0]))


def _landmarks(root: Path, files: tuple[Path, ...], person: str, number: str) -> np.ndarray | None:
    home = first_existing(root, _LANDMARKS)
    if home is None:
        return None
    places = [_numbers(home / person / number / f"{file.stem}_landmarks.txt", columns=2) for file in files]
    if bad := [file.name for file, place in zip(files, places, strict=True) if len(place) != 68]:
        raise ValueError(f"the landmarks of {bad[0]} are not 68 points")
    return np.stack(places)


def _scores(root: Path, peak: Path, person: str, number: str) -> np.ndarray | None:
    """FACS scores by column (A,): 1 to 5, `_UNSCORED` for a unit that is present without a score, 0 if absent."""
    home = first_existing(root, _FACS)
    if home is None:
        return None
    scores = np.zeros(len(ACTION_UNIT_COLUMNS))
    file = home / person / number / f"{peak.stem}_facs.txt"
    for unit, score in _numbers(file, columns=2):
        if score not in _INTENSITIES:
            raise ValueError(f"{file.name}: unit {unit:g} has the score {score:g}; scores are 0 to 5")
        try:
            columns = action_unit_columns(int(unit))
        except ValueError:
            continue  # a unit that is not in `ACTION_UNITS`
        scores[list(columns)] = score or _UNSCORED
    return scores


def _intensities(scores: np.ndarray) -> np.ndarray:
    """Intensities (A,) in [0, 1] of FACS scores."""
    present = np.vectorize(lambda score: _INTENSITIES[max(score, 0)])(scores)
    return np.where(scores == 0, 0.0, present)


def _numbers(file: Path, columns: int) -> np.ndarray:
    """The numbers in a text file, (rows, columns); an empty file has no rows."""
    if not file.exists():
        raise ValueError(f"there is no {file.name}")
    try:
        rows = [[float(word) for word in line.split()] for line in file.read_text().splitlines() if line.strip()]
    except ValueError as error:
        raise ValueError(f"{file.name} contains text that is not a number ({error})") from None
    if any(len(row) != columns for row in rows):
        raise ValueError(f"{file.name} must have {columns} numbers in each line")
    return np.array(rows).reshape(-1, columns)
