"""Embeddings of a network's conditions as vectors of one length: the timestep, an emotion label, a face code."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from facekit.layers.initialise import initialise


def sinusoids(timesteps: Tensor, dim: int, longest: float = 10_000) -> Tensor:
    """Sinusoidal encoding (N, dim) of timesteps (N,), integers or not (Vaswani 2017, §3.5; Ho 2020).

    dim      even; half of the columns are sines, half cosines
    longest  the periods range from 2 π to 2 π `longest`
    """
    half = dim // 2
    frequencies = torch.exp(-math.log(longest) * torch.arange(half, device=timesteps.device) / half)
    angles = timesteps.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class TimestepEmbedding(nn.Sequential):
    """Timesteps (N,) in [0, T - 1], integers or not, to (N, dim): sinusoids, then an MLP of two layers.

    Raises `ValueError` for an odd `dim`.
    """

    def __init__(self, dim: int) -> None:
        if dim % 2:
            raise ValueError(f"a timestep embedding has as many sines as cosines: dim must be even, but is {dim}")
        super().__init__(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.dim = dim
        initialise(self)

    def forward(self, timesteps: Tensor) -> Tensor:
        return super().forward(sinusoids(timesteps, self.dim))


class _Embedding(nn.Module):
    """A linear embedding of (N, size) as (N, dim), with a learned null vector for dropped conditions."""

    def __init__(self, size: int, dim: int, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(size, dim, bias=bias)
        initialise(self)
        self.null = nn.Parameter(torch.zeros(dim))

    def forward(self, condition: Tensor, dropped: Tensor | None = None) -> Tensor:
        embedded = self.linear(condition)
        if dropped is None:
            return embedded
        return torch.where(dropped[:, None], self.null.to(embedded.dtype), embedded)


class ExpressionEmbedding(_Embedding):
    """Emotion weights (N, emotions) to (N, dim): the weighted sum of one learned vector per emotion.

    The embedding of happy at intensity 0.5 is therefore the midpoint of those of neutral and happy, as in the algebra
    of `Expression`. Where `dropped` (N,) is true, the result is the learned null embedding, which means "no label".
    """

    def __init__(self, emotions: int, dim: int) -> None:
        super().__init__(emotions, dim, bias=False)
        nn.init.normal_(self.linear.weight)  # the usual start of an embedding table, whose rows are columns here


class CodeEmbedding(_Embedding):
    """Face codes (N, code_dim), expected to have a variance of about 1, to (N, dim), linearly.

    Where `dropped` (N,) is true, the result is the learned null embedding, which means "no face".
    """

    def __init__(self, code_dim: int, dim: int) -> None:
        super().__init__(code_dim, dim, bias=True)
