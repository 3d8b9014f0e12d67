"""The files of an exported benchmark: faces as PNG, without any loss but that of rounding to 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from facekit.evaluation.benchmark.benchmarks import CannotEvaluate
from facekit.faces.faces import from_uint8, to_uint8

INPUTS, REQUESTS, EDITS = "inputs", "requests.csv", "edits"
"""What a folder of an exported benchmark holds: pictures, a table, and a folder that is empty at first."""

_SHOWN = 5  # unusable files that a message names


def has_edits(place: Path) -> bool:
    """Whether such a folder has edits."""
    return any((place / EDITS).glob("*"))


def write_picture(path: Path, image: Tensor) -> None:
    """Write an image (3, H, W) in [-1, 1], and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(to_uint8(image).permute(1, 2, 0).numpy()).save(path)


def read_pictures(folder: Path, names: Sequence[str], size: int) -> list[Tensor]:
    """The images (3, size, size) in [-1, 1] of files. Raises `CannotEvaluate`, naming files that are missing,
    unreadable, or of another size."""
    images, problems = [], []
    for name in names:
        try:
            picture = Image.open(folder / name)
            picture.load()
        except FileNotFoundError:
            problems.append(f"{name} is missing")
        except (OSError, UnidentifiedImageError):
            problems.append(f"{name} is no readable image")
        else:
            if picture.size != (size, size):
                problems.append(f"{name} has {picture.width} x {picture.height} pixels")
            else:
                images.append(from_uint8(pixels(picture)))
    if problems:
        more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise CannotEvaluate(
            f"of {len(names)} edits of {size} x {size} pixels in {folder}, {len(problems)} cannot be used: "
            f"{', '.join(problems[:_SHOWN])}{more}"
        )
    return images


def pixels(picture: Image.Image) -> Tensor:
    """An image as uint8 (3, H, W)."""
    rgb = picture.convert("RGB")
    return torch.frombuffer(bytearray(rgb.tobytes()), dtype=torch.uint8).view(rgb.height, rgb.width, 3).permute(2, 0, 1)
