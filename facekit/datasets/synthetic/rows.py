"""Base class of records whose fields have one row per face."""

from __future__ import annotations

import dataclasses
from typing import Self

from torch import Tensor


class Rows:
    """Base class of a frozen dataclass of tensors (N, ...)."""

    def __len__(self) -> int:
        return next(iter(vars(self).values())).shape[0]

    def _map(self, change) -> Self:
        return dataclasses.replace(self, **{name: change(value) for name, value in vars(self).items()})

    def __getitem__(self, index) -> Self:
        """Select rows by slice, list, index tensor or mask; a single integer returns one row (N = 1)."""
        return self._map(lambda value: value[[index] if isinstance(index, int) else index])

    def to(self, device) -> Self:
        """Move all tensors to a device."""
        return self._map(lambda value: value.to(device))

    def repeat_interleave(self, times: int) -> Self:
        """Repeat each row `times` times in succession: one row per frame of a sequence."""
        return self._map(lambda value: value.repeat_interleave(times, 0))

    def replace(self, **columns: Tensor) -> Self:
        """A copy with some fields replaced: `identity.replace(glasses=torch.ones(n, dtype=torch.long))`."""
        return dataclasses.replace(self, **columns)
