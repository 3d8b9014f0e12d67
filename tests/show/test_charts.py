import pytest
import torch

from facekit.evaluation.metrics.calibration import ReliabilityCurve
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.emotions import COLORS, EMOTIONS, PROTOCOL_EMOTIONS
from facekit.faces.prototypes import prototype_matrix
from facekit.show import (
    action_unit_table,
    agreement,
    chart,
    class_balance,
    confusion,
    histograms,
    label_bars,
    lines,
    png,
    reliability,
    roc,
)


def test_a_confusion_matrix_shows_the_share_of_each_row():
    figure = confusion(torch.tensor([[3, 1], [0, 5]]), ("happy", "sad"))
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["75", "25", "0", "100"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["happy", "sad"]
    assert axes.get_xlabel() == "predicted"


def test_an_empty_row_of_a_confusion_matrix_is_zero():
    axes = confusion(torch.tensor([[0, 0], [0, 5]]), ("happy", "sad")).axes[0]
    assert [text.get_text() for text in axes.texts][:2] == ["0", "0"]


def test_reliability_leaves_empty_bins_out():
    confidence, count = torch.tensor([0.2, 0.5, 0.9]), torch.tensor([4, 0, 6])
    curve = ReliabilityCurve(confidence, torch.tensor([0.1, 0.0, 0.8]), count)
    axes = reliability({"judge": curve}).axes[0]
    assert axes.lines[1].get_xdata().tolist() == pytest.approx([0.2, 0.9])
    assert axes.collections[0].get_sizes()[1] > axes.collections[0].get_sizes()[0]


def test_bars_have_the_height_and_colour_of_their_emotion():
    axes = class_balance({"train": {"happy": 7, "sad": 2}, "test": {"happy": 1}}).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [7, 2, 1, 0]
    assert axes.patches[0].get_facecolor()[:3] == pytest.approx([b / 255 for b in bytes.fromhex(COLORS["happy"][1:])])


def test_label_bars_show_the_probabilities_of_each_face():
    probabilities = torch.eye(7)[:3]
    figure = label_bars(torch.zeros(3, 1, 8, 8), probabilities, titles=["a", "b", "c"], columns=2)
    bars = [axes for axes in figure.axes if axes.patches]
    assert [[bar.get_width() for bar in axes.patches].index(1) for axes in bars] == [0, 1, 2]


def test_equal_sides_of_a_unit_share_a_column():
    figure = action_unit_table(dict(zip(EMOTIONS, prototype_matrix(), strict=True)))
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert {"12L", "12R", "14L", "14R", "1", "25"} <= set(labels)
    assert not {"12", "1L", "1R"} & set(labels)
    symmetric = action_unit_table({"happy": prototype_matrix()[3]})
    assert len(symmetric.axes[0].get_xticklabels()) == 20


def test_agreement_has_one_chart_per_column():
    true = torch.rand(9, len(ACTION_UNIT_COLUMNS))
    figure = agreement(true, true, [0, 4, 5], ["a", "b", "c"], across=2)
    used = [axes for axes in figure.axes if axes.collections]
    assert len(used) == 3
    assert torch.tensor(used[1].collections[0].get_offsets().data)[:, 0] == pytest.approx(true[:, 4].tolist())


def test_every_chart_labels_its_axes_and_draws_on_given_ones():
    _, axes = chart()
    given = {"axes": axes}
    rates = torch.linspace(0, 1, 5)
    figures = [
        roc({"judge": (rates, rates)}, **given),
        histograms({"one": rates}, "cosine", mark=0.5),
        lines({"happy": ([0, 1], [2, 3])}, "blur (pixels)", "accuracy"),
        reliability({"judge": ReliabilityCurve(rates, rates, torch.ones(5))}),
        class_balance({"train": dict.fromkeys(PROTOCOL_EMOTIONS, 3)}),
    ]
    assert figures[0] is axes.figure
    assert all(figure.axes[0].get_ylabel() for figure in figures)


def test_the_same_figure_gives_the_same_bytes():
    def draw() -> bytes:
        return png(lines({"happy": ([0, 1], [2, 3])}, "x", "y"))

    assert draw() == draw()
    assert draw().startswith(b"\x89PNG")
