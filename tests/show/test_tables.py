import pandas as pd

from facekit.show.tables import heatmap


def test_every_number_is_in_its_cell():
    table = pd.DataFrame({"accuracy": [0.5, 1.0], "identity": [0.25, 0.75]}, index=["first", "second"])
    axes = heatmap(table, "share", form=".2f", title="two methods").axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.50", "0.25", "1.00", "0.75"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["accuracy", "identity"]


def test_limits_and_direction_of_the_colours():
    table = pd.DataFrame({"rank": [1, 6]}, index=["first", "last"])
    drawn = heatmap(table, "rank", form=".0f", limits=(1, 6), reverse=True).axes[0].collections[0]
    first, last = drawn.get_facecolors()
    assert sum(first[:3]) < sum(last[:3])
    assert drawn.get_clim() == (1, 6)
