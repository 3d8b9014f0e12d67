"""Preprocessing of photographs: face detection, alignment by the eyes, cropping and resizing."""

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

_VERSION = 1  # increase it when the same photograph is processed differently

REPORT = "report.csv"
"""The file in the output folder with the outcome of each picture."""


class NoFace(BadPicture):
    """No face was found in a picture."""


class SeveralFaces(BadPicture):
    """Several faces were found in a picture that must contain one."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """An aligned and cropped face.

    image      size x size pixels, mode "L" or "RGB"
    count      number of faces in the picture, of which this is the largest
    by         basis of the alignment: "landmarks", "eyes", or "box" if the eyes were not detected
    scale      pixels of `image` per pixel of the picture; above 1, the face was enlarged and is blurred
    landmarks  (68, 2) from -1 to 1 across `image`, or None
    """

    image: Image.Image
    count: int
    by: str
    scale: float
    landmarks: np.ndarray | None = None

    @property
    def faces(self) -> Faces:
        """The face as `Faces` with N = 1, for `edit`."""
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
    """Detect, align and crop the face in a picture: size x size pixels, eyes at `EYE_HEIGHT` and `EYE_DISTANCE`.

    image      path of a file, its bytes, or an open image; any upload of a user
    channels   3 for RGB, 1 for greyscale
    several    if there are several faces: use the "largest", or "refuse"
    finder     face detector; by default the cascades of OpenCV

    Raises `BadPicture` for data that is not an image, is damaged or is too large, and its subclasses `NoFace` and
    `SeveralFaces`; the message is one sentence for the user.
    """
    if several not in ("largest", "refuse"):
        raise ValueError(f"several is {several!r}; use 'largest' or 'refuse'")
    picture = read_picture(image)
    pixels = np.asarray(picture)
    found = (finder or _default_finder()).find(pixels)
    if not found:
        raise NoFace("no face was found in the picture; it must show an uncovered face from the front")
    if len(found) > 1 and several == "refuse":
        raise SeveralFaces(f"there are {len(found)} faces in the picture; crop it to one face")
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
    """The outcome of one picture: a row of the report.

    picture   its path under the folder
    problem   the reason if it cannot be used, or empty
    by, faces, scale    `by`, `count` and `scale` of `Prepared`; `by` is empty if there is a problem
    stamp     size and modification time of the picture, and the settings; if unchanged, the picture is skipped
    """

    picture: str
    problem: str = ""
    by: str = ""
    faces: int = 0
    scale: float = 0.0
    stamp: str = ""


@dataclass(frozen=True)
class Preparation:
    """The outcome of a folder of pictures, to be printed; also in `report.csv` in the output folder.

    outcomes   one for each picture, sorted by name
    processed  number of pictures processed in this run; the others were processed before
    """

    outcomes: tuple[Outcome, ...]
    processed: int

    @property
    def unusable(self) -> list[Outcome]:
        """The outcomes of pictures that cannot be used."""
        return [outcome for outcome in self.outcomes if outcome.problem]

    def __str__(self) -> str:
        usable = len(self.outcomes) - len(self.unusable)
        estimated = sum(outcome.by == "box" for outcome in self.outcomes)
        enlarged = sum(outcome.scale > 1 for outcome in self.outcomes)
        lines = [
            f"{usable} of {len(self.outcomes)} pictures prepared; processed in this run: {self.processed}",
            f"  {estimated} aligned by the box of the face, because the eyes were not detected",
            f"  {enlarged} enlarged, and therefore blurred",
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
    """Prepare all pictures in a folder and its subfolders; the results are PNG files of the same names under `out`.

    `report.csv` in `out` lists the outcome of each picture. A later run, also after an interruption, skips pictures
    that are unchanged; unusable pictures are processed again only if they or the settings have changed.

    network    an ONNX file of 68 landmarks, as for `FaceFinder`
    workers    number of processes; by default one for each core; 1 works in this process

    Raises `FileNotFoundError` if the folder does not exist or contains no picture, and `ValueError` if `out` lies in
    `source`.
    """
    source, out = Path(source), Path(out)
    files, duplicates = _sources(source, out)
    worker = _Worker(source, out, size, channels, several, None if network is None else Path(network))
    known = {o.picture: o for o in _read_report(out / REPORT) if worker.is_done(o)}
    todo = [file for file in files if worker.name(file) not in known]
    known |= {outcome.picture: outcome for outcome in duplicates}
    _start_report(out / REPORT, known.values())
    with (out / REPORT).open("a", newline="", encoding="utf-8") as report:
        rows = _rows(report)
        for outcome in tqdm(_run(worker, todo, workers), "preparing", len(todo), disable=None):
            rows.writerow(asdict(outcome))
            report.flush()
            known[outcome.picture] = outcome
    return Preparation(tuple(known[name] for name in sorted(known)), len(todo))


class _Worker:
    """Prepares one picture after another. Only its settings are sent to another process."""

    def __init__(self, source: Path, out: Path, size: int, channels: int, several: str, network: Path | None) -> None:
        self.source, self.out, self.network = source, out, network
        self.options = {"size": size, "channels": channels, "several": several}
        settings = json.dumps([_VERSION, self.options, network and sha256(network)])
        self.settings = hashlib.sha256(settings.encode()).hexdigest()[:12]

    @functools.cached_property
    def finder(self) -> FaceFinder:
        return FaceFinder(self.network)

    def __call__(self, file: Path) -> Outcome:
        target = self.target(file)
        try:
            done = prepare_picture(file, finder=self.finder, **self.options)
        except BadPicture as error:
            target.unlink(missing_ok=True)  # from an earlier run with another picture or setting
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
        """Whether the outcome of an earlier run is still valid."""
        file = self.source / outcome.picture
        unchanged = file.is_file() and outcome.stamp == self.stamp(file)
        return unchanged and (bool(outcome.problem) or self.target(file).is_file())


def _sources(source: Path, out: Path) -> tuple[list[Path], list[Outcome]]:
    """The pictures to prepare, and outcomes for those whose output would overwrite that of another picture."""
    if not source.is_dir():
        raise FileNotFoundError(f"there is no folder {source}")
    if out.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{out} lies in {source}: prepared pictures would be prepared again; choose another folder")
    files, duplicates = {}, []
    for file in list_pictures(source):
        first = files.setdefault(file.with_suffix(""), file)
        if first != file:
            problem = f"{first.name} has the same name except its suffix, and both would become {file.stem}.png"
            duplicates.append(Outcome(file.relative_to(source).as_posix(), problem=problem))
    if not files:
        raise FileNotFoundError(f"{source} contains no picture")
    return list(files.values()), duplicates


def _run(worker: _Worker, files: list[Path], workers: int | None) -> Iterator[Outcome]:
    workers = min(workers or os.cpu_count() or 1, max(len(files), 1))
    if workers == 1:
        yield from map(worker, files)
        return
    # New processes, because a forked one could deadlock on a lock held by another thread.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(worker,)) as pool:
        yield from pool.map(_work, files, chunksize=4)


_worker: _Worker | None = None  # the worker of this process


def _start(worker: _Worker) -> None:
    global _worker
    _worker = worker
    cv2.setNumThreads(1)  # each process uses one core


def _work(file: Path) -> Outcome:
    return _worker(file)


# -------------------------------------------------------------------------------------------------- the report


def _rows(stream) -> csv.DictWriter:
    return csv.DictWriter(stream, [field.name for field in fields(Outcome)])


def _start_report(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write a new report that starts with these rows."""
    with atomic_path(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        rows = _rows(stream)
        rows.writeheader()
        rows.writerows(asdict(outcome) for outcome in outcomes)


def _read_report(path: Path) -> Iterator[Outcome]:
    """The rows of an earlier run, without a row that is incomplete because of an interruption."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if None not in row.values() and row["stamp"]:
                yield Outcome(**row | {"faces": int(row["faces"]), "scale": float(row["scale"])})
