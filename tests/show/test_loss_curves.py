import json

import pytest

from facekit.show.loss_curves import loss_curves


def write(folder, rows):
    folder.mkdir()
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_each_scalar_has_a_chart_with_a_curve_for_each_run(tmp_path):
    one = write(tmp_path / "one", [{"step": i, "loss/a": float(i), "loss/b": 1.0} for i in (1, 2)])
    two = write(tmp_path / "two", [{"step": i, "loss/a": 3.0, "loss/b": None if i == 1 else 2.0} for i in (1, 2)])
    figure = loss_curves({"one": one, "two": two}, {"loss/a": "first", "loss/b": "second"}, columns=2)
    first, second = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["first", "second"]
    assert first.lines[0].get_ydata() == pytest.approx([1.0, 2.0])
    assert list(second.lines[1].get_xdata()) == [2]  # a value that is missing is left out
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


def test_a_run_of_its_own_needs_no_legend_in_the_chart(tmp_path):
    one = write(tmp_path / "one", [{"step": i, "loss/a": 1.0} for i in range(40)])
    figure = loss_curves({"one": one}, {"loss/a": "first"})
    assert len(figure.axes) == 3
    assert not figure.axes[1].axison
