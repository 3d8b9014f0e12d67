"""A panel of sliders with an image that follows them, for a generator or the renderer."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence

import ipywidgets as widgets
from PIL import Image
from torch import Tensor

from facekit.faces.action_units import action_unit_columns
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.show.background import LatestOnly
from facekit.show.images import grid, to_png
from facekit.show.sliders import UNITS, ExpressionSliders


class ExpressionPanel(widgets.HBox):
    """Sliders for a target expression, and an image that follows them.

    draw         `draw(expression, **extra)`: images in [-1, 1] or `Faces` for an expression of one row, or a finished
                 PIL image. In a notebook it is called in a separate thread
    understands  parts of an expression that `draw` takes, as `Generator.understands`; see `ExpressionSliders`, also
                 for `emotions` and `units`
    size         height of each face in pixels
    extra        further sliders or menus by name, whose values are passed to `draw`: `person=widgets.IntSlider(max=99)`

    Only the latest position of the sliders is drawn: moves during drawing are collected, and the last one counts.
    """

    def __init__(
        self,
        draw: Callable[..., Tensor | Faces | Image.Image],
        understands: Iterable[str],
        *,
        emotions: Sequence[str] = PROTOCOL_EMOTIONS,
        units: Sequence[str | int] = UNITS,
        size: int = 256,
        **extra: widgets.ValueWidget,
    ) -> None:
        self.draw = draw
        self.size = size
        self._latest = LatestOnly(self._input, self._work, self._show, self._fail)
        self.sliders = ExpressionSliders(self._latest.schedule, understands, emotions=emotions, units=units)
        self.extra = {name: _named(widget, name) for name, widget in extra.items()}
        self.picture = widgets.Image(format="png")
        self.status = widgets.HTML()
        self.drawn = 0
        reset = widgets.Button(description="reset", tooltip="Set all sliders back to a neutral face.")
        reset.on_click(lambda _: self.reset())
        left = widgets.VBox([*self.extra.values(), self.picture, reset])
        super().__init__([left, widgets.VBox([self.sliders, self.status])])
        for control in self.extra.values():
            control.observe(lambda _: self._latest.schedule(), "value")
        self.refresh()

    @property
    def expression(self) -> Expression:
        """The expression that the sliders show now, in the parts that `draw` understands; neutral if nothing is set."""
        return self.sliders.expression

    def set(self, **values) -> None:
        """Move sliders by name and draw once: `set(happy=0.8, AU4=0.5, intensity=0.7, person=3)`.

        Raises `ValueError` for a name that this panel has no control for.
        """
        known = self.sliders.controls | self.extra
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"this panel has no {', '.join(unknown)}; it has {', '.join(known)}")
        for name, value in values.items():
            known[name].value = value
        self.refresh()

    def reset(self) -> None:
        """Set all sliders back to a neutral face."""
        self.set(**dict.fromkeys([*self.sliders.emotions, *self.sliders.units], 0.0), intensity=1.0)

    def show_as_units(self, emotion: str) -> None:
        """Move the action-unit sliders to the prototype of an emotion (see `Expression.to_action_units`)."""
        row = Expression.of(emotion).to_action_units().action_units[0]
        self.set(**{name: row[list(action_unit_columns(name))].max().item() for name in self.sliders.units})

    def refresh(self) -> None:
        """Draw the current expression now, in the calling thread."""
        self._latest.run()

    def _input(self) -> tuple[Expression, dict[str, object]]:
        return self.expression, {name: widget.value for name, widget in self.extra.items()}

    def _work(self, values) -> tuple[Expression, bytes]:
        expression, extra = values
        picture = self.draw(expression, **extra)
        image = picture if isinstance(picture, Image.Image) else grid(picture, size=self.size)
        return expression, to_png(image)

    def _show(self, result: tuple[Expression, bytes]) -> None:
        expression, picture = result
        self.drawn += 1
        self.status.value = html.escape(repr(expression))
        self.picture.value = picture

    def _fail(self, error: Exception) -> None:  # a callback's traceback would only reach a log
        self.status.value = f"<b>{type(error).__name__}</b>: {html.escape(str(error))}"

    def _repr_mimebundle_(self, **kwargs) -> dict[str, str]:
        # With the image, for pages that show a notebook without running it.
        bundle = super()._repr_mimebundle_(**kwargs)
        return bundle | {"image/png": b64encode(self.picture.value).decode(), "text/plain": "ExpressionPanel"}


def _named(widget: widgets.ValueWidget, name: str) -> widgets.ValueWidget:
    widget.description = widget.description or name
    return widget
