"""Charts of predictions and datasets. Each draws on given `axes`, or makes a figure of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from facekit.evaluation.metrics.calibration import ReliabilityCurve
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.show.images import Images, listed, to_image
from facekit.show.style import LINES, SEQUENTIAL, chart, charts, emotion_color


def confusion(
    matrix: Tensor, names: Sequence[str] = PROTOCOL_EMOTIONS, *, title: str = "", axes: Axes | None = None
) -> Figure:
    """A confusion matrix (K, K) of counts with the true class by row, normalised to percentages of each row."""
    axes = axes or chart(4.4, 3.9)[1]
    share = 100 * matrix.double() / matrix.sum(1, keepdim=True).clamp(min=1)
    sns.heatmap(
        share.numpy(), vmin=0, vmax=100, cmap=SEQUENTIAL, annot=True, fmt=".0f", annot_kws={"size": 8}, square=True,
        xticklabels=names, yticklabels=names, ax=axes, cbar_kws={"label": "share of the row (%)", "shrink": 0.85},
    )  # fmt: skip
    axes.set(xlabel="predicted", ylabel="true", title=title)
    axes.tick_params(axis="x", rotation=45)
    axes.tick_params(axis="y", rotation=0)
    _color_names(axes.get_xticklabels())
    _color_names(axes.get_yticklabels())
    return axes.figure


def reliability(curves: Mapping[str, ReliabilityCurve], *, title: str = "", axes: Axes | None = None) -> Figure:
    """Reliability diagrams by name: accuracy against confidence. A dot's area grows with the number of predictions in
    its bin; empty bins are left out."""
    axes = axes or chart(3.8, 3.5)[1]
    axes.plot([0, 1], [0, 1], color="#999999", linestyle="--", linewidth=1, label="perfectly calibrated")
    for i, (name, curve) in enumerate(curves.items()):
        filled = curve.count > 0
        area = 10 + 110 * curve.count[filled] / curve.count.sum()
        axes.plot(curve.confidence[filled], curve.accuracy[filled], color=LINES[i], label=name)
        axes.scatter(curve.confidence[filled], curve.accuracy[filled], s=area, color=LINES[i], zorder=3)
    axes.set(xlabel="confidence", ylabel="accuracy", title=title, xlim=(0, 1.02), ylim=(0, 1.02), aspect=1)
    axes.legend(loc="upper left")
    return axes.figure


def class_balance(counts: Mapping[str, Mapping[str, int]], *, title: str = "", axes: Axes | None = None) -> Figure:
    """Number of images by emotion, as bars; several datasets or splits side by side, the first darkest."""
    emotions = list(dict.fromkeys(name for count in counts.values() for name in count))
    axes = axes or chart(5.6, 2.8)[1]
    width = 0.8 / len(counts)
    for j, (label, count) in enumerate(counts.items()):
        heights = [count.get(name, 0) for name in emotions]
        positions = [i + (j - (len(counts) - 1) / 2) * width for i in range(len(emotions))]
        colors = [emotion_color(name) for name in emotions]
        bars = axes.bar(positions, heights, width * 0.94, color=colors, alpha=1 - 0.6 * j / len(counts), label=label)
        axes.bar_label(bars, fontsize=7, padding=1, rotation=90 if len(counts) > 2 else 0, color="#555555")
    axes.set_xticks(range(len(emotions)), emotions)
    axes.set(ylabel="images", title=title)
    axes.grid(axis="x", visible=False)
    if len(counts) > 1:
        axes.legend()
    return axes.figure


def label_bars(
    faces: Images,
    probabilities: Tensor,
    names: Sequence[str] = PROTOCOL_EMOTIONS,
    *,
    titles: Sequence[str] | None = None,
    columns: int = 6,
) -> Figure:
    """Faces, each above a judge's predicted probabilities: N images and probabilities (N, K)."""
    images = listed(faces)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    width, height = 1.35 * columns + 0.5, 2.55 * rows
    figure, panels = charts(2 * rows, columns, width, height, height_ratios=[1.25, 1] * rows)
    for panel in panels.flat:
        panel.set_axis_off()
    for i, image in enumerate(images):
        above, below = panels[2 * (i // columns)][i % columns], panels[2 * (i // columns) + 1][i % columns]
        above.imshow(to_image(image, 96))
        above.set_title(titles[i] if titles else "", fontsize=8, loc="center")
        _bars(below, probabilities[i], names, named=i % columns == 0)
    return figure


def action_unit_table(vectors: Mapping[str, Tensor], *, title: str = "", axes: Axes | None = None) -> Figure:
    """Action-unit vectors (A,) in [0, 1] as rows of a heat map, with one column per unit. The two sides of a
    unit share a column if they agree in every row."""
    labels, table = _merge_sides(torch.stack(list(vectors.values())))
    axes = axes or chart(0.33 * len(labels) + 1.6, 0.3 * len(vectors) + 1.1)[1]
    sns.heatmap(
        table.numpy(), vmin=0, vmax=1, cmap=SEQUENTIAL, linewidths=0.5, linecolor="white", ax=axes,
        xticklabels=labels, yticklabels=list(vectors), cbar_kws={"label": "intensity"},
    )  # fmt: skip
    axes.set(xlabel="action unit", title=title)
    axes.tick_params(axis="both", rotation=0)
    _color_names(axes.get_yticklabels())
    return axes.figure


def roc(curves: Mapping[str, tuple[Tensor, Tensor]], *, title: str = "", axes: Axes | None = None) -> Figure:
    """ROC curves of verification by name: false and true accept rates, each (K,) and ascending from 0 to 1. The false
    accept rate has a logarithmic axis, because verification works at low values."""
    axes = axes or chart(3.8, 3.5)[1]
    for i, (name, (false, true)) in enumerate(curves.items()):
        axes.plot(false, true, color=LINES[i], label=name)
    chance = torch.logspace(-3, 0, 50)
    axes.plot(chance, chance, color="#999999", linestyle="--", linewidth=1, label="chance")
    axes.set(
        xscale="log", xlim=(1e-3, 1), ylim=(0, 1.02), title=title,
        xlabel="false accept rate", ylabel="true accept rate",
    )  # fmt: skip
    axes.legend(loc="lower right")
    return axes.figure


def histograms(
    values: Mapping[str, Tensor], xlabel: str, *, bins: int = 40, mark: float | None = None, title: str = "",
    axes: Axes | None = None,
) -> Figure:  # fmt: skip
    """Histograms by name over one axis, each normalised to area 1; `mark` draws a threshold."""
    axes = axes or chart(4.6, 2.8)[1]
    low = min(float(v.min()) for v in values.values())
    high = max(float(v.max()) for v in values.values())
    for i, (name, value) in enumerate(values.items()):
        axes.hist(value.numpy(), bins=bins, range=(low, high), density=True, alpha=0.6, color=LINES[i], label=name)
    if mark is not None:
        axes.axvline(mark, color="#333333", linestyle="--", linewidth=1, label=f"threshold {mark:.2f}")
    axes.set(xlabel=xlabel, ylabel="density", title=title)
    axes.legend()
    return axes.figure


def agreement(
    true: Tensor, predicted: Tensor, columns: Sequence[int], names: Sequence[str], *, across: int = 5
) -> Figure:
    """Predicted against true intensities for some columns of two tables (N, A) in [0, 1], in one small chart each."""
    down = -(-len(columns) // across)
    figure, panels = charts(down, across, 1.45 * across + 0.3, 1.55 * down + 0.3, sharex=True, sharey=True)
    for panel in panels.flat[len(columns) :]:
        panel.set_axis_off()
    for panel, column, name in zip(panels.flat, columns, names, strict=False):
        panel.plot([0, 1], [0, 1], color="#999999", linestyle="--", linewidth=1)
        panel.scatter(true[:, column], predicted[:, column], s=4, alpha=0.35, color=LINES[0], linewidths=0)
        panel.set_title(name, loc="center", fontsize=8)
        panel.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), aspect=1)
    figure.supxlabel("true intensity", fontsize=9)
    figure.supylabel("predicted intensity", fontsize=9)
    return figure


def lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    xlabel: str,
    ylabel: str,
    *,
    title: str = "",
    axes: Axes | None = None,
) -> Figure:
    """Curves by name, each given as its x and y values; an emotion's curve has the emotion's colour."""
    axes = axes or chart(4.6, 2.8)[1]
    for i, (name, (x, y)) in enumerate(curves.items()):
        color = emotion_color(name) if name in PROTOCOL_EMOTIONS else LINES[i % len(LINES)]
        axes.plot(x, y, color=color, label=name, marker="o" if len(x) < 12 else None, markersize=3.5)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if len(curves) > 1:
        axes.legend()
    return axes.figure


def _bars(axes: Axes, row: Tensor, names: Sequence[str], named: bool) -> None:
    axes.set_axis_on()
    axes.barh(range(len(names)), row.tolist(), color=[emotion_color(name) for name in names], height=0.75)
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6))
    axes.set_xticks([0, 1])
    axes.set_yticks(range(len(names)), names if named else [""] * len(names), fontsize=7)
    axes.tick_params(length=0)
    axes.grid(visible=False)


def _merge_sides(table: Tensor) -> tuple[list[str], Tensor]:
    # (V, A) -> column labels and (V, A'), with AU12L and AU12R merged to AU12 if they are equal.
    labels, columns = [], []
    for i, name in enumerate(ACTION_UNIT_COLUMNS):
        right = name[:-1] + "R"
        if name.endswith("L") and torch.equal(table[:, i], table[:, ACTION_UNIT_COLUMNS.index(right)]):
            labels.append(name.removeprefix("AU").removesuffix("L"))
        elif labels and name.endswith("R") and labels[-1] == name[2:-1]:
            continue
        else:
            labels.append(name.removeprefix("AU"))
        columns.append(i)
    return labels, table[:, columns]


def _color_names(texts) -> None:
    for text in texts:
        text.set_color(emotion_color(text.get_text()))
