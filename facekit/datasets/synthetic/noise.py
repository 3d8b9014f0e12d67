"""Smooth noise for the texture of hair, beards, cloth and walls; identical on every machine."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from facekit.datasets.synthetic.canvas import ramp
from facekit.datasets.synthetic.draws import bits, uniform

_CELLS = 64  # period of the noise, in cells
_FINE = 4  # table entries per cell
_NEAR = (-1, 0, 1, 2)  # the cells that determine the value between cells 0 and 1


def _spline(at: float) -> dict[int, float]:
    """Weights of the cells `_NEAR` at a position in [0, 1], by the uniform cubic B-spline."""
    away = {k: abs(at - k) for k in _NEAR}
    return {k: (max(0.0, 2 - d) ** 3 - 4 * max(0.0, 1 - d) ** 3) / 6 for k, d in away.items()}


@cache
def _table(device: torch.device) -> Tensor:
    """One period of noise with standard deviation 1, (1, 1, P + 1, P + 1); the last row and column repeat the first."""
    cell = torch.arange(_CELLS * _CELLS)
    value = (bits(cell, "noise") >> 8).view(_CELLS, _CELLS).double() * 2.0**-24 - 0.5
    for _ in range(2):  # along the rows, then along the columns
        weights = [_spline(i / _FINE) for i in range(_FINE)]
        steps = [sum(weight * value.roll(-k, 1) for k, weight in row.items()) for row in weights]
        value = torch.stack(steps, -1).flatten(1).T
    value = value / value.std()
    return pad(value[None, None], (0, 1, 0, 1), mode="circular").float().to(device)


def offsets(person: Tensor, what: str) -> tuple[Tensor, Tensor]:
    """For each person, the position (x, y) at which the noise of this name starts, each (N, 1, 1)."""
    return tuple(uniform(person, f"{what} {axis}", 0, _CELLS)[:, None, None] for axis in "xy")


def noise(x: Tensor, y: Tensor) -> Tensor:
    """Smooth noise with mean 0 and standard deviation 1 at points (N, H, W), in units of cells."""
    # Shifted by 8 periods, because the fractional part is periodic for positive numbers only.
    points = torch.empty(*x.shape, 2, device=x.device)
    torch.add(x, 8 * _CELLS, out=points[..., 0])
    torch.add(y, 8 * _CELLS, out=points[..., 1])
    points = points.mul_(1 / _CELLS).frac_().mul_(2).sub_(1)
    flat = points.flatten(0, 1)[None]
    return grid_sample(_table(x.device), flat, mode="bilinear", align_corners=True).view_as(x)


def fading(pixel: Tensor, cell: Tensor | float) -> Tensor:
    """A factor that fades noise out where it would alias: 1 for pixels below a third of a cell, 0 from one cell on."""
    return 1 - ramp(pixel / cell, 0.33, 1.0)
