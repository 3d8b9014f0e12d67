"""AffectNet: some 290,000 faces from the web with one of eight emotions, valence, arousal and 68 landmarks each.

Source  Mollahosseini, Hasani & Mahoor, *AffectNet: A database for facial expression, valence, and arousal computing
        in the wild*, IEEE Transactions on Affective Computing 10(1), 2019.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from facekit.datasets.cache import cached_arrays, folder_stamp
from facekit.datasets.records import Record, tabulate
from facekit.datasets.sources import Problems, Source, first_existing, inside
from facekit.datasets.stored import StoredFaces
from facekit.faces.emotions import dataset_code_to_index

_VERSION = 1  # of the cached annotations: raise it when the same files are understood otherwise

# The owners never published a test set: results in papers are on their validation set.
_FOLDERS = {"train_set": "train", "val_set": "test"}
_LISTS = {"training.csv": "train", "validation.csv": "test"}
_IMAGES = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images", ".")
_LIST_HOMES = ("Manually_Annotated_file_lists", ".")
_COLUMNS = ("subDirectory_filePath", "facial_landmarks", "expression", "valence", "arousal")

SOURCE = Source(
    name="affectnet",
    title="AffectNet",
    address="http://mohammadmahoor.com/pages/databases/affectnet/",
    terms="for research, by an agreement that a professor or the head of a laboratory signs; students ask through them",
    layout="affectnet/{train_set,val_set}/images/0.jpg with annotations/0_exp.npy, 0_val.npy, 0_aro.npy, 0_lnd.npy\n"
    "affectnet/{training,validation}.csv (or in Manually_Annotated_file_lists/) with Manually_Annotated_Images/",
)


class AffectNet(StoredFaces):
    """AffectNet, with its annotations as npy files (the owners' later form) or as tables (their first).

    Pictures are aligned by the eyes of their landmarks. Attributes: `valence` and `arousal`, -1 to 1. Rows that the
    annotators called no emotion, uncertain or no face (codes 8 to 10) are not faces with a label and are not taken.

    split       test is the owners' validation set (they published no other); valid is one in ten of their training set
    path        the folder of `train_set` and `val_set`, or of `training.csv`; by default `data_home() / "affectnet"`
    size        height and width in pixels
    channels    3 for colour, or 1 for grey
    strict      raise `UnusableData` at the first bad file or row, instead of leaving it out and listing it in
                `problems`

    Raises `DatasetMissing` where neither form is there.
    """

    name = "affectnet"
    source = SOURCE

    def __init__(
        self,
        split: str = "train",
        *,
        path: str | os.PathLike | None = None,
        size: int = 64,
        channels: int = 3,
        strict: bool = False,
    ) -> None:
        root, problems = SOURCE.root(path), Problems(strict)
        sets = {folder: root / folder for folder in _FOLDERS if (root / folder).is_dir()}
        lists = first_existing(root, _LIST_HOMES)
        records = [record for folder in sets.values() for record in _from_arrays(root, folder, problems)]
        if not records:
            for name, owner in _LISTS.items():
                if (lists / name).is_file():
                    records += _from_table(root, lists / name, owner, problems)
        if not records:
            raise SOURCE.missing(root, problems[0] if problems else "it has neither train_set nor training.csv")
        table = tabulate(SOURCE, records, split, size, channels, problems)
        problems.log(SOURCE.title)
        super().__init__(split, size, channels, table, problems)


@dataclass(frozen=True)
class _Notes:
    """What the annotators said of one picture."""

    label: int  # index into EMOTIONS, or -1 for a code that is no emotion
    valence: float
    arousal: float
    landmarks: np.ndarray  # (136,) x and y by turns, in pixels


def _notes(exp: np.ndarray, val: np.ndarray, aro: np.ndarray, lnd: np.ndarray) -> _Notes:
    """The annotations of one picture, checked; of a code that is no emotion nothing else counts."""
    label = dataset_code_to_index(SOURCE.name, int(exp))
    if label >= 0:
        if lnd.size != 136 or not np.isfinite(lnd).all():
            raise ValueError(f"there are {lnd.size} landmark coordinates; there must be 136 finite ones")
        for what, value in (("valence", val), ("arousal", aro)):
            if not -1 <= value <= 1:
                raise ValueError(f"{what} is {value}; it must lie in [-1, 1]")
    return _Notes(label, float(val), float(aro), lnd)


def _record(root: Path, image: Path, split: str, notes: _Notes) -> Record:
    return Record(
        (image,),
        image.relative_to(root).as_posix(),
        notes.label,
        split=split,
        landmarks=notes.landmarks.reshape(1, 68, 2),
        attributes={"valence": notes.valence, "arousal": notes.arousal},
    )


# -------------------------------------------------------------------------------------------------- as arrays


def _from_arrays(root: Path, folder: Path, problems: Problems) -> Iterator[Record]:
    """The later form: four small arrays a picture, of numbers or of numbers written as text."""
    annotations = folder / "annotations"
    if not annotations.is_dir():
        return
    # A million small files take minutes to read, and seconds to look for changes.
    key = [_VERSION, folder_stamp(annotations)]
    stored = cached_arrays(f"{SOURCE.name}-notes", key, partial(_gather, root, annotations))
    problems.add_array(stored["problems"])
    for i, number in enumerate(stored["number"].tolist()):
        notes = _Notes(*(stored[name][i].item() for name in ("label", "valence", "arousal")), stored["landmarks"][i])
        yield _record(root, folder / "images" / f"{number}.jpg", _FOLDERS[folder.name], notes)


def _gather(root: Path, annotations: Path, out: Path) -> None:
    """Write what all the small files say, but for pictures without an emotion, as few large arrays."""
    numbers, notes, problems = [], [], Problems()
    for said in tqdm(sorted(annotations.glob("*_exp.npy")), "reading annotations", disable=None):
        number = said.name.removesuffix("_exp.npy")
        try:
            note = _notes(*(_array(annotations / f"{number}_{kind}.npy") for kind in ("exp", "val", "aro", "lnd")))
        except ValueError as error:
            problems.add(said.relative_to(root).as_posix(), error)
            continue
        if note.label >= 0:
            numbers.append(number)
            notes.append(note)
    np.save(out / "number.npy", np.array(numbers, np.str_))
    for name in ("label", "valence", "arousal"):
        np.save(out / f"{name}.npy", np.array([getattr(note, name) for note in notes]))
    np.save(out / "landmarks.npy", np.array([note.landmarks for note in notes]).reshape(-1, 136))
    np.save(out / "problems.npy", problems.to_array())


def _array(file: Path) -> np.ndarray:
    try:
        return np.load(file, allow_pickle=False).astype(np.float64)
    except FileNotFoundError:
        raise ValueError(f"there is no {file.name}") from None
    except (OSError, EOFError) as error:
        raise ValueError(f"{file.name} is damaged ({error})") from None


# -------------------------------------------------------------------------------------------------- as tables


def _from_table(root: Path, table: Path, split: str, problems: Problems) -> Iterator[Record]:
    """The first form: one table, landmarks as text x;y;x;y."""
    images = first_existing(root, _IMAGES)
    with table.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        if missing := set(_COLUMNS) - set(rows.fieldnames or ()):
            problems.add(table.name, f"there is no column {' or '.join(sorted(missing))}; it has {rows.fieldnames}")
            return
        for row in rows:
            try:
                file, notes = inside(images, row["subDirectory_filePath"] or ""), _notes(*_values(row))
            except ValueError as error:
                problems.add(f"{table.name}:{rows.line_num}", error)
                continue
            if notes.label >= 0:
                yield _record(root, file, split, notes)


def _values(row: Mapping[str, str | None]) -> Iterator[np.ndarray]:
    """Expression, valence, arousal and landmarks of a row, as numbers."""
    for column in ("expression", "valence", "arousal"):
        try:
            yield np.array(float(row[column]))
        except (TypeError, ValueError):
            raise ValueError(f"{column} is {row[column]!r}; it must be a number") from None
    try:
        yield np.array([float(value) for value in (row["facial_landmarks"] or "").split(";")])
    except ValueError as error:
        raise ValueError(f"facial_landmarks are not numbers ({error})") from None
