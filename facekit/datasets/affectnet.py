"""AffectNet: about 290,000 faces from the web, each with one of eight emotions, valence, arousal and 68 landmarks.

Source  Mollahosseini, Hasani & Mahoor, *AffectNet: A database for facial expression, valence, and arousal computing
        in the wild*, IEEE Transactions on Affective Computing 10(1), 2019.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from facekit.datasets.cache import cached_arrays, folder_stamp
from facekit.datasets.folder import by_emotion, listed
from facekit.datasets.records import Record, tabulate
from facekit.datasets.sources import Problems, Source, first_existing, inside
from facekit.datasets.stored import StoredFaces
from facekit.faces.emotions import dataset_code_to_index

_VERSION = 1  # of the cached annotations: increase it when the same files are interpreted differently

# The test set was never published; papers report results on the validation set.
_FOLDERS = {"train_set": "train", "val_set": "test"}
_LISTS = {"training.csv": "train", "validation.csv": "test"}
_IMAGES = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images", ".")
_LIST_HOMES = ("Manually_Annotated_file_lists", ".")
_COLUMNS = ("subDirectory_filePath", "facial_landmarks", "expression", "valence", "arousal")

SOURCE = Source(
    name="affectnet",
    title="AffectNet",
    address="http://mohammadmahoor.com/pages/databases/affectnet/",
    terms="for research, by an agreement signed by a professor or head of a laboratory; students apply through them",
    layout="affectnet/{train_set,val_set}/images/0.jpg with annotations/0_exp.npy, 0_val.npy, 0_aro.npy, 0_lnd.npy\n"
    "affectnet/{training,validation}.csv (or in Manually_Annotated_file_lists/) with Manually_Annotated_Images/\n"
    "affectnet/{train,val}/{0,...,7}/*.jpg (copies), or labels.csv with the columns pth and label",
)


class AffectNet(StoredFaces):
    """AffectNet, with annotations in npy files (the later release) or in tables (the first release), or a copy in
    folders that are numbered by emotion.

    Images are aligned by the eyes, except those of copies, which are cropped already. Attributes: `valence` and
    `arousal`, -1 to 1, except in copies. Images annotated as none, uncertain or no face (codes 8 to 10) are left out.

    split       test is the official validation set (the test set is not public); valid is 10 % of the training set.
                Copies without folders of splits are split at random
    path        the folder of `train_set` and `val_set`, of `training.csv`, or of the numbered folders; by default
                `data_home() / "affectnet"`
    size        height and width in pixels
    channels    3 for RGB, or 1 for greyscale
    strict      raise `UnusableData` for the first unusable file or row, instead of adding it to `problems`

    Raises `DatasetMissing` if none of them is found.
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
        if not records and not problems:
            records = _of_copy(root, problems)
        if not records:
            raise SOURCE.missing(root, problems[0] if problems else "it has neither train_set nor training.csv")
        table = tabulate(SOURCE, records, split, size, channels, problems)
        problems.log(SOURCE.title)
        super().__init__(split, size, channels, table, problems)


def _of_copy(root: Path, problems: Problems) -> list[Record]:
    """The images of a copy: listed in labels.csv, or in folders numbered or named by emotion."""
    table = root / "labels.csv"
    found = listed(table, problems, SOURCE.name) if table.is_file() else by_emotion(root, problems, codes=SOURCE.name)
    records = list(found)
    if any(record.split == "test" for record in records):
        return records
    return [replace(record, split="test" if record.split == "valid" else record.split) for record in records]


@dataclass(frozen=True)
class _Notes:
    """The annotations of one image."""

    label: int  # index into EMOTIONS, or -1 for a code that is not an emotion
    valence: float
    arousal: float
    landmarks: np.ndarray  # (136,) x and y alternating, in pixels


def _notes(exp: np.ndarray, val: np.ndarray, aro: np.ndarray, lnd: np.ndarray) -> _Notes:
    """Check the annotations of one image; if its code is not an emotion, the others are not checked."""
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
    """The later release: four small arrays for each image, of numbers or of text."""
    annotations = folder / "annotations"
    if not annotations.is_dir():
        return
    # Reading a million small files takes minutes; checking them for changes takes seconds.
    key = [_VERSION, folder_stamp(annotations)]
    stored = cached_arrays(f"{SOURCE.name}-notes", key, partial(_gather, root, annotations))
    problems.add_array(stored["problems"])
    for i, number in enumerate(stored["number"].tolist()):
        notes = _Notes(*(stored[name][i].item() for name in ("label", "valence", "arousal")), stored["landmarks"][i])
        yield _record(root, folder / "images" / f"{number}.jpg", _FOLDERS[folder.name], notes)


def _gather(root: Path, annotations: Path, out: Path) -> None:
    """Gather the small files of all images with an emotion into a few large arrays."""
    numbers, notes, problems = [], [], Problems()
    for file in tqdm(sorted(annotations.glob("*_exp.npy")), "reading annotations", disable=None):
        number = file.name.removesuffix("_exp.npy")
        try:
            note = _notes(*(_array(annotations / f"{number}_{kind}.npy") for kind in ("exp", "val", "aro", "lnd")))
        except ValueError as error:
            problems.add(file.relative_to(root).as_posix(), error)
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
    """The first release: one table, with landmarks as text x;y;x;y."""
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
    """Expression, valence, arousal and landmarks of a row as numbers."""
    for column in ("expression", "valence", "arousal"):
        try:
            yield np.array(float(row[column]))
        except (TypeError, ValueError):
            raise ValueError(f"{column} is {row[column]!r}; it must be a number") from None
    try:
        yield np.array([float(value) for value in (row["facial_landmarks"] or "").split(";")])
    except ValueError as error:
        raise ValueError(f"facial_landmarks are not numbers ({error})") from None
