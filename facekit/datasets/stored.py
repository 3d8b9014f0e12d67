"""Base class of datasets whose images are stored as one array of bytes, in memory or mapped from a cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facekit.datasets.base import FaceDataset, Problem
from facekit.faces.faces import Faces, from_uint8


@dataclass(frozen=True)
class Table:
    """N faces, or sequences of T, as plain arrays.

    pixels      (R, C, H, W) or (R, T, C, H, W) uint8, R at least N
    rows        (N,) the row of `pixels` of each face
    labels      (N,) index into `EMOTIONS`, or -1
    names       (N) the origin of each face
    persons     (N,) one number per person, or None
    known       further fields of `Faces` by name, each (N, ...)
    attributes  further annotations by name, each (N, ...)
    """

    pixels: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    names: Sequence[str]
    persons: np.ndarray | None = None
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)


class StoredFaces(FaceDataset):
    """The faces of a table, converted to a size and a number of channels."""

    def __init__(self, split: str, size: int, channels: int, table: Table, problems: Sequence[Problem] = ()) -> None:
        if channels not in (1, 3):
            raise ValueError(f"channels is {channels}; use 1 for greyscale or 3 for RGB")
        self.split, self.size, self.channels = split, size, channels
        self.problems = tuple(problems)
        self.labels = torch.from_numpy(table.labels.astype(np.int64))
        self.persons = None if table.persons is None else torch.from_numpy(table.persons.astype(np.int64))
        self._pixels, self._rows, self._names = table.pixels, table.rows, tuple(table.names)
        self._known = {name: torch.from_numpy(value) for name, value in table.known.items()}
        self._attributes = {name: torch.from_numpy(value) for name, value in table.attributes.items()}

    def faces(self, indices: Sequence[int] | Tensor) -> Faces:
        index = torch.as_tensor(indices, dtype=torch.long)
        faces = Faces(
            from_uint8(torch.from_numpy(self.bytes(index))),
            emotion=self.labels[index],
            person=None if self.persons is None else self.persons[index],
            names=tuple(self._names[i] for i in index.tolist()),
            attributes={name: value[index] for name, value in self._attributes.items()},
            **{name: value[index] for name, value in self._known.items()},
        )
        return faces.fitted(self.size, self.channels)

    def bytes(self, indices: Tensor) -> np.ndarray:
        """The images at these indices as stored, (N, C, H, W) or (N, T, C, H, W) uint8."""
        return np.asarray(self._pixels[self._rows[indices.numpy()]])

    def __getstate__(self) -> dict:
        # The worker processes of a loader map the file again; otherwise the whole array would be copied to them.
        state = self.__dict__.copy()
        if isinstance(self._pixels, np.memmap):
            state["_pixels"] = Path(self._pixels.filename)
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        if isinstance(self._pixels, Path):
            self._pixels = np.load(self._pixels, mmap_mode="r")
