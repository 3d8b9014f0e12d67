"""Supervised data: each synthetic face with its counterfactual, the same face with another expression.

Photographs have no such ground truth. Weights that were trained with it are named after these datasets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from facekit.datasets.base import FaceDataset
from facekit.datasets.cache import cached_arrays
from facekit.datasets.synthetic.dataset import SyntheticFaces
from facekit.datasets.synthetic.draws import uniform
from facekit.datasets.synthetic.options import MAX_FACES
from facekit.datasets.synthetic.render import RENDERER_VERSION
from facekit.datasets.synthetic.split import write_split
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, from_uint8, to_uint8


class _WithCounterfactuals(FaceDataset):
    """Faces of `SyntheticFaces`, and a counterfactual of each. A subclass states its expression by `_target`.

    options  of the dataset, without those that every subclass shares with `SyntheticFaces`; types of JSON
    """

    def __init__(self, faces: SyntheticFaces, cache: bool | Path | str | None, options: Mapping[str, object]) -> None:
        self._faces = faces
        self.split, self.size, self.channels = faces.split, faces.size, faces.channels
        self.persons = faces.persons
        shared = {name: faces.options[name] for name in ("split", "people", "faces_per_person", "size", "channels")}
        self.options = {**shared, **options}
        self._cached = None  # while the cache is being written
        if cache:
            key = {**faces.options, **options, "landmarks": True, "renderer": RENDERER_VERSION}
            home = None if cache is True else Path(cache)
            name = self.name.replace("_", "-")
            self._cached = cached_arrays(f"{name}-{self.split}", key, partial(write_split, self), home)

    def __len__(self) -> int:
        return len(self._faces)

    def _target(self, index: Tensor) -> Expression:
        """The expressions of the counterfactuals of these faces (N,)."""
        raise NotImplementedError

    def render(self, index: Tensor, device: torch.device | None = None) -> Faces:
        """Render the counterfactuals of the faces at non-negative indices (N,), without the cache and without masks."""
        rendered = self._faces.render(index, device, target=self._target(index))
        return dataclasses.replace(rendered, mask=None)

    def _counterfactuals(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) and landmarks (N, 68, 2) of the counterfactuals."""
        if self._cached is not None:
            stored = {name: torch.from_numpy(values[index.numpy()]) for name, values in self._cached.items()}
            return from_uint8(stored["images"]), stored["landmarks"]
        rendered = self.render(index)
        return from_uint8(to_uint8(rendered.images)), rendered.landmarks


class SyntheticPairs(_WithCounterfactuals):
    """Sequences of two frames: a face of `SyntheticFaces`, and its counterfactual with a random target expression.

    `emotion` is the target emotion, drawn from `PROTOCOL_EMOTIONS`; `intensity`, (N, 2), is that of either frame; the
    emotion of the first frame is `attributes["true_emotion"]`.

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
        faces = SyntheticFaces(
            split, people=people, faces_per_person=faces_per_person, size=size, channels=channels, cache=cache
        )
        number = _numbers(faces)
        self.labels = (uniform(number, "asked emotion") * len(PROTOCOL_EMOTIONS)).long()
        self._target_intensity = uniform(number, "asked intensity", *intensity)
        super().__init__(faces, cache, {"intensity": list(intensity)})

    def faces(self, indices) -> Faces:
        index = torch.as_tensor(indices, dtype=torch.long) % len(self)
        faces = self._faces.faces(index)
        images, landmarks = self._counterfactuals(index)
        return Faces(
            torch.stack([faces.images, images], 1),
            emotion=self.labels[index],
            intensity=torch.stack([faces.intensity, self._target_intensity[index]], 1),
            landmarks=torch.stack([faces.landmarks, landmarks], 1),
            person=faces.person,
            domain=faces.domain,
            attributes=faces.attributes,
        )

    def _target(self, index: Tensor) -> Expression:
        return Expression.from_labels(self.labels[index], self._target_intensity[index])


class SyntheticTransfers(_WithCounterfactuals):
    """Sequences of three frames: a face, a driver, and the ground truth of expression transfer from the driver.

    The driver is another person's face, and the third frame the counterfactual of the face with the driver's action
    units. `landmarks` (N, 3, 68, 2) and `action_units` (N, 3, A) are those of the frames; `emotion` is the driver's
    label, which is -1 for one with random action units, and `person` the face's.

    split, people, faces_per_person, size, channels, cache  as for `SyntheticFaces`
    free_units, one_sided  as for `SyntheticFaces`: shares of faces with random and with one-sided action units
    """

    name = "synthetic_transfers"

    def __init__(
        self,
        split: str = "train",
        *,
        people: int | None = None,
        faces_per_person: int = 8,
        size: int = 64,
        channels: int = 3,
        free_units: float = 0.5,
        one_sided: float = 0.33,
        cache: bool | Path | str | None = None,
    ) -> None:
        faces = SyntheticFaces(
            split, people=people, faces_per_person=faces_per_person, size=size, channels=channels,
            free_units=free_units, one_sided=one_sided, cache=cache,
        )  # fmt: skip
        # Somebody else: the driver is at least as many faces away as each person has.
        away = uniform(_numbers(faces), "driver")
        others = max(len(faces) - 2 * faces_per_person, 1)
        self._driver = (torch.arange(len(faces)) + faces_per_person + (away * others).long()) % len(faces)
        self.labels = faces.labels[self._driver]
        super().__init__(faces, cache, {"free_units": free_units, "one_sided": one_sided})

    def faces(self, indices) -> Faces:
        index = torch.as_tensor(indices, dtype=torch.long) % len(self)
        face, driver = self._faces.faces(index), self._faces.faces(self._driver[index])
        images, landmarks = self._counterfactuals(index)
        frames = {
            "images": (face.images, driver.images, images),
            "landmarks": (face.landmarks, driver.landmarks, landmarks),
            "action_units": (face.action_units, driver.action_units, driver.action_units),
        }
        return Faces(
            **{name: torch.stack(values, 1) for name, values in frames.items()},
            emotion=self.labels[index],
            person=face.person,
            domain=face.domain,
        )

    def _target(self, index: Tensor) -> Expression:
        return Expression(action_units=self._faces.units(self._driver[index]))


def _numbers(faces: SyntheticFaces) -> Tensor:
    """A number of each face (len,) that no face of another split has: the keys of random draws."""
    return torch.arange(len(faces)) + int(faces.persons[0]) * MAX_FACES
