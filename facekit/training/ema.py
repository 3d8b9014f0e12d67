"""A moving average of a system's weights, which edits better than the weights of any one step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class MovingAverage(AveragedModel):
    """An exponential moving average of all parameters and buffers of a system; `module` is the averaged copy.

    decay  share of the old average that each update keeps. The first updates keep less, (1 + n) / (10 + n) after n
           updates, so that a short run's average has forgotten the weights that it began with.

    Counters (integer buffers) are copied, not averaged.
    """

    def __init__(self, system: nn.Module, decay: float) -> None:
        super().__init__(system, multi_avg_fn=self._blend, use_buffers=True)
        self.decay = decay
        self.eval()

    @torch.no_grad()
    def _blend(self, averaged: list[Tensor], current: list[Tensor], _: Tensor) -> None:
        if not averaged[0].is_floating_point():
            torch._foreach_copy_(averaged, current)
            return
        updates = int(self.n_averaged)
        torch._foreach_lerp_(averaged, current, 1 - min(self.decay, (1 + updates) / (10 + updates)))
