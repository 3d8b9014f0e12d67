"""What a network is told beside the picture, as vectors of one length: the timestep, an emotion, a face's code."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from facekit.layers.initialise import initialise


def sinusoids(timesteps: Tensor, dim: int, longest: float = 10_000) -> Tensor:
    """Timesteps (N,), whole or not, as sines and cosines (N, dim) of periods 2 pi to 2 pi `longest` (Vaswani 2017,
    section 3.5, as Ho 2020 use it). `dim` is even."""
    half = dim // 2
    frequencies = torch.exp(-math.log(longest) * torch.arange(half, device=timesteps.device) / half)
    angles = timesteps.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class TimestepEmbedding(nn.Sequential):
    """Timesteps (N,) from 0 to T - 1, whole or not, to (N, dim): sinusoids, then an MLP of two layers."""

    def __init__(self, dim: int) -> None:
        if dim % 2:
            raise ValueError(f"a timestep embedding has as many sines as cosines: dim must be even, and is {dim}")
        super().__init__(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.dim = dim
        initialise(self)

    def forward(self, timesteps: Tensor) -> Tensor:
        return super().forward(sinusoids(timesteps, self.dim))


class _Embedding(nn.Module):
    """A vector of `size` numbers to one of `dim`, linearly; what was dropped, to a learned vector of its own."""

    def __init__(self, size: int, dim: int, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(size, dim, bias=bias)
        initialise(self)
        self.null = nn.Parameter(torch.zeros(dim))

    def forward(self, given: Tensor, dropped: Tensor | None = None) -> Tensor:
        embedded = self.linear(given)
        if dropped is None:
            return embedded
        return torch.where(dropped[:, None], self.null.to(embedded.dtype), embedded)


class ExpressionEmbedding(_Embedding):
    """Emotion weights (N, emotions) to (N, dim), one learned row an emotion, blended by the weights.

    So happy at 0.5 lies half-way from neutral to happy, as in the algebra of `Expression`. Faces where `dropped`
    (N,) is true get the learned row that stands for "no label".
    """

    def __init__(self, emotions: int, dim: int) -> None:
        super().__init__(emotions, dim, bias=False)
        nn.init.normal_(self.linear.weight)  # as a table of embeddings starts: one row is one weight's column


class CodeEmbedding(_Embedding):
    """Face codes (N, code_dim) to (N, dim), linearly; the caller brings codes of variance about 1.

    Faces where `dropped` (N,) is true get the learned vector that stands for "no face".
    """

    def __init__(self, code_dim: int, dim: int) -> None:
        super().__init__(code_dim, dim, bias=True)
