import pytest

from facekit.show import diagram, png


def arrows_of(figure):
    return [text for text in figure.axes[0].texts if text.get_text() == ""]


def test_each_step_of_the_paths_is_one_arrow_between_its_ends():
    places = {"z": (0.5, 1.0), "image": (3.5, 1.0), "score": (5.0, 1.0)}
    figure = diagram({"G": (2.0, 1.0)}, places, ["z -> G -> image -> score", "z -> G"], width=6, height=2)
    ends = [(arrow.get_position(), arrow.xy) for arrow in arrows_of(figure)]
    assert ends == [((0.5, 1.0), (2.0, 1.0)), ((2.0, 1.0), (3.5, 1.0)), ((3.5, 1.0), (5.0, 1.0))]
    assert png(figure) == png(figure)


def test_networks_have_different_colours_and_values_none():
    figure = diagram({"G": (1, 1), "D": (3, 1)}, {"x": (2, 1)}, [], width=4, height=2)
    boxes = {text.get_text(): text.get_bbox_patch().get_facecolor() for text in figure.axes[0].texts}
    assert boxes["G"] != boxes["D"]
    assert boxes["x"] == (1, 1, 1, 1)


def test_a_path_through_something_unknown_is_an_error():
    with pytest.raises(KeyError, match="D"):
        diagram({"G": (1, 1)}, {}, ["G -> D"])
