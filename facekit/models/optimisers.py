"""Optimisers by the names in presets, and Muon."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn

from facekit.models.limits import OneOf
from facekit.workspace.hardware import computes_bfloat16

# Jordan 2024: the coefficients of a quintic polynomial whose iteration maps singular values in (0, 1] to about 1; they
# are chosen for fast rather than exact convergence.
_QUINTIC = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Muon (Jordan 2024) for every parameter with two dimensions or more, AdamW (Loshchilov 2019) for the others.

    The update of a matrix is its momentum with all singular values set to about 1, so that directions with small
    gradients are learned as quickly as others. Filters (out, in, height, width) are treated as matrices with `out`
    rows; `torch.optim.Muon` accepts matrices only. Updates are scaled to the size of AdamW's (Liu 2025, "Muon is
    scalable", eq. 4), so that both share one learning rate and one weight decay.

    lr            learning rate
    momentum      of Nesterov's method
    betas         of AdamW
    weight_decay  decoupled: each step multiplies parameters by 1 - lr · weight_decay
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        parameters = list(parameters)
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2], "matrices": True},
            {"params": [p for p in parameters if p.ndim < 2], "matrices": False},
        ]
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "weight_decay": weight_decay}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            updated = [p for p in group["params"] if p.grad is not None]
            for parameter in updated:
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                direction = self._orthogonal(parameter, group) if group["matrices"] else self._adam(parameter, group)
                parameter.add_(direction, alpha=-group["lr"])

    def _orthogonal(self, parameter: nn.Parameter, group: dict) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["average"] = torch.zeros_like(parameter)
        average = state["average"].mul_(group["momentum"]).add_(parameter.grad)
        matrix = parameter.grad.add(average, alpha=group["momentum"]).flatten(1)
        return (orthogonalised(matrix) * 0.2 * max(matrix.shape) ** 0.5).view_as(parameter)

    def _adam(self, parameter: nn.Parameter, group: dict) -> Tensor:
        state, gradient = self.state[parameter], parameter.grad
        if not state:
            state.update(step=torch.zeros(()), average=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
        state["step"] += 1
        for name, value, beta in zip(("average", "square"), (gradient, gradient.square()), group["betas"], strict=True):
            state[name].lerp_(value, 1 - beta)
        first, second = (1 - beta ** state["step"].item() for beta in group["betas"])
        return state["average"] / first / ((state["square"] / second).sqrt() + 1e-8)


def orthogonalised(matrix: Tensor, iterations: int = 5) -> Tensor:
    """A matrix (R, C) with singular values near 1 (0.7 to 1.2) in place of its own: nearly U Vᵀ of U S Vᵀ.

    By the Newton-Schulz iteration X ← (a + b X Xᵀ + c (X Xᵀ)²) X, in bfloat16 where the device computes in it natively:
    emulated on a CPU, it took ten to twenty times as long as float32. A matrix of zeros stays one.
    """
    a, b, c = _QUINTIC
    x = (matrix / (matrix.norm() + 1e-7)).to(torch.bfloat16 if computes_bfloat16(matrix.device) else torch.float32)
    x = x.T if len(x) > x.shape[1] else x
    for _ in range(iterations):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.T if x.shape != matrix.shape else x).to(matrix)


def optimiser(preset, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of a preset, with its learning rate and, if the preset has one, its weight decay."""
    build = OPTIMISERS[preset.optimiser]
    return build(parameters, lr=preset.learning_rate, weight_decay=getattr(preset, "weight_decay", 0.0))


OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "muon": Muon,
    "adamw": partial(torch.optim.AdamW, betas=(0.9, 0.99)),
    "adam": torch.optim.Adam,
}
"""By the name in presets; each takes parameters, `lr` and `weight_decay`."""

OptimiserName = Annotated[str, OneOf(tuple(OPTIMISERS))]
