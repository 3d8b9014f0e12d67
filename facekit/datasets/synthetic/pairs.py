"""Supervised pairs: each synthetic face with its counterfactual, the same face with another expression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facekit.datasets.base import FaceDataset
from facekit.datasets.cache import cached_arrays
from facekit.datasets.synthetic.dataset import SyntheticFaces
from facekit.datasets.synthetic.draws import uniform
from facekit.datasets.synthetic.options import MAX_FACES
from facekit.datasets.synthetic.render import RENDERER_VERSION
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, from_uint8, to_uint8


class SyntheticPairs(FaceDataset):
    """Sequences of two frames: a face of `SyntheticFaces`, and its counterfactual with a random target expression.

    Only the paired oracle is trained on these pairs; every other generator learns without ground truth. `emotion` is
    the target emotion, drawn from `PROTOCOL_EMOTIONS`; `intensity`, (N, 2), is that of either frame; the emotion of the
    first frame is `attributes["true_emotion"]`.

    split, people, faces_per_person, size, channels, cache  as for `SyntheticFaces`
    intensity  range of the target intensity
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
        index = torch.arange(len(self._faces)) + int(self.persons[0]) * MAX_FACES
        self.labels = (uniform(index, "asked emotion") * len(PROTOCOL_EMOTIONS)).long()
        self._target_intensity = uniform(index, "asked intensity", *intensity)
        self._cached = self._open_cache(cache, intensity)

    def faces(self, indices) -> Faces:
        faces = self._faces.faces(indices)
        index = torch.as_tensor(indices, dtype=torch.long) % len(self)
        pair = torch.stack([faces.images, self._counterfactual(index)], 1)
        intensity = torch.stack([faces.intensity, self._target_intensity[index]], 1)
        return Faces(
            pair,
            emotion=self.labels[index],
            intensity=intensity,
            person=faces.person,
            domain=faces.domain,
            attributes=faces.attributes,
        )

    def _counterfactual(self, index: Tensor) -> Tensor:
        if self._cached is not None:
            return from_uint8(torch.from_numpy(self._cached["images"][index.numpy()]))
        target = Expression.from_labels(self.labels[index], self._target_intensity[index])
        return self._faces.counterfactual(index, target).images

    def _open_cache(self, cache: bool | Path | str | None, intensity: tuple[float, float]) -> dict | None:
        self._cached = None  # while the cache is being written
        if not cache:
            return None
        key = {**self._faces.options, "target_intensity": list(intensity), "renderer": RENDERER_VERSION}
        home = None if cache is True else Path(cache)
        return cached_arrays(f"synthetic-pairs-{self.split}", key, self._write_cache, home)

    def _write_cache(self, folder: Path) -> None:
        parts = torch.arange(len(self)).split(256)
        shape = (len(self), self.channels, self.size, self.size)
        file = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape)
        for part in parts:
            file[part[0] : part[-1] + 1] = to_uint8(self._counterfactual(part)).numpy()
        file.flush()
