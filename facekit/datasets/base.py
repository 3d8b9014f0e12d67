"""The base class of all datasets, and opening a dataset by name."""

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

# name -> "module:class"; the module is imported when the dataset is opened.
DATASETS: dict[str, str] = {
    "synthetic": "facekit.datasets.synthetic:SyntheticFaces",
    "fer2013": "facekit.datasets.fer2013:FER2013",
    "ckplus": "facekit.datasets.ckplus:CKPlus",
    "ferg": "facekit.datasets.ferg:FERG",
    "affectnet": "facekit.datasets.affectnet:AffectNet",
    "rafd": "facekit.datasets.rafd:RaFD",
    "rafdb": "facekit.datasets.rafdb:RAFDB",
    "jaffe": "facekit.datasets.jaffe:JAFFE",
    "kdef": "facekit.datasets.kdef:KDEF",
    "expw": "facekit.datasets.expw:ExpW",
    "sfew": "facekit.datasets.sfew:SFEW",
    "oulu_casia": "facekit.datasets.oulu_casia:OuluCASIA",
    "mug": "facekit.datasets.mug:MUG",
    "emotionet": "facekit.datasets.emotionet:EmotioNet",
    "celeba": "facekit.datasets.celeba:CelebA",
    "lfw": "facekit.datasets.lfw:LFW",
    "synthetic_pairs": "facekit.datasets.synthetic.pairs:SyntheticPairs",
    "synthetic_transfers": "facekit.datasets.synthetic.pairs:SyntheticTransfers",
    "synthetic_motions": "facekit.datasets.synthetic.motions:SyntheticMotions",
    "pairs": "facekit.datasets.pairs:NeutralHappyPairs",
    "folder": "facekit.datasets.folder:PictureFolder",
    "joint": "facekit.datasets.joint:JointFaces",
}


class DatasetMissing(FileNotFoundError):
    """The files of a dataset are not found. The message explains where to obtain them and where to put them."""


@dataclass(frozen=True)
class Problem:
    """A file or row that cannot be used: its location (`where`) and the reason (`what`)."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class FaceDataset(Dataset):
    """Images of faces by index. A face does not depend on the batch in which it is fetched.

    A subclass sets these attributes and implements `faces`.

    name      key in `DATASETS`
    split     one of `SPLITS`
    size      height and width in pixels
    channels  1 or 3
    labels    (len,) int64 indices into `EMOTIONS`, available without loading an image; -1 where unlabelled
    persons   (len,) int64, or None where identities are unknown
    problems  unusable files or rows that were left out
    """

    name: str
    split: str
    size: int
    channels: int
    labels: Tensor
    persons: Tensor | None = None
    problems: Sequence[Problem] = ()

    def faces(self, indices: Sequence[int] | Tensor) -> Faces:
        """The faces at these indices, in the given order."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Faces:
        return self.faces([range(len(self))[index]])

    def __getitems__(self, indices: list[int]) -> Faces:
        # The DataLoader fetches a whole batch with this call.
        return self.faces(indices)

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that occur, in the order of `EMOTIONS`."""
        present = set(self.labels.tolist())
        return tuple(name for i, name in enumerate(EMOTIONS) if i in present)

    def class_counts(self) -> dict[str, int]:
        """Number of images of each emotion that occurs."""
        counts = torch.bincount(self.labels[self.labels >= 0], minlength=len(EMOTIONS)).tolist()
        return {name: count for name, count in zip(EMOTIONS, counts, strict=True) if count}


def dataset_class(name: str) -> type[FaceDataset]:
    """The class of a dataset by name; raises `ValueError` for an unknown name."""
    if name not in DATASETS:
        raise ValueError(f"{name!r} is not a dataset; use one of {', '.join(DATASETS)}")
    module, _, cls = DATASETS[name].partition(":")
    return getattr(importlib.import_module(module), cls)


def open_dataset(name: str, split: str = "train", **options) -> FaceDataset:
    """Open a dataset by name: `open_dataset("fer2013", "test", size=48)`.

    Options are the arguments of the dataset's class. Raises `ValueError` for an unknown name or split, and
    `DatasetMissing` if its files are not found.
    """
    kind = dataset_class(name)
    if split not in SPLITS:
        raise ValueError(f"{split!r} is not a split; use one of {', '.join(SPLITS)}")
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
    """A DataLoader whose batches are `Faces`. Its shuffling depends on the seed alone."""
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
