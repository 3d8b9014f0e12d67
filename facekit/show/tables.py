"""Tables of numbers as annotated heat maps."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from facekit.show.style import SEQUENTIAL, chart


def heatmap(
    table: pd.DataFrame,
    label: str,
    *,
    form: str = ".1f",
    limits: tuple[float, float] | None = None,
    reverse: bool = False,
    title: str = "",
    axes: Axes | None = None,
) -> Figure:
    """A table of numbers whose cells are coloured by their value.

    label    what the numbers are, beside the colour bar
    form     format of the numbers in the cells
    limits   values of the lightest and the darkest colour; by default the least and the largest number
    reverse  small numbers are the dark ones, as for ranks
    """
    axes = axes or chart(0.7 * len(table.columns) + 2.6, 0.3 * len(table) + 1.1)[1]
    low, high = limits or (None, None)
    sns.heatmap(
        table.astype(float), annot=True, fmt=form, annot_kws={"size": 8}, cmap=SEQUENTIAL + "_r" * reverse, vmin=low,
        vmax=high, linewidths=0.5, linecolor="white", ax=axes, cbar_kws={"label": label},
    )  # fmt: skip
    axes.set(title=title, xlabel="", ylabel="")
    axes.tick_params(axis="both", rotation=0, length=0)
    return axes.figure
