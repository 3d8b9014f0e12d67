"""A split that is kept on the device of the training, where batches are indexed: no workers, no transfers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from facekit.datasets.base import FaceDataset, loader
from facekit.faces.faces import Faces, from_uint8, to_uint8
from facekit.training.order import FaceOrder

_READ = 256  # faces read at once


class ResidentFaces:
    """All faces of a dataset on a device. Images with 8 bits per channel are kept as bytes.

    workers  processes that read the dataset
    """

    def __init__(self, dataset: FaceDataset, device: torch.device, workers: int = 0) -> None:
        parts = [_packed(faces, device) for faces in loader(dataset, _READ, workers=workers)]
        images, rest, names = zip(*parts, strict=True)
        exact = all(part.dtype == torch.uint8 for part in images)
        self._images = torch.cat([part if exact else _unpacked(part) for part in images])
        self._rest = {key: torch.cat([part[key] for part in rest]) for key in rest[0]}
        self._names = tuple(name for part in names for name in part) if names[0] is not None else None
        self._device = device

    def faces(self, indices: Sequence[int]) -> Faces:
        """The faces at these indices, in the given order, as the dataset returns them, on the device."""
        at = torch.tensor(indices).to(self._device, non_blocking=True)
        fields, attributes = {}, {}
        for (group, name), values in self._rest.items():
            (attributes if group == "attributes" else fields)[name] = values[at]
        names = None if self._names is None else tuple(self._names[i] for i in indices)
        return Faces(_unpacked(self._images[at]), **fields, attributes=attributes, names=names)

    def batches(self, order: FaceOrder, batch: int) -> Iterator[Faces]:
        """The faces in an order, in batches."""
        indices = iter(order)
        while part := list(islice(indices, batch)):
            yield self.faces(part)


def fits(dataset: FaceDataset, device: torch.device, share: float) -> bool:
    """Whether a dataset takes at most this share of a GPU's free memory; never on a CPU, which reads from files."""
    if device.type != "cuda" or not share:
        return False
    return memory(dataset) <= share * torch.cuda.mem_get_info(device)[0]


def memory(dataset: FaceDataset) -> int:
    """How many bytes a dataset takes as `ResidentFaces`, from its first face."""
    images, rest, _ = _packed(dataset.faces([0]), torch.device("cpu"))
    return len(dataset) * sum(value.nbytes for value in (images, *rest.values()))


def _packed(faces: Faces, device: torch.device) -> tuple[Tensor, dict[tuple[str, str], Tensor], tuple[str, ...] | None]:
    """Images, as bytes if that is exact; the other tensors by group and name; and the names; all on the device."""
    small = to_uint8(faces.images)
    images = small if torch.equal(from_uint8(small), faces.images) else faces.images
    fields = {field.name: getattr(faces, field.name) for field in dataclasses.fields(faces) if field.name != "images"}
    rest = {("fields", name): value for name, value in fields.items() if isinstance(value, Tensor)}
    rest |= {("attributes", name): value for name, value in faces.attributes.items()}
    return images.to(device), {key: value.to(device) for key, value in rest.items()}, faces.names


def _unpacked(images: Tensor) -> Tensor:
    return from_uint8(images) if images.dtype == torch.uint8 else images
