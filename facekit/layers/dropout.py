"""Dropout that draws each image's mask from a random generator of its own."""

from __future__ import annotations

import torch
from torch import Tensor


def seeded_dropout(x: Tensor, rate: float, generators: list[torch.Generator]) -> Tensor:
    """Dropout of maps (N, C, H, W), with kept values divided by 1 - rate.

    generators  one per image, so that an image's mask does not depend on its batch; or one for the whole batch, which
                then gets a single mask
    """
    uniform = torch.empty(len(generators), *x.shape[1:])
    for row, generator in zip(uniform, generators, strict=True):
        row.uniform_(generator=generator)
    return x * ((uniform >= rate) / (1 - rate)).to(x)
