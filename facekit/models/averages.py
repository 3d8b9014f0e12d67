"""Exponential moving averages of weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class MovingAverage(AveragedModel):
    """An exponential moving average of all parameters and buffers of a system; `module` is the averaged system.

    decay  weight of the old average in each update; smaller in the first updates, see `update_average`
    """

    def __init__(self, system: nn.Module, decay: float) -> None:
        super().__init__(system, multi_avg_fn=self._update_tensors, use_buffers=True)
        self.decay = decay
        self.eval()

    def _update_tensors(self, averages: list[Tensor], current: list[Tensor], _: Tensor) -> None:
        _update_tensors(averages, current, int(self.n_averaged), self.decay)


def update_average(average: nn.Module, current: nn.Module, updates: int, decay: float) -> None:
    """Update in place a module that holds the moving average of another module's state.

    updates  number of updates before this one
    decay    weight of the old average; at most (1 + updates) / (10 + updates), so that the average of a short run does
             not contain the initial weights

    Integer tensors (counters) are copied instead of averaged. Tensors that only `current` has are ignored.
    """
    state, now = average.state_dict(), current.state_dict()
    _update_tensors(list(state.values()), [now[name] for name in state], updates, decay)


@torch.no_grad()
def _update_tensors(averages: Sequence[Tensor], current: Sequence[Tensor], updates: int, decay: float) -> None:
    averaged = [pair for pair in zip(averages, current, strict=True) if pair[0].is_floating_point()]
    copied = [pair for pair in zip(averages, current, strict=True) if not pair[0].is_floating_point()]
    if averaged:
        torch._foreach_lerp_(*map(list, zip(*averaged, strict=True)), 1 - min(decay, (1 + updates) / (10 + updates)))
    if copied:
        torch._foreach_copy_(*map(list, zip(*copied, strict=True)))
