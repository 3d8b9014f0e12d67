"""Noise that belongs to a face: drawn from the face's own seed, so that it does not depend on the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

Seeds = int | Sequence[int] | Tensor
"""One integer for all faces, which gives all of them the same noise, or one a face."""


def noise_stream(seeds: Seeds, shape: Sequence[int], device: torch.device | str = "cpu") -> Iterator[Tensor]:
    """Normal noise without end, each draw of this shape: for the start, then for every step that needs some.

    seeds   one integer, or N
    shape   (N, ...) of a draw

    Row i of the k-th draw depends on seed i and k alone. The numbers are drawn on the CPU whatever the device, so
    that a seed means the same picture everywhere. Raises `ValueError` where seeds and rows differ in number.
    """
    return _draw(face_generators(seeds, shape[0]), tuple(shape), torch.device(device))


def face_generators(seeds: Seeds, faces: int) -> list[torch.Generator]:
    """A generator on the CPU for each face, or a single one where one seed is for all.

    Raises `ValueError` where seeds and faces differ in number.
    """
    if isinstance(seeds, int):
        seeds = [seeds]
    elif len(seeds) != faces:
        raise ValueError(f"there are {len(seeds)} seeds for {faces} faces: give one integer, or one a face")
    return [torch.Generator().manual_seed(int(seed)) for seed in seeds]


def _draw(generators: list[torch.Generator], shape: tuple[int, ...], device: torch.device) -> Iterator[Tensor]:
    while True:
        drawn = torch.empty(len(generators), *shape[1:])
        for row, generator in zip(drawn, generators, strict=True):
            row.normal_(generator=generator)
        yield drawn.to(device).expand(shape)


def noise_of(seeds: Seeds, shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """The first noise of each seed's stream; see `noise_stream`."""
    return next(noise_stream(seeds, shape, device))
