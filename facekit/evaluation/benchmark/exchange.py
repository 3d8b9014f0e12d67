"""The benchmark as files, for generators of any framework: inputs and requests go out, edits come back.

An exported folder holds, for each size in pixels:

    64/inputs/0000.png   the faces
    64/requests.csv      a row for each edit: `edit`, the file to write, such as edits/0000_happy.png; `input`;
                         `emotion` and `intensity`, what is requested; `input_emotion` and `input_intensity`, what the
                         face shows
    64/edits/            empty: the edits go here, as PNG of the same size
    64/videos/           the same for videos: the first frames, and a row of requests for each frame
    manifest.json        version, split, sizes, and the SHA-256 of every input and every table of requests

There are no answers in it. The public split has the people on whom all results here are measured: anybody can draw
their ground truth. For a held-out split, the organisers of a comparison choose a secret, a word that decides which
people are drawn, and keep it. `open_edits` needs it to draw the ground truth.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from facekit.datasets.synthetic.options import MAX_PEOPLE
from facekit.diffusion.noise import Seeds
from facekit.evaluation.benchmark.benchmarks import (
    FACES,
    VERSION,
    Benchmark,
    CannotEvaluate,
    synthetic_benchmark,
)
from facekit.evaluation.benchmark.exchange_videos import read_videos, write_videos
from facekit.evaluation.benchmark.pictures import (
    EDITS,
    INPUTS,
    REQUESTS,
    has_edits,
    pixels,
    read_pictures,
    write_picture,
)
from facekit.evaluation.benchmark.requests import full_requests, self_requests
from facekit.evaluation.benchmark.videos import VideoBenchmark
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, to_uint8
from facekit.workspace.files import atomic_path, read_json, sha256, write_json, write_text

SIZES = (64, 128)
"""The sizes of an exported benchmark, by default."""

VIDEOS = 64
"""The number of videos of each size, by default."""

PUBLIC, HELD_OUT = "public", "held-out"
_MANIFEST, _VIDEOS = "manifest.json", "videos"
_SHOWN = 5  # changed files that a message names


def export_benchmark(
    folder: Path,
    *,
    faces: int = FACES,
    sizes: Sequence[int] = SIZES,
    videos: int = VIDEOS,
    secret: str | None = None,
) -> Path:
    """Write the benchmark on drawn faces into a folder that does not exist or is empty; returns the manifest's path.

    faces   number of people
    sizes   in pixels
    videos  number of videos
    secret  of a held-out split; None is the public one

    Raises `CannotEvaluate` for a folder that contains something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CannotEvaluate(f"{folder} is not empty: name a new folder, so that no edits in it are lost")
    files = {}
    with atomic_path(folder) as draft:
        for size in sizes:
            place = draft / str(size)
            (place / EDITS).mkdir(parents=True)
            benchmark = _benchmark(faces, size, secret)
            for i, image in enumerate(benchmark.faces.images):
                write_picture(place / INPUTS / f"{i:04d}.png", image)
            write_text(place / REQUESTS, _table(benchmark))
            if videos:
                write_videos(place / _VIDEOS, videos, size, _first_person(secret))
            for path in sorted(each for each in place.rglob("*") if each.is_file()):
                files[path.relative_to(draft).as_posix()] = sha256(path)
        write_json(
            draft / _MANIFEST,
            {
                "benchmark": "facekit",
                "version": VERSION,
                "split": PUBLIC if secret is None else HELD_OUT,
                "faces": faces,
                "sizes": list(sizes),
                "videos": videos,
                "emotions": list(PROTOCOL_EMOTIONS),
                "files": files,
            },
        )
    return folder / _MANIFEST


class FolderEdits:
    """Edits in a folder, with the interface of a generator. `name` is that of its row in the leaderboard."""

    understands = frozenset({"emotion", "intensity"})

    def __init__(self, name: str, images: dict[tuple[int, int, int], Tensor]) -> None:
        self.name, self._images = name, images

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`; the benchmark passes the row of each face as its seed."""
        labels = expression.emotion.argmax(1).tolist()
        keys = zip(seed, labels, _steps(expression.intensity), strict=True)
        return torch.stack([self._images[key] for key in keys])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all images, by which the results of other edits under the same name are recognised."""
        digest = hashlib.sha256()
        for key in sorted(self._images):
            digest.update(to_uint8(self._images[key]).numpy().tobytes())
        return digest.hexdigest()


def open_edits(
    folder: Path, name: str | None = None, secret: str | None = None
) -> Iterator[tuple[FolderEdits, Benchmark]]:
    """The edits in a folder that `export_benchmark` wrote, and their benchmark, for each size with edits.

    name    of the row in the leaderboard, by default the folder's
    secret  of a held-out split

    Raises `CannotEvaluate` for a folder without a manifest, of another version, or whose inputs or requests were
    changed; for a wrong secret; and for edits that are missing, unreadable, or of the wrong size.
    """
    manifest = _checked(folder, secret)
    for size in manifest["sizes"]:
        place = folder / str(size)
        if not has_edits(place):
            continue
        benchmark = _benchmark(manifest["faces"], size, secret)
        if _table(benchmark) != (place / REQUESTS).read_text(encoding="utf-8") or not _same_inputs(benchmark, place):
            raise _other_faces(place, secret)
        yield FolderEdits(name or folder.resolve().name, _images(place, benchmark)), benchmark


def open_videos(folder: Path, secret: str | None = None) -> Iterator[tuple[Tensor, VideoBenchmark]]:
    """The edited videos (N, T, 3, H, W) in a folder that `export_benchmark` wrote, and their benchmark, for each size
    with edits. Raises what `open_edits` raises."""
    manifest = _checked(folder, secret)
    for size in manifest["sizes"]:
        place = folder / str(size) / _VIDEOS
        if has_edits(place):
            opened = read_videos(place, manifest["videos"], size, _first_person(secret))
            if opened is None:
                raise _other_faces(place, secret)
            yield opened


def _checked(folder: Path, secret: str | None) -> dict:
    """The manifest of a folder whose inputs and requests are unchanged, and in which there are edits."""
    manifest = _read_manifest(folder)
    if (manifest["split"] == PUBLIC) != (secret is None):
        wanted = "is public: leave --secret out" if secret else "is held out: give its word by --secret"
        raise CannotEvaluate(f"the split of {folder} {wanted}")
    _check_files(folder, manifest)
    places = [folder / str(size) for size in manifest["sizes"]]
    if not any(has_edits(place) or has_edits(place / _VIDEOS) for place in places):
        raise CannotEvaluate(f"there are no edits in {folder}: {REQUESTS} in each size names the files to write")
    return manifest


def _other_faces(place: Path, secret: str | None) -> CannotEvaluate:
    cause = "the secret is another one, or the" if secret else "the"
    return CannotEvaluate(
        f"{cause} faces of {place} are not those that this version of facekit draws: export the benchmark again"
    )


def _benchmark(faces: int, size: int, secret: str | None) -> Benchmark:
    return synthetic_benchmark(faces, size, 3, first_person=_first_person(secret))


def _first_person(secret: str | None) -> int:
    """Number of the first person, who is not among those of the public split if there is a secret."""
    if secret is None:
        return 0
    number = int(hashlib.sha256(secret.encode()).hexdigest(), 16)
    return MAX_PEOPLE // 10 + number % (MAX_PEOPLE * 8 // 10)


def _requested(benchmark: Benchmark) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """File name of each edit, and its key (row, emotion, intensity): every emotion, then the face's own expression,
    unless that is one of them (a neutral face's)."""
    known = set()
    for requests, suffix in ((full_requests(benchmark), ""), (self_requests(benchmark), "_own")):
        steps = _steps(requests.intensity)
        for i in range(len(requests)):
            row, target = int(requests.rows[i]), int(requests.target[i])
            if (key := (row, target, steps[i])) not in known:
                known.add(key)
                yield f"{row:04d}_{PROTOCOL_EMOTIONS[target]}{suffix}.png", key


def _steps(intensity: Tensor) -> list[int]:
    """Intensities in thousandths."""
    return (intensity * 1000).round().int().tolist()


def _table(benchmark: Benchmark) -> str:
    faces, text = benchmark.faces, io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["edit", "input", "emotion", "intensity", "input_emotion", "input_intensity"])
    for file, (row, target, step) in _requested(benchmark):
        shown = PROTOCOL_EMOTIONS[int(faces.emotion[row])]
        writer.writerow(
            [f"{EDITS}/{file}", f"{INPUTS}/{row:04d}.png", PROTOCOL_EMOTIONS[target], f"{step / 1000:.3f}", shown,
             f"{float(faces.intensity[row]):.3f}"]
        )  # fmt: skip
    return text.getvalue()


def _read_manifest(folder: Path) -> dict:
    path = folder / _MANIFEST
    if not path.is_file():
        raise CannotEvaluate(f"there is no {path}: `python -m facekit benchmark export {folder}` writes it")
    manifest = read_json(path)
    if manifest.get("version") != VERSION:
        raise CannotEvaluate(
            f"{folder} was exported as version {manifest.get('version')} of the benchmark, and this is version "
            f"{VERSION}: export it again, and edit the new inputs"
        )
    return manifest


def _check_files(folder: Path, manifest: dict) -> None:
    changed = [name for name, digest in manifest["files"].items() if not _has(folder / name, digest)]
    if changed:
        named = ", ".join(changed[:_SHOWN])
        raise CannotEvaluate(
            f"{len(changed)} files of {folder} are missing or were changed ({named}): edits belong into the folder "
            f"{EDITS}, and inputs and requests stay as they are"
        )


def _has(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


def _same_inputs(benchmark: Benchmark, place: Path) -> bool:
    first = to_uint8(benchmark.faces.images[0])
    return torch.equal(pixels(Image.open(place / INPUTS / "0000.png")), first)


def _images(place: Path, benchmark: Benchmark) -> dict[tuple[int, int, int], Tensor]:
    files, keys = zip(*_requested(benchmark), strict=True)
    return dict(zip(keys, read_pictures(place / EDITS, files, benchmark.faces.size), strict=True))
