"""Rendering of a whole split into files: on a GPU if there is one, else in several processes where it is large."""

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
from facekit.datasets.synthetic.render import faces_at_once
from facekit.faces.faces import Faces, to_uint8
from facekit.workspace.folders import child_environment
from facekit.workspace.hardware import fastest_device

_ROWS = 256  # faces rendered and written at once on a CPU
_FACES_PER_PROCESS = 4096  # with fewer faces, another process would take longer to start than it saves


class RenderedDataset(Protocol):
    """What writing a split needs of a dataset, which `open_dataset(name, **options)` opens without a cache."""

    name: str
    size: int
    options: Mapping[str, object]

    def __len__(self) -> int: ...

    def render(self, index: Tensor, device: torch.device | None = None) -> Faces: ...


def write_split(dataset: RenderedDataset, folder: Path) -> None:
    """Render all faces of a dataset into `images.npy` and `landmarks.npy` in a folder, with `mask.npy` where they have
    masks, and the action units of sequences.

    Raises `RuntimeError` with the error output of a process that fails.
    """
    first = _columns(dataset.render(torch.arange(1)))
    for name, value in first.items():
        shape = (len(dataset), *value.shape[1:])
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", value.dtype, shape).flush()
    frames, device = dataset.options.get("frames") or 1, fastest_device()
    images = len(dataset) * frames
    processes = max(1, min(os.cpu_count() or 1, images // _FACES_PER_PROCESS))
    if device.type == "cuda":
        rows = max(1, faces_at_once(dataset.size, device) // frames)
        _write(dataset, folder, range(0, len(dataset), rows), rows, device)
    elif processes == 1:
        _write(dataset, folder, range(0, len(dataset), _ROWS))
    else:
        _write_in_processes(processes, dataset, folder)


def _write_in_processes(processes: int, dataset: RenderedDataset, folder: Path) -> None:
    """Write the blocks of rows by several processes in turn.

    They are started as commands, because `multiprocessing` would run a script without `if __name__ == "__main__"`
    again.
    """
    started = []
    try:
        for part in range(processes):
            process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import write_share; write_share()"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                env={**child_environment(), "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            started.append(process)
            process.stdin.write(json.dumps([dataset.name, dataset.options, str(folder.absolute()), part, processes]))
            process.stdin.close()
            process.stdin = None  # else `communicate` would flush it again
        for process in started:
            _, errors = process.communicate()
            if process.returncode:
                raise RuntimeError(f"a process that renders faces failed (code {process.returncode}): {errors}")
    finally:
        for process in started:
            process.kill()
            process.wait()


def _write(
    dataset: RenderedDataset,
    folder: Path,
    starts: Iterable[int],
    rows: int = _ROWS,
    device: torch.device | None = None,
) -> None:
    """Write the blocks of `rows` faces that begin at `starts`, rendered on a device."""
    files = {path.stem: np.load(path, mmap_mode="r+") for path in folder.glob("*.npy")}
    for start in starts:
        rendered = dataset.render(torch.arange(start, min(start + rows, len(dataset))), device)
        for name, value in _columns(rendered).items():
            files[name][start : start + len(value)] = value
    for file in files.values():
        file.flush()


def _columns(rendered: Faces) -> dict[str, np.ndarray]:
    """The arrays to write for rendered faces, by file name."""
    columns = {
        "images": to_uint8(rendered.images),
        "landmarks": rendered.landmarks,
    }
    if rendered.mask is not None:
        columns["mask"] = (rendered.mask * 255).round().to(torch.uint8)
    if rendered.frames is not None:  # those of stills take less time to compute than to read
        columns["action_units"] = rendered.action_units
    return {name: value.cpu().numpy() for name, value in columns.items()}


def write_share() -> None:
    """Write the share of one process; reads the dataset, the folder and the share from standard input."""
    name, options, folder, part, parts = json.load(sys.stdin)
    dataset = open_dataset(name, **options)
    _write(dataset, Path(folder), range(part * _ROWS, len(dataset), parts * _ROWS))
