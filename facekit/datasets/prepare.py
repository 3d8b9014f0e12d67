"""Photographs made ready: each face found, set upright with its eyes in their place, cropped, and made small."""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from tqdm.auto import tqdm

from facekit.datasets.alignment import alignment, to_relative, warp
from facekit.datasets.detection import FaceFinder
from facekit.datasets.pictures import BadPicture, list_pictures, read_picture, to_array
from facekit.faces.faces import Faces, from_uint8
from facekit.workspace.files import atomic_path, sha256

_VERSION = 1  # raise it when the same picture comes out otherwise

REPORT = "report.csv"
"""The file in a prepared folder that says what became of each picture."""


class NoFace(BadPicture):
    """A picture in which no face was found."""


class SeveralFaces(BadPicture):
    """A picture in which several faces were found, where one was asked for."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A face made ready.

    image      size x size pixels, mode "L" or "RGB"
    count      faces in the picture; this is the largest
    by         what it was aligned by: "landmarks", "eyes", or "box" where the eyes could only be guessed
    scale      pixels of `image` to one of the picture; above 1 the face was enlarged, and is blurred
    landmarks  (68, 2) from -1 to 1 across `image`, or None
    """

    image: Image.Image
    count: int
    by: str
    scale: float
    landmarks: np.ndarray | None = None

    @property
    def faces(self) -> Faces:
        """The face as a record of one, for `edit`."""
        landmarks = None if self.landmarks is None else torch.from_numpy(self.landmarks).float()[None]
        return Faces(from_uint8(torch.from_numpy(to_array(self.image)))[None], landmarks=landmarks)


def prepare_picture(
    image: str | os.PathLike | bytes | Image.Image,
    size: int = 64,
    *,
    channels: int = 3,
    several: str = "largest",
    finder: FaceFinder | None = None,
) -> Prepared:
    """The face in a picture, upright, the eyes at `EYE_HEIGHT` and `EYE_DISTANCE`, in size x size pixels.

    image      a file's path, its bytes, or an open picture; anything that a person may upload
    channels   3 for colour, 1 for grey
    several    what to do where there are several faces: take the "largest", or "refuse"
    finder     what finds the face; OpenCV's cascades by default

    Raises `BadPicture` for what is no picture, is damaged or is too large, `NoFace` and `SeveralFaces` (both are
    `BadPicture`s); the message is a sentence for the person who gave the picture.
    """
    if several not in ("largest", "refuse"):
        raise ValueError(f"several is {several!r}; use 'largest' or 'refuse'")
    picture = read_picture(image)
    pixels = np.asarray(picture)
    found = (finder or _default_finder()).find(pixels)
    if not found:
        raise NoFace("no face was found in the picture; it must be seen from the front, and not be covered")
    if len(found) > 1 and several == "refuse":
        raise SeveralFaces(f"there are {len(found)} faces in the picture; crop it to the one that is meant")
    face = found[0]
    matrix = alignment(face.eyes, size)
    return Prepared(
        image=Image.fromarray(warp(pixels, matrix, size)).convert("L" if channels == 1 else "RGB"),
        count=len(found),
        by=face.by,
        scale=float(np.linalg.norm(matrix[:, 0])),
        landmarks=None if face.landmarks is None else to_relative(face.landmarks, matrix, size),
    )


@functools.cache
def _default_finder() -> FaceFinder:
    return FaceFinder()


# ----------------------------------------------------------------------------------------------- whole folders


@dataclass(frozen=True)
class Outcome:
    """What became of one picture: a row of the report.

    picture   its path under the folder
    problem   why it could not be used, or empty
    by, faces, scale    as in `Prepared`; `by` is empty where there is a problem
    stamp     size and time of change of the picture, and the settings: with the same, it is not prepared again
    """

    picture: str
    problem: str = ""
    by: str = ""
    faces: int = 0
    scale: float = 0.0
    stamp: str = ""


@dataclass(frozen=True)
class Preparation:
    """What became of a folder of pictures; `print` it, or see `report.csv` in the prepared folder.

    outcomes   one a picture, by name
    looked_at  how many of them were worked on in this run; the others were done before
    """

    outcomes: tuple[Outcome, ...]
    looked_at: int

    @property
    def unusable(self) -> list[Outcome]:
        """The pictures that could not be used, and why."""
        return [outcome for outcome in self.outcomes if outcome.problem]

    def __str__(self) -> str:
        good = len(self.outcomes) - len(self.unusable)
        guessed = sum(outcome.by == "box" for outcome in self.outcomes)
        enlarged = sum(outcome.scale > 1 for outcome in self.outcomes)
        lines = [
            f"{good} of {len(self.outcomes)} pictures prepared; looked at now: {self.looked_at}",
            f"  {guessed} aligned by the face's outline alone, for the eyes were not seen",
            f"  {enlarged} enlarged, and so blurred",
            f"{len(self.unusable)} not usable",
        ]
        return "\n".join(lines + [f"  {outcome.picture}: {outcome.problem}" for outcome in self.unusable])


def prepare_folder(
    source: str | os.PathLike,
    out: str | os.PathLike,
    size: int = 64,
    *,
    channels: int = 3,
    several: str = "largest",
    network: str | os.PathLike | None = None,
    workers: int | None = None,
) -> Preparation:
    """Prepare every picture in a folder and the folders in it, into PNGs of the same names under another folder.

    `report.csv` in `out` tells of every picture. When run again, what is done and unchanged is skipped, also where
    it stopped half-way; what could not be used is tried again only after it, or a setting, has changed.

    network    an ONNX file of 68 landmarks, as for `FaceFinder`
    workers    processes at once; by default one a core, and 1 works in this process

    Raises `FileNotFoundError` where there is no such folder or no picture in it, and `ValueError` where `out` lies in
    `source`.
    """
    source, out = Path(source), Path(out)
    files, rivals = _sources(source, out)
    worker = _Worker(source, out, size, channels, several, None if network is None else Path(network))
    known = {o.picture: o for o in _read_report(out / REPORT) if worker.is_done(o)}
    todo = [file for file in files if worker.name(file) not in known]
    known |= {outcome.picture: outcome for outcome in rivals}
    _start_report(out / REPORT, known.values())
    with (out / REPORT).open("a", newline="", encoding="utf-8") as report:
        rows = _rows(report)
        for outcome in tqdm(_run(worker, todo, workers), "preparing", len(todo), disable=None):
            rows.writerow(asdict(outcome))
            report.flush()
            known[outcome.picture] = outcome
    return Preparation(tuple(known[name] for name in sorted(known)), len(todo))


class _Worker:
    """Prepares one picture after another; goes to another process by its settings alone."""

    def __init__(self, source: Path, out: Path, size: int, channels: int, several: str, network: Path | None) -> None:
        self.source, self.out, self.network = source, out, network
        self.options = {"size": size, "channels": channels, "several": several}
        said = json.dumps([_VERSION, self.options, network and sha256(network)])
        self.settings = hashlib.sha256(said.encode()).hexdigest()[:12]

    @functools.cached_property
    def finder(self) -> FaceFinder:
        return FaceFinder(self.network)

    def __call__(self, file: Path) -> Outcome:
        target = self.target(file)
        try:
            done = prepare_picture(file, finder=self.finder, **self.options)
        except BadPicture as error:
            target.unlink(missing_ok=True)  # of an earlier run, when the picture or a setting was another
            return Outcome(self.name(file), problem=str(error), stamp=self.stamp(file))
        with atomic_path(target) as draft:
            done.image.save(draft)
        return Outcome(
            self.name(file), by=done.by, faces=done.count, scale=round(done.scale, 4), stamp=self.stamp(file)
        )

    def name(self, file: Path) -> str:
        return file.relative_to(self.source).as_posix()

    def target(self, file: Path) -> Path:
        return (self.out / file.relative_to(self.source)).with_suffix(".png")

    def stamp(self, file: Path) -> str:
        stat = file.stat()
        return f"{stat.st_size}-{stat.st_mtime_ns}-{self.settings}"

    def is_done(self, outcome: Outcome) -> bool:
        """Whether an earlier run's outcome still holds."""
        file = self.source / outcome.picture
        unchanged = file.is_file() and outcome.stamp == self.stamp(file)
        return unchanged and (bool(outcome.problem) or self.target(file).is_file())


def _sources(source: Path, out: Path) -> tuple[list[Path], list[Outcome]]:
    """The pictures to prepare, and the outcomes of those that would overwrite what another one becomes."""
    if not source.is_dir():
        raise FileNotFoundError(f"there is no folder {source}")
    if out.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{out} lies in {source}: prepared pictures would be prepared again; choose another folder")
    files, rivals = {}, []
    for file in list_pictures(source):
        first = files.setdefault(file.with_suffix(""), file)
        if first != file:
            said = f"{first.name} has the same name but for its ending, and both would become {file.stem}.png"
            rivals.append(Outcome(file.relative_to(source).as_posix(), problem=said))
    if not files:
        raise FileNotFoundError(f"{source} holds no picture")
    return list(files.values()), rivals


def _run(worker: _Worker, files: list[Path], workers: int | None) -> Iterator[Outcome]:
    workers = min(workers or os.cpu_count() or 1, max(len(files), 1))
    if workers == 1:
        yield from map(worker, files)
        return
    # Processes started afresh: a copy of this one could stand still in a lock that another thread of it held.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=fresh, initializer=_start, initargs=(worker,)) as pool:
        yield from pool.map(_work, files, chunksize=4)


_worker: _Worker | None = None  # of this process


def _start(worker: _Worker) -> None:
    global _worker
    _worker = worker
    cv2.setNumThreads(1)  # one process a core


def _work(file: Path) -> Outcome:
    return _worker(file)


# -------------------------------------------------------------------------------------------------- the report


def _rows(stream) -> csv.DictWriter:
    return csv.DictWriter(stream, [field.name for field in fields(Outcome)])


def _start_report(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write the report anew with these rows, to be continued."""
    with atomic_path(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        rows = _rows(stream)
        rows.writeheader()
        rows.writerows(asdict(outcome) for outcome in outcomes)


def _read_report(path: Path) -> Iterator[Outcome]:
    """The rows of an earlier run; one that was cut off as it was written is left out."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if None not in row.values() and row["stamp"]:
                yield Outcome(**row | {"faces": int(row["faces"]), "scale": float(row["scale"])})
