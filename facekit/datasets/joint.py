"""Photographs and cartoons as one dataset: what StarGAN's mask vector is for (Choi 2018, §3.3; P2 §4.3)."""

from __future__ import annotations

import torch

from facekit.datasets.base import FaceDataset, open_dataset
from facekit.faces.faces import Faces
from facekit.faces.parts import DOMAINS


class JointFaces(FaceDataset):
    """The faces of a dataset of photographs, then those of one of cartoons. Of a face its emotion and domain are known.

    split           of both
    size, channels  pixels, and 3 or 1
    photo, cartoon  names of the datasets; "synthetic" draws faces of that domain

    Drawn faces of both domains need no dataset of two: see `domain` of `SyntheticFaces`. Raises `ValueError` for names
    that do not exist, and `DatasetMissing` where one of the two is not there.
    """

    name = "joint"

    def __init__(
        self,
        split: str = "train",
        *,
        size: int = 48,
        channels: int = 3,
        photo: str = "fer2013",
        cartoon: str = "ferg",
    ) -> None:
        self.split, self.size, self.channels = split, size, channels
        look = {"size": size, "channels": channels}
        self.parts = [
            open_dataset(name, split, **look | ({"domain": domain, "cache": True} if name == "synthetic" else {}))
            for name, domain in zip((photo, cartoon), DOMAINS, strict=True)
        ]
        self.labels = torch.cat([part.labels for part in self.parts])
        self.problems = tuple(problem for part in self.parts for problem in part.problems)

    def faces(self, indices) -> Faces:
        index = torch.as_tensor(indices, dtype=torch.long) % len(self)
        first = len(self.parts[0])
        domain = (index >= first).long()
        images = torch.empty(len(index), self.channels, self.size, self.size)
        for i, part in enumerate(self.parts):
            rows = (domain == i).nonzero()[:, 0]
            if len(rows):
                images[rows] = part.faces(index[rows] - i * first).images
        return Faces(images, emotion=self.labels[index], domain=domain)
