"""The style of all figures: colours, fonts and sizes, and how a figure becomes a PNG."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from cycler import cycler
from IPython import get_ipython
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageColor

from facekit.faces.emotions import COLORS

# Okabe & Ito's colours without black, ordered so that neighbours differ in lightness too.
LINES = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#7F7F7F")

SEQUENTIAL = "Blues"  # tables: white is 0
HEAT = "inferno"  # maps over images: perceptually uniform
DIVERGING = "PuOr"

STYLE = {
    "figure.dpi": 90,
    "savefig.dpi": "figure",
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # ships with matplotlib, so a figure is the same on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=LINES),
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "legend.fontsize": 8,
    "legend.frameon": False,
}


def use_style() -> None:
    """Apply the style to every matplotlib figure of this process; call it once, after the imports."""
    mpl.rcParams.update(STYLE)
    if shell := get_ipython():
        # For `Chart` only: the formatter of matplotlib's notebook backend, for all figures, makes larger files.
        shell.display_formatter.formatters["image/png"].for_type(Chart, png)


def emotion_color(name: str) -> str:
    """The colour of an emotion, as `#RRGGBB`; dark grey for any other name.

    >>> emotion_color("happy"), emotion_color("source")
    ('#E69F00', '#333333')
    """
    return COLORS.get(name, "#333333")


class Chart(Figure):
    """A figure that a notebook shows once, as the last line of a cell, with any backend."""

    def _repr_png_(self) -> bytes:
        return png(self)


def chart(width: float = 5.0, height: float = 3.2) -> tuple[Chart, Axes]:
    """An empty figure of width x height inches with one pair of axes."""
    figure = Chart(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def charts(rows: int, columns: int, width: float, height: float, **layout) -> tuple[Chart, np.ndarray]:
    """An empty figure of width x height inches with rows x columns axes, as an array of that shape.

    layout  passed to `Figure.subplots`: `sharey=True`, `height_ratios=[2, 1]`
    """
    figure = Chart(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **layout)


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG with 256 colours; the same figure gives the same bytes."""
    buffer, small = io.BytesIO(), io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    compact(Image.open(buffer)).save(small, format="PNG", optimize=True)
    return small.getvalue()


def compact(image: Image.Image) -> Image.Image:
    """An image quantised to 256 colours: a third of the file size, so that a notebook full of faces stays small.

    The colours of the emotions are always among them, because they carry meaning.
    """
    image = image.convert("RGB")
    room = 256 - len(COLORS)
    # The median cut loses small areas of a distinct colour, such as lips; k-means restores them.
    best = image.quantize(room, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)
    kept = [ImageColor.getrgb(color) for color in COLORS.values()]
    pixels, indices = np.asarray(image), np.array(best)
    for i, color in enumerate(kept):
        indices[(pixels == color).all(-1)] = room + i
    colors = np.zeros((256, 3), np.uint8)
    few = np.reshape(best.getpalette(), (-1, 3))[:room]  # for an image with few colours, Pillow returns a short palette
    colors[: len(few)], colors[room:] = few, kept
    small = Image.fromarray(indices)
    small.putpalette(colors.tobytes())
    return small
