"""The benchmark of videos as files; see `facekit.evaluation.benchmark.exchange`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from facekit.evaluation.benchmark.pictures import EDITS, INPUTS, REQUESTS, read_pictures, write_picture
from facekit.evaluation.benchmark.videos import VideoBenchmark, video_benchmark
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.workspace.files import write_text

_POINTS = 68


def write_videos(place: Path, faces: int, size: int, first_person: int) -> None:
    """Write inputs and requests of `faces` videos, and an empty folder for the edits, into a new folder."""
    benchmark = video_benchmark(faces, size, first_person=first_person)
    (place / EDITS).mkdir(parents=True)
    for i, image in enumerate(benchmark.first.images):
        write_picture(place / INPUTS / f"{i:04d}.png", image)
    write_text(place / REQUESTS, _table(benchmark))


def read_videos(place: Path, faces: int, size: int, first_person: int) -> tuple[Tensor, VideoBenchmark] | None:
    """The edited videos (N, T, 3, H, W) in [-1, 1], and their benchmark; None where the faces are not those that this
    version of facekit draws.

    Raises `CannotEvaluate` for frames that are missing, unreadable, or of the wrong size.
    """
    benchmark = video_benchmark(faces, size, first_person=first_person)
    if (place / REQUESTS).read_text(encoding="utf-8") != _table(benchmark):
        return None
    names = [_file(i, t) for i, t in _frames(benchmark)]
    frames = torch.stack(read_pictures(place / EDITS, names, size))
    return frames.unflatten(0, (faces, benchmark.truth.frames)), benchmark


def _frames(benchmark: VideoBenchmark) -> Iterator[tuple[int, int]]:
    """Video and frame of each row of the table."""
    for i in range(len(benchmark.truth)):
        for t in range(benchmark.truth.frames):
            yield i, t


def _file(video: int, frame: int) -> str:
    return f"{video:04d}_{frame:02d}.png"


def _table(benchmark: VideoBenchmark) -> str:
    """The requests: for each frame the emotion, its intensity, the action units, and the landmarks in pixels, where 0
    is the centre of the first pixel."""
    truth, text = benchmark.truth, io.StringIO()
    pixels = (truth.landmarks + 1) / 2 * truth.size - 0.5
    writer = csv.writer(text, lineterminator="\n")
    points = [f"{axis}{k}" for k in range(_POINTS) for axis in "xy"]
    writer.writerow(["edit", "input", "frame", "emotion", "intensity", *ACTION_UNIT_COLUMNS, *points])
    for i, t in _frames(benchmark):
        numbers = [float(truth.intensity[i, t]), *truth.action_units[i, t].tolist()]
        writer.writerow(
            [f"{EDITS}/{_file(i, t)}", f"{INPUTS}/{i:04d}.png", t, PROTOCOL_EMOTIONS[int(truth.emotion[i])]]
            + [f"{value:.3f}" for value in numbers]
            + [f"{value:.2f}" for value in pixels[i, t].flatten().tolist()]
        )
    return text.getvalue()
