"""Points and vector fields in the plane, for two-dimensional toy examples."""

from __future__ import annotations

from collections.abc import Callable

import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.show.style import LINES, SEQUENTIAL, chart, emotion_color


def points(
    positions: Tensor, labels: Tensor | None = None, *, limit: float = 1.5, title: str = "", axes: Axes | None = None
) -> Figure:
    """Points (N, 2), or trajectories (N, T, 2): a line through T points and a dot at the last.

    labels  (N,) coloured as the emotions, in the order of `PROTOCOL_EMOTIONS`, which repeats
    limit   both axes run from -limit to limit
    """
    axes = axes or chart(3.0, 3.1)[1]
    trajectories = positions.detach().cpu().unsqueeze(1) if positions.ndim == 2 else positions.detach().cpu()
    colors = LINES[0] if labels is None else [_color(label) for label in labels.tolist()]
    if trajectories.shape[1] > 1:
        axes.add_collection(LineCollection(trajectories.numpy(), colors=colors, linewidths=0.6, alpha=0.45))
    axes.scatter(*trajectories[:, -1].T, s=5, c=colors, linewidths=0, alpha=0.8, zorder=3)
    return _framed(axes, limit, title)


def field(
    vectors: Callable[[Tensor], Tensor],
    log_density: Callable[[Tensor], Tensor] | None = None,
    *,
    limit: float = 1.5,
    arrows: int = 17,
    title: str = "",
    axes: Axes | None = None,
) -> Figure:
    """A vector field as a grid of arrows x arrows arrows, over a density in blue.

    vectors      points (N, 2) to vectors (N, 2)
    log_density  points (N, 2) to (N,), up to a constant

    The longest tenth of the arrows are clipped to one length, which is shorter than the grid's spacing. Lengths can be
    compared within a panel only.
    """
    axes = axes or chart(3.0, 3.1)[1]
    if log_density is not None:
        values = log_density(_lattice(limit, 120))
        shade = (values - values.max()).exp().sqrt().view(120, 120)  # the square root makes the tails visible
        axes.imshow(shade.T.numpy(), origin="lower", extent=(-limit, limit, -limit, limit), cmap=SEQUENTIAL, vmax=1.4)
    positions = _lattice(limit, arrows)
    drawn = vectors(positions)
    length = drawn.norm(dim=1, keepdim=True)
    longest = length.quantile(0.9).clamp(min=1e-12)
    gap = 2 * limit / (arrows - 1)
    drawn = drawn * (0.9 * gap / longest) * (longest / length.clamp(min=1e-12)).clamp(max=1)
    axes.quiver(
        *positions.T, *drawn.T, angles="xy", scale_units="xy", scale=1, width=0.005, headwidth=4, color="#333333"
    )  # fmt: skip
    return _framed(axes, limit, title)


def _lattice(limit: float, steps: int) -> Tensor:
    """Points (steps², 2) of a square lattice, x slowest."""
    along = torch.linspace(-limit, limit, steps)
    return torch.cartesian_prod(along, along)


def _color(label: int) -> str:
    return emotion_color(PROTOCOL_EMOTIONS[label % len(PROTOCOL_EMOTIONS)])


def _framed(axes: Axes, limit: float, title: str) -> Figure:
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect=1, title=title, xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    axes.grid(visible=False)
    return axes.figure
