"""Loss curves of several training runs, from their logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from facekit.show.charts import lines
from facekit.show.progress import running_mean
from facekit.show.style import charts
from facekit.training.records import read_log

_SMOOTHED = 20  # a curve is a running mean over this share (one in so many) of the run


def loss_curves(runs: Mapping[str, Path], scalars: Mapping[str, str], *, columns: int = 3) -> Figure:
    """One small chart for each scalar, in it one curve for each run.

    runs     folders of runs by name
    scalars  titles of the charts by the name of the scalar in the logs, such as "generator/classes"
    """
    rows = -(-len(scalars) // columns)
    figure, panels = charts(rows, columns, 3.0 * columns + 1.0, 2.1 * rows + 0.3)
    logs = {name: read_log(folder) for name, folder in runs.items()}
    for panel, (scalar, title) in zip(panels.flat, scalars.items(), strict=False):
        curves = {name: _curve(log, scalar) for name, log in logs.items()}
        lines(curves, "training step", "loss", title=title, axes=panel)
        if panel.get_legend() is not None:
            panel.get_legend().remove()
    for panel in panels.flat[len(scalars) :]:
        panel.set_axis_off()
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside right upper")
    return figure


def _curve(log: list[dict[str, float]], scalar: str) -> tuple[list[float], list[float]]:
    known = [row for row in log if row.get(scalar) is not None]
    values = running_mean([row[scalar] for row in known], max(len(known) // _SMOOTHED, 1))
    return [row["step"] for row in known], values
