"""Estimates with their confidence intervals, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from facekit.evaluation.metrics.uncertainty import Interval
from facekit.show.style import LINES, chart

_SPREAD = 0.5  # height of a row that its estimates share


def intervals(
    rows: Mapping[str, Sequence[Interval]],
    xlabel: str,
    *,
    series: Sequence[str] | None = None,
    mark: float | None = None,
    title: str = "",
    axes: Axes | None = None,
) -> Figure:
    """One row for each name, from top to bottom; each estimate is a dot, and its interval a line through it.

    rows    the estimates of each row, drawn one below the other
    series  what the first, second, ... estimate of every row is, each with a colour of its own; by default all are
            of one kind
    mark    value of a dashed reference line
    """
    axes = axes or chart(5.0, 0.42 * len(rows) + 1.0)[1]
    if mark is not None:
        axes.axvline(mark, color="#777777", linestyle="--", linewidth=1, zorder=1)
    for place, estimates in enumerate(rows.values()):
        for i, estimate in enumerate(estimates):
            y = place + _offset(i, len(estimates))
            color = LINES[i if series else 0]
            axes.hlines(y, estimate.low, estimate.high, color=color, linewidth=1.6)
            axes.plot(estimate.estimate, y, "o", color=color, markersize=3.5)
    for i, name in enumerate(series or ()):
        axes.plot([], [], "o-", color=LINES[i], markersize=3.5, label=name)
    if series:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(xlabel=xlabel, title=title, ylim=(len(rows) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)
    return axes.figure


def _offset(i: int, n: int) -> float:
    return 0.0 if n == 1 else _SPREAD * (i / (n - 1) - 0.5)
