"""Drawn faces, each beside the same person in the same view with another expression: the answers to edits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facekit.datasets.base import FaceDataset
from facekit.datasets.cache import cached_arrays
from facekit.datasets.synthetic.dataset import SyntheticFaces
from facekit.datasets.synthetic.draws import uniform
from facekit.datasets.synthetic.render import RENDERER_VERSION
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, from_uint8, to_uint8


class SyntheticPairs(FaceDataset):
    """Sequences of two frames: a face of `SyntheticFaces`, and its true counterfactual.

    Only the paired oracle may learn from it: no other generator is shown answers. The face's emotion is the one that
    is asked for, drawn from `PROTOCOL_EMOTIONS`, and its intensity (N, 2) that of either frame; what the first frame
    shows is in `attributes["true_emotion"]`.

    split, people, faces_per_person, size, channels, cache  as those of `SyntheticFaces`
    intensity  range of what is asked for
    """

    name = "synthetic_pairs"

    def __init__(
        self,
        split: str = "train",
        *,
        people: int | None = None,
        faces_per_person: int = 8,
        size: int = 64,
        channels: int = 3,
        intensity: tuple[float, float] = (0.1, 1.0),
        cache: bool | Path | str | None = None,
    ) -> None:
        self._faces = SyntheticFaces(
            split, people=people, faces_per_person=faces_per_person, size=size, channels=channels, cache=cache
        )
        self.split, self.size, self.channels = split, size, channels
        self.persons = self._faces.persons
        index = torch.arange(len(self._faces)) + int(self.persons[0]) * 1000
        self.labels = (uniform(index, "asked emotion") * len(PROTOCOL_EMOTIONS)).long()
        self._asked = uniform(index, "asked intensity", *intensity)
        self._answers = self._open_cache(cache, intensity)

    def faces(self, indices) -> Faces:
        faces = self._faces.faces(indices)
        index = torch.as_tensor(indices, dtype=torch.long) % len(self)
        pair = torch.stack([faces.images, self._answer(index)], 1)
        intensity = torch.stack([faces.intensity, self._asked[index]], 1)
        return Faces(
            pair,
            emotion=self.labels[index],
            intensity=intensity,
            person=faces.person,
            domain=faces.domain,
            attributes=faces.attributes,
        )

    def _answer(self, index: Tensor) -> Tensor:
        if self._answers is not None:
            return from_uint8(torch.from_numpy(self._answers["images"][index.numpy()]))
        asked = Expression.from_labels(self.labels[index], self._asked[index])
        return self._faces.counterfactual(index, asked).images

    def _open_cache(self, cache: bool | Path | str | None, intensity: tuple[float, float]) -> dict | None:
        self._answers = None
        if not cache:
            return None
        key = {**self._faces.options, "asked": list(intensity), "renderer": RENDERER_VERSION}
        home = None if cache is True else Path(cache)
        return cached_arrays(f"synthetic-pairs-{self.split}", key, self._write_cache, home)

    def _write_cache(self, folder: Path) -> None:
        parts = torch.arange(len(self)).split(256)
        shape = (len(self), self.channels, self.size, self.size)
        file = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape)
        for part in parts:
            file[part[0] : part[-1] + 1] = to_uint8(self._answer(part)).numpy()
        file.flush()
