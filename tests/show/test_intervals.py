from facekit.evaluation.metrics.uncertainty import Interval
from facekit.show.intervals import intervals

ROWS = {"first": [Interval(0.5, 0.4, 0.7)], "second": [Interval(0.2, 0.1, 0.3), Interval(0.6, 0.5, 0.9)]}


def test_every_estimate_is_a_dot_on_its_interval():
    axes = intervals(ROWS, "accuracy").axes[0]
    spans = [tuple(segment[:, 0]) for drawn in axes.collections for segment in drawn.get_segments()]
    assert spans == [(0.4, 0.7), (0.1, 0.3), (0.5, 0.9)]
    assert [line.get_xdata()[0] for line in axes.lines] == [0.5, 0.2, 0.6]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert axes.get_xlabel() == "accuracy"


def test_the_first_row_is_on_top_and_the_estimates_of_a_row_do_not_overlap():
    axes = intervals(ROWS, "accuracy").axes[0]
    first, second, third = (line.get_ydata()[0] for line in axes.lines)
    assert first == 0 < second < third < 1.5
    assert axes.get_ylim() == (1.5, -0.5)


def test_series_have_colours_and_a_legend():
    figure = intervals(ROWS, "accuracy", series=("paired", "unpaired"), mark=0.0)
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["paired", "unpaired"]
    assert intervals(ROWS, "accuracy").axes[0].get_legend() is None
