"""A whole split of drawn faces, written to files: by as many processes as there are cores, where it is large."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from facekit.datasets.base import open_dataset
from facekit.faces.faces import Faces, to_uint8

_ROWS = 256  # drawn and written at once
_WORTH = 4096  # faces for which another process is worth the seconds that it takes to start


class DrawnDataset(Protocol):
    """What drawing a split needs of `SyntheticFaces`."""

    device: torch.device
    options: Mapping[str, object]

    def __len__(self) -> int: ...

    def draw(self, index: Tensor) -> Faces: ...


def write_split(dataset: DrawnDataset, folder: Path) -> None:
    """Draw all faces of a dataset into `images.npy`, `mask.npy` and `landmarks.npy` in a folder.

    Raises `RuntimeError` with what another process said that failed.
    """
    first = _columns(dataset.draw(torch.arange(1)))
    for name, value in first.items():
        shape = (len(dataset), *value.shape[1:])
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", value.dtype, shape).flush()
    on_cpu = dataset.device.type == "cpu"
    processes = max(1, min(os.cpu_count() or 1, len(dataset) // _WORTH)) if on_cpu else 1
    if processes == 1:
        _write(dataset, folder, range(0, len(dataset), _ROWS))
    else:
        _write_by(processes, dataset.options, folder)


def _write_by(processes: int, options: Mapping[str, object], folder: Path) -> None:
    """Each process draws every so-manyth block of rows. They are started by a command, not by `multiprocessing`: that
    would run a script again which has no `if __name__ == "__main__"`."""
    started = []
    try:
        for part in range(processes):
            process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import draw_share; draw_share()"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            started.append(process)
            process.stdin.write(json.dumps([options, str(folder.absolute()), part, processes]))
            process.stdin.close()
            process.stdin = None  # else `communicate` would flush it again
        for process in started:
            _, said = process.communicate()
            if process.returncode:
                raise RuntimeError(f"drawing faces in a process of its own failed (code {process.returncode}): {said}")
    finally:
        for process in started:
            process.kill()
            process.wait()


def _write(dataset: DrawnDataset, folder: Path, starts: Iterable[int]) -> None:
    files = {path.stem: np.load(path, mmap_mode="r+") for path in folder.glob("*.npy")}
    for start in starts:
        drawn = dataset.draw(torch.arange(start, min(start + _ROWS, len(dataset))))
        for name, value in _columns(drawn).items():
            files[name][start : start + len(value)] = value
    for file in files.values():
        file.flush()


def _columns(drawn: Faces) -> dict[str, np.ndarray]:
    """What is kept of drawn faces, by the name of its file."""
    kept = {
        "images": to_uint8(drawn.images),
        "mask": (drawn.mask * 255).round().to(torch.uint8),
        "landmarks": drawn.landmarks,
    }
    return {name: value.cpu().numpy() for name, value in kept.items()}


def draw_share() -> None:
    """What one of several processes does: the standard input says of which dataset, where to, and which share."""
    options, folder, part, parts = json.load(sys.stdin)
    dataset = open_dataset("synthetic", **options)
    _write(dataset, Path(folder), range(part * _ROWS, len(dataset), parts * _ROWS))
