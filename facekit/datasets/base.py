"""What every dataset of faces has in common, and how one is opened by name."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from facekit.faces.emotions import EMOTIONS
from facekit.faces.faces import Faces

SPLITS = ("train", "valid", "test")

# name -> "module:class"; a module is imported only when its dataset is opened.
DATASETS: dict[str, str] = {
    "synthetic": "facekit.datasets.synthetic:SyntheticFaces",
    "fer2013": "facekit.datasets.fer2013:FER2013",
    "ckplus": "facekit.datasets.ckplus:CKPlus",
    "ferg": "facekit.datasets.ferg:FERG",
    "affectnet": "facekit.datasets.affectnet:AffectNet",
    "rafd": "facekit.datasets.rafd:RaFD",
    "synthetic_pairs": "facekit.datasets.synthetic.pairs:SyntheticPairs",
    "pairs": "facekit.datasets.pairs:NeutralHappyPairs",
    "folder": "facekit.datasets.folder:PictureFolder",
    "joint": "facekit.datasets.joint:JointFaces",
}


class DatasetMissing(FileNotFoundError):
    """A dataset's files are not where they are looked for. The message says where to get and where to put them."""


@dataclass(frozen=True)
class Problem:
    """One picture or row that could not be used: where it is and what is wrong with it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class FaceDataset(Dataset):
    """Pictures of faces by index; the i-th is the same however it is fetched.

    A subclass sets the attributes below and implements `faces`.

    name      key in `DATASETS`
    split     one of `SPLITS`
    size      height and width in pixels
    channels  1 or 3
    labels    (len,) int64 indices into `EMOTIONS`, known without loading a picture; -1 where unlabelled
    persons   (len,) int64, or None where people are not told apart
    problems  what was found unusable and left out
    """

    name: str
    split: str
    size: int
    channels: int
    labels: Tensor
    persons: Tensor | None = None
    problems: Sequence[Problem] = ()

    def faces(self, indices: Sequence[int] | Tensor) -> Faces:
        """The faces at these indices, in this order."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Faces:
        return self.faces([range(len(self))[index]])

    def __getitems__(self, indices: list[int]) -> Faces:
        # The DataLoader fetches a whole batch through this one call.
        return self.faces(indices)

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that occur, in the suite's order."""
        present = set(self.labels.tolist())
        return tuple(name for i, name in enumerate(EMOTIONS) if i in present)

    def class_counts(self) -> dict[str, int]:
        """Pictures by emotion, of those that occur."""
        counts = torch.bincount(self.labels[self.labels >= 0], minlength=len(EMOTIONS)).tolist()
        return {name: count for name, count in zip(EMOTIONS, counts, strict=True) if count}


def dataset_class(name: str) -> type[FaceDataset]:
    """The class of a dataset by name; raises `ValueError` for one that does not exist."""
    if name not in DATASETS:
        raise ValueError(f"{name!r} is no dataset; known are {', '.join(DATASETS)}")
    module, _, cls = DATASETS[name].partition(":")
    return getattr(importlib.import_module(module), cls)


def open_dataset(name: str, split: str = "train", **options) -> FaceDataset:
    """A dataset by name: `open_dataset("fer2013", "test", size=48)`.

    Options are those of the dataset's class. Raises `ValueError` for an unknown name or split, and
    `DatasetMissing` where the files are not there.
    """
    kind = dataset_class(name)
    if split not in SPLITS:
        raise ValueError(f"{split!r} is no split; use one of {', '.join(SPLITS)}")
    return kind(split=split, **options)


def loader(
    dataset: FaceDataset,
    batch_size: int,
    *,
    shuffle: bool = False,
    sampler: Sampler | None = None,
    drop_last: bool = False,
    seed: int = 0,
    workers: int = 0,
) -> DataLoader:
    """A DataLoader that gives `Faces`. With the same seed it shuffles the same way."""
    return DataLoader(
        dataset,
        batch_size,
        shuffle=shuffle if sampler is None else None,
        sampler=sampler,
        drop_last=drop_last,
        num_workers=workers,
        collate_fn=_as_faces,
        generator=torch.Generator().manual_seed(seed),
    )


def _as_faces(batch: Faces | list[Faces]) -> Faces:
    return batch if isinstance(batch, Faces) else Faces.cat(batch)
