"""Optimisers by the names in presets, and Muon."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from facekit.models.limits import OneOf
from facekit.workspace.hardware import computes_bfloat16

# Jordan 2024: the coefficients of a quintic polynomial whose iteration maps singular values in (0, 1] to about 1; they
# are chosen for fast rather than exact convergence.
_QUINTIC = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Muon (Jordan 2024) for every parameter with two dimensions or more, AdamW (Loshchilov 2019) for the others.

    The update of a matrix is its momentum with all singular values set to about 1, so that directions with small
    gradients are learned as quickly as others. Filters (out, in, height, width) are treated as matrices with `out`
    rows; `torch.optim.Muon` accepts matrices only, and takes them one by one. Here all matrices of one shape are
    orthogonalised together: on a GPU, starting the many products of small matrices takes longer than computing them.
    Updates are scaled to the size of AdamW's (Liu 2025, "Muon is scalable", eq. 4), so that both share one learning
    rate and one weight decay.

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
            # "fused" has `load_state_dict` keep the counts of steps on the parameters' device.
            {"params": [p for p in parameters if p.ndim < 2], "matrices": False, "fused": True},
        ]
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "weight_decay": weight_decay}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            updated = [p for p in group["params"] if p.grad is not None]
            if updated and group["matrices"]:
                self._muon(updated, group)
            elif updated:
                self._adamw(updated, group)

    def _muon(self, parameters: list[nn.Parameter], group: dict) -> None:
        gradients = [p.grad for p in parameters]
        averages = self._states(parameters, "average")
        torch._foreach_mul_(averages, group["momentum"])
        torch._foreach_add_(averages, gradients)
        directions = torch._foreach_add(gradients, averages, alpha=group["momentum"])
        if group["weight_decay"]:
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, _orthogonal_updates(directions), alpha=-group["lr"])

    def _adamw(self, parameters: list[nn.Parameter], group: dict) -> None:
        first, second = group["betas"]
        adamw(
            parameters,
            [p.grad for p in parameters],
            self._states(parameters, "average"),
            self._states(parameters, "square"),
            [],
            [self.state[p].setdefault("step", p.new_zeros(())) for p in parameters],
            fused=True,
            amsgrad=False,
            beta1=first,
            beta2=second,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=1e-8,
            maximize=False,
        )

    def _states(self, parameters: list[nn.Parameter], name: str) -> list[Tensor]:
        """The state of each parameter by name, which begins as zeros."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]


def _orthogonal_updates(directions: list[Tensor]) -> list[Tensor]:
    """The updates of parameters from their momenta, each orthogonalised as a matrix and scaled to AdamW's size."""
    same_shape = defaultdict(list)
    for index, direction in enumerate(directions):
        same_shape[direction.flatten(1).shape].append(index)
    updates: list[Tensor] = [*directions]
    for shape, indices in same_shape.items():
        together = orthogonalised(torch.stack([directions[i].flatten(1) for i in indices]))
        for index, matrix in zip(indices, together * (0.2 * max(shape) ** 0.5), strict=True):
            updates[index] = matrix.view(directions[index].shape)
    return updates


def orthogonalised(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Matrices (N, R, C) with singular values near 1 (0.7 to 1.2) in place of their own: nearly U Vᵀ of U S Vᵀ.

    By the Newton-Schulz iteration X ← (a + b X Xᵀ + c (X Xᵀ)²) X, in bfloat16 where the device computes in it natively:
    emulated on a CPU, it took ten to twenty times as long as float32. A matrix of zeros stays one.
    """
    a, b, c = _QUINTIC
    dtype = torch.bfloat16 if computes_bfloat16(matrices.device) else torch.float32
    x = (matrices / (matrices.flatten(1).norm(dim=1)[:, None, None] + 1e-7)).to(dtype)
    x = x.mT if x.shape[1] > x.shape[2] else x
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if x.shape != matrices.shape else x).to(matrices)


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
