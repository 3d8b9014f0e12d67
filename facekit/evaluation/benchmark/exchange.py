"""The benchmark as files, for generators of any framework: inputs and requests go out, edits come back.

An exported folder holds, for each size in pixels:

    64/inputs/0000.png   the faces
    64/requests.csv      a row for each edit: `edit`, the file to write, such as edits/0000_happy.png; `input`;
                         `emotion` and `intensity`, what is requested; `input_emotion` and `input_intensity`, what the
                         face shows
    64/edits/            empty: the edits go here, as PNG of the same size
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
from PIL import Image, UnidentifiedImageError
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
from facekit.evaluation.benchmark.requests import full_requests, self_requests
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, from_uint8, to_uint8
from facekit.workspace.files import atomic_path, read_json, sha256, write_json, write_text

SIZES = (64, 128)
"""The sizes of an exported benchmark, by default."""

PUBLIC, HELD_OUT = "public", "held-out"
_MANIFEST, _REQUESTS, _EDITS = "manifest.json", "requests.csv", "edits"
_SHOWN = 5  # unusable edits that a message names


def export_benchmark(
    folder: Path, *, faces: int = FACES, sizes: Sequence[int] = SIZES, secret: str | None = None
) -> Path:
    """Write the benchmark on drawn faces into a folder that does not exist or is empty; returns the manifest's path.

    faces   number of people
    sizes   in pixels
    secret  of a held-out split; None is the public one

    Raises `CannotEvaluate` for a folder that contains something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CannotEvaluate(f"{folder} is not empty: name a new folder, so that no edits in it are lost")
    files = {}
    with atomic_path(folder) as draft:
        for size in sizes:
            place = draft / str(size)
            (place / "inputs").mkdir(parents=True)
            (place / _EDITS).mkdir()
            benchmark = _benchmark(faces, size, secret)
            for i, image in enumerate(to_uint8(benchmark.faces.images)):
                Image.fromarray(image.permute(1, 2, 0).numpy()).save(place / "inputs" / f"{i:04d}.png")
            write_text(place / _REQUESTS, _table(benchmark))
            for path in (place / _REQUESTS, *sorted((place / "inputs").iterdir())):
                files[str(path.relative_to(draft).as_posix())] = sha256(path)
        write_json(
            draft / _MANIFEST,
            {
                "benchmark": "facekit",
                "version": VERSION,
                "split": PUBLIC if secret is None else HELD_OUT,
                "faces": faces,
                "sizes": list(sizes),
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
    manifest = _read_manifest(folder)
    if (manifest["split"] == PUBLIC) != (secret is None):
        wanted = "is public: leave --secret out" if secret else "is held out: give its word by --secret"
        raise CannotEvaluate(f"the split of {folder} {wanted}")
    _check_files(folder, manifest)
    sizes = [size for size in manifest["sizes"] if any((folder / str(size) / _EDITS).glob("*"))]
    if not sizes:
        raise CannotEvaluate(f"there are no edits in {folder}: {_REQUESTS} in each size names the files to write")
    for size in sizes:
        benchmark = _benchmark(manifest["faces"], size, secret)
        place = folder / str(size)
        if _table(benchmark) != (place / _REQUESTS).read_text(encoding="utf-8") or not _same_inputs(benchmark, place):
            cause = "the secret is another one, or the" if secret else "the"
            raise CannotEvaluate(
                f"{cause} faces of {place} are not those that this version of facekit draws: export the benchmark again"
            )
        yield FolderEdits(name or folder.resolve().name, _images(place, benchmark)), benchmark


def _benchmark(faces: int, size: int, secret: str | None) -> Benchmark:
    if secret is None:
        return synthetic_benchmark(faces, size, 3)
    number = int(hashlib.sha256(secret.encode()).hexdigest(), 16)
    first = MAX_PEOPLE // 10 + number % (MAX_PEOPLE * 8 // 10)  # not among the people of the public split
    return synthetic_benchmark(faces, size, 3, first_person=first)


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
            [f"{_EDITS}/{file}", f"inputs/{row:04d}.png", PROTOCOL_EMOTIONS[target], f"{step / 1000:.3f}", shown,
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
            f"{_EDITS}, and inputs and requests stay as they are"
        )


def _has(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


def _same_inputs(benchmark: Benchmark, place: Path) -> bool:
    first = to_uint8(benchmark.faces.images[0])
    return torch.equal(_pixels(Image.open(place / "inputs" / "0000.png")), first)


def _images(place: Path, benchmark: Benchmark) -> dict[tuple[int, int, int], Tensor]:
    size, images, problems = benchmark.faces.size, {}, []
    requested = list(_requested(benchmark))
    for file, key in requested:
        path = place / _EDITS / file
        try:
            picture = Image.open(path)
            picture.load()
        except FileNotFoundError:
            problems.append(f"{file} is missing")
        except (OSError, UnidentifiedImageError):
            problems.append(f"{file} is no readable image")
        else:
            if picture.size != (size, size):
                problems.append(f"{file} has {picture.width} x {picture.height} pixels")
            else:
                images[key] = from_uint8(_pixels(picture))
    if problems:
        more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise CannotEvaluate(
            f"of {len(requested)} edits of {size} x {size} pixels in {place / _EDITS}, {len(problems)} cannot be used: "
            f"{', '.join(problems[:_SHOWN])}{more}"
        )
    return images


def _pixels(picture: Image.Image) -> Tensor:
    """An image as uint8 (3, H, W)."""
    rgb = picture.convert("RGB")
    return torch.frombuffer(bytearray(rgb.tobytes()), dtype=torch.uint8).view(rgb.height, rgb.width, 3).permute(2, 0, 1)
