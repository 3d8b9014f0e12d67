"""A plot that follows a running training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from IPython import get_ipython
from IPython.display import display

from facekit.show.images import Images, grid
from facekit.show.style import LINES, Chart
from facekit.workspace.attended import attended

if TYPE_CHECKING:
    from facekit.training.records import Record

_PAUSE = 1.0  # seconds between two drawings of the plot
_TRAINING_SHARE = 4  # the loop runs at least this many times as long as it takes to draw the plot
_SMOOTHED = 20  # the bold curve is a mean over 1 / 20 of the steps so far


@dataclass(eq=False)
class History:
    """The scalars of a loop's records by name: the steps, and the values at these steps."""

    steps: dict[str, list[int]] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Add the scalars of one step."""
        for name, value in scalars.items():
            self.steps.setdefault(name, []).append(step)
            self.values.setdefault(name, []).append(float(value))

    def last(self, name: str, over: int = 1) -> float:
        """Mean of the last `over` values of a scalar. Raises `KeyError` for an unknown name."""
        recent = self.values[name][-over:]
        return sum(recent) / len(recent)

    def plot(self, title: str = "", sample: Images | None = None) -> Chart:
        """One small chart per scalar, with faint values and a bold running mean; below them the images of `sample`."""
        figure = Chart(figsize=(3.1 * max(len(self.values), 2), 2.3 if sample is None else 3.9), layout="constrained")
        top, bottom = (figure, None) if sample is None else figure.subfigures(2, 1, height_ratios=[2.3, 1.6])
        panels = top.subplots(1, len(self.values), squeeze=False)[0]
        for panel, (name, values) in zip(panels, self.values.items(), strict=True):
            panel.plot(self.steps[name], values, color=LINES[0], alpha=0.3, linewidth=0.8)
            panel.plot(self.steps[name], running_mean(values, max(len(values) // _SMOOTHED, 1)), color=LINES[0])
            panel.set(title=name, xlabel="step")
        if bottom is not None:
            panel = bottom.subplots()
            panel.imshow(grid(sample, size=64).convert("RGB"))
            panel.set_axis_off()
        figure.suptitle(title, x=0.01, ha="left", fontsize=9, color="#555555")
        return figure

    def __repr__(self) -> str:
        return f"History({', '.join(f'{name}: {len(values)} values' for name, values in self.values.items())})"


def live(
    records: Iterable[Record],
    *,
    curves: Sequence[str] | None = None,
    sample: Callable[[Record], Images] | None = None,
) -> History:
    """Run a loop to its end, and plot the scalars of its records in place, once a second: `live(fit(...))`.

    curves  names of the scalars to keep and plot; by default all
    sample  images to show below the curves, from the latest record, such as samples of the generator

    A notebook that runs in a batch keeps the last plot only. Raises `ValueError` if the loop yields no record.
    """
    history, plot, due = History(), _Plot(), time.monotonic() + _PAUSE
    record = None
    for record in records:
        history.add(record.step, {n: v for n, v in record.scalars.items() if curves is None or n in curves})
        if attended() and time.monotonic() >= due and record.step < record.total:
            started = time.monotonic()
            plot.show(_drawn(history, record, sample))
            finished = time.monotonic()
            due = finished + max(_PAUSE, _TRAINING_SHARE * (finished - started))
    if record is None:
        raise ValueError("the loop yielded no record: it had no step left to do")
    plot.show(_drawn(history, record, sample))
    return history


class _Plot:
    """One figure in a notebook, replaced by the next; nothing outside a notebook."""

    def __init__(self) -> None:
        self._handle = None

    def show(self, figure: Chart) -> None:
        if get_ipython() is None:
            return
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)


def _drawn(history: History, record: Record, sample: Callable[[Record], Images] | None) -> Chart:
    return history.plot(f"step {record.step} of {record.total}", None if sample is None else sample(record))


def running_mean(values: list[float], over: int) -> list[float]:
    """The mean of each value and of up to `over` - 1 values before it.

    >>> running_mean([1, 3, 5], 2)
    [1.0, 2.0, 4.0]
    """
    sums = [0.0, *accumulate(values)]
    ends = range(1, len(values) + 1)
    return [(sums[end] - sums[max(end - over, 0)]) / min(end, over) for end in ends]
