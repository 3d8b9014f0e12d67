"""Photographs and cartoons as one dataset.

Source  joint training with a mask vector in StarGAN (Choi 2018, §3.3) and P2, §4.3.
"""

from __future__ import annotations

import torch

from facekit.datasets.base import FaceDataset, open_dataset
from facekit.faces.faces import Faces
from facekit.faces.parts import DOMAINS


class JointFaces(FaceDataset):
    """The faces of a dataset of photographs, followed by those of a dataset of cartoons, with emotion and domain.

    split           split of both datasets
    size, channels  pixels, and 3 or 1
    photo, cartoon  names of the datasets; "synthetic" renders faces of that domain

    For synthetic faces of both domains, use the option `domain="both"` of `SyntheticFaces` instead. Raises `ValueError`
    for unknown names, and `DatasetMissing` if one of the two datasets is not found.
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
        self.datasets = [
            open_dataset(name, split, **look | ({"domain": domain, "cache": True} if name == "synthetic" else {}))
            for name, domain in zip((photo, cartoon), DOMAINS, strict=True)
        ]
        self.labels = torch.cat([dataset.labels for dataset in self.datasets])
        self.problems = tuple(problem for dataset in self.datasets for problem in dataset.problems)

    def faces(self, indices) -> Faces:
        index = torch.as_tensor(indices, dtype=torch.long) % len(self)
        first = len(self.datasets[0])
        domain = (index >= first).long()
        images = torch.empty(len(index), self.channels, self.size, self.size)
        for i, dataset in enumerate(self.datasets):
            rows = (domain == i).nonzero()[:, 0]
            if len(rows):
                images[rows] = dataset.faces(index[rows] - i * first).images
        return Faces(images, emotion=self.labels[index], domain=domain)
