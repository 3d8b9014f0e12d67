"""Datasets whose pictures are held as one array of bytes, in memory or mapped from a cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from facekit.datasets.base import FaceDataset, Problem
from facekit.faces import Faces, from_uint8


class StoredFaces(FaceDataset):
    """Pictures as uint8, and what is known of each.

    pixels    (R, C, H, W) or sequences (R, T, C, H, W), 0..255; a picture of another size or number of channels
              than asked for is changed when it is fetched
    rows      (len,) which of the R belong to this split and are usable
    known     further fields of `Faces` by name (action_units, landmarks, intensity, ...), each (len, ...)
    """

    def __init__(
        self,
        split: str,
        size: int,
        channels: int,
        *,
        pixels: np.ndarray,
        rows: np.ndarray,
        labels: np.ndarray,
        names: Sequence[str],
        persons: np.ndarray | None = None,
        known: Mapping[str, Tensor] | None = None,
        attributes: Mapping[str, Tensor] | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        if channels not in (1, 3):
            raise ValueError(f"channels is {channels}; use 1 for grey or 3 for colour")
        self.split, self.size, self.channels = split, size, channels
        self.labels = torch.from_numpy(np.array(labels, dtype=np.int64))
        self.persons = None if persons is None else torch.from_numpy(np.array(persons, dtype=np.int64))
        self.problems = tuple(problems)
        self._pixels, self._rows, self._names = pixels, np.asarray(rows), tuple(names)
        self._known, self._attributes = dict(known or {}), dict(attributes or {})

    def faces(self, indices: Sequence[int] | Tensor) -> Faces:
        index = torch.as_tensor(indices, dtype=torch.long)
        images = from_uint8(torch.from_numpy(self._pixels[self._rows[index.numpy()]]))
        faces = Faces(
            images,
            emotion=self.labels[index],
            person=None if self.persons is None else self.persons[index],
            names=tuple(self._names[i] for i in index.tolist()),
            attributes={name: value[index] for name, value in self._attributes.items()},
            **{name: value[index] for name, value in self._known.items()},
        )
        return (faces.gray() if self.channels == 1 else faces.rgb()).resized(self.size)
