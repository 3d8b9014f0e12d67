"""Records whose every field holds one row per face."""

from __future__ import annotations

import dataclasses
from typing import Self

from torch import Tensor


class Rows:
    """Base of a frozen dataclass of tensors that all have N rows."""

    def __len__(self) -> int:
        return next(iter(vars(self).values())).shape[0]

    def _map(self, change) -> Self:
        return dataclasses.replace(self, **{name: change(value) for name, value in vars(self).items()})

    def __getitem__(self, index) -> Self:
        """Some of the rows, by slice, list, index tensor or mask; a single integer keeps its row as N = 1."""
        return self._map(lambda value: value[[index] if isinstance(index, int) else index])

    def to(self, device) -> Self:
        """The same on another device."""
        return self._map(lambda value: value.to(device))

    def repeat_interleave(self, times: int) -> Self:
        """Each row `times` times in succession: one row per frame of a sequence."""
        return self._map(lambda value: value.repeat_interleave(times, 0))

    def replace(self, **columns: Tensor) -> Self:
        """The same with some columns changed: `identity.replace(glasses=torch.ones(n, dtype=torch.long))`."""
        return dataclasses.replace(self, **columns)
