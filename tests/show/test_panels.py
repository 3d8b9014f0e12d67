import asyncio
import io

import ipywidgets as widgets
import pytest
import torch
from PIL import Image

from facekit import Expression
from facekit.show import ExpressionPanel

EVERYTHING = {"emotion", "intensity", "action_units"}


class Drawing:
    """Draws a grey as bright as the face is happy, and records its inputs."""

    def __init__(self):
        self.inputs = []

    def __call__(self, expression: Expression, **extra) -> torch.Tensor:
        self.inputs.append((expression, extra))
        level = 0.0 if expression.emotion is None else expression.emotion[0, 3].item()
        return torch.full((1, 3, 8, 8), level)


def test_a_panel_starts_neutral_with_an_image():
    draw = Drawing()
    panel = ExpressionPanel(draw, EVERYTHING, size=32)
    assert repr(panel.expression) == "Expression(1 face: neutral)"
    assert Image.open(io.BytesIO(panel.picture.value)).size == (32, 32)
    assert len(draw.inputs) == 1


def test_the_image_follows_a_slider():
    panel = ExpressionPanel(Drawing(), EVERYTHING)
    before = panel.picture.value
    panel.sliders.emotions["happy"].value = 1.0
    assert panel.picture.value != before
    assert repr(panel.expression) == "Expression(1 face: happy)"


def test_sliders_become_an_expression():
    panel = ExpressionPanel(Drawing(), EVERYTHING)
    panel.set(happy=0.5, intensity=0.5, AU4=0.3)
    assert repr(panel.expression) == "Expression(1 face: happy at 0.25, AU4 0.30)"
    panel.set(surprise=0.5, intensity=1, AU4=0)
    assert repr(panel.expression) == "Expression(1 face: happy 0.50 + surprise 0.50)"
    panel.reset()
    assert repr(panel.expression) == "Expression(1 face: neutral)"


def test_values_that_add_up_to_more_than_1_are_normalised():
    panel = ExpressionPanel(Drawing(), {"emotion"})
    panel.set(happy=1.0, sad=1.0)
    assert panel.expression.emotion[0, [3, 4]].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("understands", "disabled"),
    [({"emotion"}, {"intensity", "action_units"}), ({"action_units"}, {"emotion", "intensity"}), (EVERYTHING, set())],
)
def test_sliders_without_effect_are_disabled_with_a_reason(understands, disabled):
    draw = Drawing()
    panel = ExpressionPanel(draw, understands)
    controls = {
        "emotion": panel.sliders.emotions["happy"],
        "intensity": panel.sliders.intensity,
        "action_units": panel.sliders.units["AU12"],
    }
    for part, control in controls.items():
        assert control.disabled == (part in disabled)
        control.value = 0.5
    reasons = [w for w in panel.sliders.children if isinstance(w, widgets.HTML)]
    text = " ".join(reason.value for reason in reasons)
    assert all(f"{part.replace('_', ' ')}: disabled" in text for part in disabled)
    assert "disabled" in text if disabled else "disabled" not in text
    assert all(expression.parts <= understands for expression, _ in draw.inputs)


def test_sliders_of_emotions_that_a_generator_was_not_trained_on_are_disabled_and_do_not_count():
    panel = ExpressionPanel(Drawing(), EVERYTHING)
    panel.set(happy=0.5, fear=0.5)
    panel.sliders.enable(EVERYTHING, "stargan", ("happy", "neutral"))
    assert panel.sliders.emotions["fear"].disabled
    assert not panel.sliders.emotions["happy"].disabled
    assert repr(panel.sliders.expression) == "Expression(1 face: happy at 0.50)"
    reasons = [w.value for w in panel.sliders.children if isinstance(w, widgets.HTML)]
    assert any("fear" in text and "stargan was not trained on them" in text for text in reasons)
    panel.sliders.enable(EVERYTHING, "stargan")
    assert not panel.sliders.emotions["fear"].disabled


def test_show_as_units_moves_the_action_unit_sliders():
    panel = ExpressionPanel(Drawing(), {"action_units"})
    panel.show_as_units("happy")
    assert repr(panel.expression) == repr(Expression.of("happy").to_action_units())


def test_further_controls_are_passed_to_draw_by_name():
    draw = Drawing()
    panel = ExpressionPanel(draw, {"emotion"}, person=widgets.IntSlider(max=9))
    panel.set(person=4)
    assert draw.inputs[-1][1] == {"person": 4}
    with pytest.raises(ValueError, match="no hapy"):
        panel.set(hapy=1)


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="unknown action unit 99"):
        ExpressionPanel(Drawing(), EVERYTHING, units=[12, 99])


def test_errors_while_drawing_are_shown_beside_the_image():
    def draw(expression):
        raise RuntimeError("no <weights>")

    panel = ExpressionPanel(draw, {"emotion"})
    assert "RuntimeError" in panel.status.value
    assert "no &lt;weights&gt;" in panel.status.value


def test_only_the_last_of_several_moves_is_drawn():
    draw = Drawing()

    async def drag() -> ExpressionPanel:
        panel = ExpressionPanel(draw, {"emotion"})
        for level in range(1, 21):
            panel.sliders.emotions["happy"].value = level / 20
        await asyncio.sleep(0.2)
        return panel

    panel = asyncio.run(drag())
    assert panel.drawn == 2  # at the start, and after the drag
    assert draw.inputs[-1][0].emotion[0, 3] == 1


def test_a_page_without_widgets_gets_the_image():
    bundle = ExpressionPanel(Drawing(), {"emotion"})._repr_mimebundle_()
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
