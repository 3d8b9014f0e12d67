"""Noise with one seed per face, so that the result for a face does not depend on the rest of its batch."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

Seeds = int | Sequence[int] | Tensor
"""One integer for all faces, which then get the same noise, or one per face."""


def noise_stream(seeds: Seeds, shape: Sequence[int], device: torch.device | str = "cpu") -> Iterator[Tensor]:
    """An endless stream of standard normal noise: the initial noise, then one tensor for each step that needs some.

    seeds   one integer, or N
    shape   (N, ...) of each tensor

    Row i of the k-th tensor depends on seed i and k alone. The numbers are drawn on the CPU for every device, so that
    a seed gives the same image everywhere. Raises `ValueError` where the numbers of seeds and rows differ.
    """
    shape = tuple(map(int, shape))  # the tracer of an export gives sizes as tensors
    if isinstance(seeds, int):
        return _draw_for_all(seeds, shape, torch.device(device))
    return _draw(face_generators(seeds, shape[0]), shape, torch.device(device))


def face_generators(seeds: Seeds, faces: int) -> list[torch.Generator]:
    """One generator on the CPU per face, or a single one where all faces share a seed.

    Raises `ValueError` where the numbers of seeds and faces differ.
    """
    if isinstance(seeds, int):
        seeds = [seeds]
    elif len(seeds) != faces:
        raise ValueError(f"there are {len(seeds)} seeds for {faces} faces: give one integer, or one per face")
    return [torch.Generator().manual_seed(int(seed)) for seed in seeds]


def _draw(generators: list[torch.Generator], shape: tuple[int, ...], device: torch.device) -> Iterator[Tensor]:
    while True:
        drawn = torch.empty(len(generators), *shape[1:])
        for row, generator in zip(drawn, generators, strict=True):
            row.normal_(generator=generator)
        yield drawn.to(device).expand(shape)


def _draw_for_all(seed: int, shape: tuple[int, ...], device: torch.device) -> Iterator[Tensor]:
    """The noise that all faces share. The first tensor is kept, as an interface asks for the same one at every move of
    a slider; in an exported network it is a constant."""
    first, state = _first(seed, shape[1:])
    yield first.to(device).expand(shape)
    generator = torch.Generator()
    generator.set_state(state)
    yield from _draw([generator], shape, device)


@functools.lru_cache(maxsize=8)
def _first(seed: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The first noise (1, ...) of a seed, and the state of its generator afterwards."""
    generator = torch.Generator().manual_seed(seed)
    return torch.empty(1, *shape).normal_(generator=generator), generator.get_state()


def seeded_noise(seeds: Seeds, shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """The first tensor of `noise_stream`."""
    return next(noise_stream(seeds, shape, device))
