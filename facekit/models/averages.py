"""Moving averages of weights, which do better than the weights of any one step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class MovingAverage(AveragedModel):
    """An exponential moving average of all parameters and buffers of a system; `module` is the averaged copy.

    decay  share of the old average that each update keeps, as `follow` says
    """

    def __init__(self, system: nn.Module, decay: float) -> None:
        super().__init__(system, multi_avg_fn=self._blend, use_buffers=True)
        self.decay = decay
        self.eval()

    def _blend(self, averaged: list[Tensor], current: list[Tensor], _: Tensor) -> None:
        _blend(averaged, current, int(self.n_averaged), self.decay)


def follow(average: nn.Module, current: nn.Module, updates: int, decay: float) -> None:
    """Update in place the state of a module that is the average, after so many updates, of what another's was.

    decay  share of the old average that each update keeps. The first keep less, (1 + n) / (10 + n) after n, so that a
           short run's average has forgotten the weights that it began with

    Counters (integer tensors) are copied, not averaged. What only `current` has is left alone.
    """
    kept, now = average.state_dict(), current.state_dict()
    _blend(list(kept.values()), [now[name] for name in kept], updates, decay)


@torch.no_grad()
def _blend(averaged: Sequence[Tensor], current: Sequence[Tensor], updates: int, decay: float) -> None:
    moving = [pair for pair in zip(averaged, current, strict=True) if pair[0].is_floating_point()]
    counters = [pair for pair in zip(averaged, current, strict=True) if not pair[0].is_floating_point()]
    if moving:
        torch._foreach_lerp_(*map(list, zip(*moving, strict=True)), 1 - min(decay, (1 + updates) / (10 + updates)))
    if counters:
        torch._foreach_copy_(*map(list, zip(*counters, strict=True)))
