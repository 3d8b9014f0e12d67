"""Block diagrams of networks: boxes, values, and the arrows between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.text import Annotation, Text

from facekit.show.style import LINES, Chart, chart

Place = tuple[float, float]

_ARROW = " -> "


def diagram(
    networks: Mapping[str, Place],
    values: Mapping[str, Place],
    paths: Sequence[str],
    *,
    width: float = 7.0,
    height: float = 2.4,
) -> Chart:
    """A block diagram: networks as coloured boxes, what goes in and out of them as plain text.

    networks, values  the text of each and where its centre lies, x to the right and y up, both in inches
    paths             names joined by arrows: `"noise z -> generator G -> G(z)"`

    A name may have a line break. Raises `KeyError` for a path through something that is not there.

    >>> figure = diagram({"G": (2, 1)}, {"z": (0.5, 1), "image": (3.5, 1)}, ["z -> G -> image"], width=4, height=2)
    >>> [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    ['G', 'z', 'image']
    """
    figure, axes = chart(width, height)
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    colors = dict(zip(networks, LINES, strict=False))
    drawn = {name: _box(axes, name, place, colors[name]) for name, place in networks.items()}
    drawn |= {name: _box(axes, name, place, None) for name, place in values.items()}
    steps = [step for path in paths for step in pairwise(path.split(_ARROW))]
    for start, end in dict.fromkeys(steps):
        _arrow(axes, drawn[start], drawn[end])
    return figure


def _box(axes: Axes, name: str, place: Place, color: str | None) -> Text:
    style = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "none"}
    if color is not None:
        style |= {"facecolor": to_rgba(color, 0.2), "edgecolor": color, "linewidth": 1.5}
    return axes.text(*place, name, ha="center", va="center", fontsize=9, color="#333333", bbox=style, zorder=3)


def _arrow(axes: Axes, start: Text, end: Text) -> Annotation:
    style = {
        "arrowstyle": "-|>", "color": "#555555", "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0,
        "patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch(),
    }  # fmt: skip
    return axes.annotate("", xy=end.get_position(), xytext=start.get_position(), arrowprops=style)
