"""Panels of sliders that a face follows, for anything that can draw an expression: the renderer, or a generator."""

from __future__ import annotations

import asyncio
import html
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence

import ipywidgets as widgets
from PIL import Image
from torch import Tensor

from facekit.emotions import (
    ACTION_UNITS,
    COLORS,
    PROTOCOL_EMOTIONS,
    action_unit_columns,
    emotion_name,
)
from facekit.expression import DOMAINS, Expression
from facekit.faces import Faces
from facekit.show.pictures import grid, to_png

_PAUSE = 0.03  # seconds that moves are gathered for before one picture is drawn
_UNITS = tuple(unit.number for unit in ACTION_UNITS)


class ExpressionPanel(widgets.HBox):
    """Sliders for emotions, intensity and action units, and a picture that follows them.

    draw         `draw(expression, **extra)`: pictures in [-1, 1] or `Faces` for an expression of one row; or an
                 image that is laid out already
    understands  which parts of an expression `draw` takes, as `Generator.understands`; the sliders of the others
                 are greyed, and a line says why
    emotions     emotions that get a slider; how far they are pushed adds up to at most 1, the rest is neutral
    units        action units that get a slider: 12 for both sides, "AU12L" for one
    size         height of each face in pixels
    extra        further sliders or menus by name, whose values go to `draw`: `person=widgets.IntSlider(max=99)`

    A picture is drawn for where the sliders are now, not for every place that they passed: while one is being
    drawn, moves wait, and only the last of them counts.
    """

    def __init__(
        self,
        draw: Callable[..., Tensor | Faces | Image.Image],
        understands: Iterable[str],
        *,
        emotions: Sequence[str] = PROTOCOL_EMOTIONS,
        units: Sequence[str | int] = _UNITS,
        size: int = 256,
        **extra: widgets.ValueWidget,
    ) -> None:
        self.draw = draw
        self.understands = frozenset(understands)
        self.size = size
        shown = [name for name in map(emotion_name, emotions) if name != "neutral"]
        self.emotions = {name: _slider(name, COLORS[name]) for name in shown}
        self.intensity = _slider("intensity", value=1.0)
        self.units = {_unit_key(unit): _slider(_unit_key(unit), tip=_unit_tip(unit)) for unit in units}
        self.domain = widgets.ToggleButtons(options=DOMAINS, description="domain", style={"button_width": "80px"})
        self.extra = {name: _named(widget, name) for name, widget in extra.items()}
        self.picture = widgets.Image(format="png")
        self.status = widgets.HTML()
        self.drawn = 0
        self._pending: asyncio.TimerHandle | None = None
        super().__init__(self._columns())
        for control in self._controls():
            control.observe(self._moved, "value")
        self.refresh()

    # ---------------------------------------------------------------------------------------------- meaning

    @property
    def expression(self) -> Expression:
        """What the sliders ask for now; only parts that `draw` understands, and neutral where nothing is set."""
        parts = {}
        if "emotion" in self.understands:
            asked = self._asked_emotion()
            parts |= {"emotion": asked.emotion, "intensity": asked.intensity}
        units = {name: slider.value for name, slider in self.units.items() if slider.value > 0}
        if "action_units" in self.understands and (units or not parts):
            parts["action_units"] = Expression.from_action_units(units).action_units
        if not parts:
            raise ValueError(f"none of {sorted(self.understands)} has sliders: give a panel emotions or action units")
        expression = Expression(**parts)
        return expression.with_domain(self.domain.value) if "domain" in self.understands else expression

    def _asked_emotion(self) -> Expression:
        pushed = {name: slider.value for name, slider in self.emotions.items()}
        blend = Expression.blend(pushed | {"neutral": max(1 - sum(pushed.values()), 0)})
        if "intensity" not in self.understands:
            return blend
        blend = blend.weights_to_intensity()
        return blend.with_intensity(blend.intensity * self.intensity.value)

    def set(self, **values) -> None:
        """Move sliders by name and draw once: `set(happy=0.8, AU4=0.5, intensity=0.7, person=3)`.

        Raises `ValueError` for a name that this panel has no control for.
        """
        known = self._by_name()
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"this panel has no {', '.join(unknown)}; it has {', '.join(known)}")
        for name, value in values.items():
            known[name].value = value
        self.refresh()

    def reset(self) -> None:
        """Everything back to a face at rest."""
        self.set(**dict.fromkeys([*self.emotions, *self.units], 0.0), intensity=1.0)

    def show_as_units(self, emotion: str) -> None:
        """Move the action-unit sliders to an emotion's prototype, as `Expression.to_action_units` does."""
        row = Expression.of(emotion).to_action_units().action_units[0]
        self.set(**{name: row[list(action_unit_columns(name))].max().item() for name in self.units})

    # ---------------------------------------------------------------------------------------------- drawing

    def refresh(self) -> None:
        """Draw what the sliders ask for now, at once."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        extra = {name: widget.value for name, widget in self.extra.items()}
        try:
            picture = self.draw(self.expression, **extra)
        except Exception as error:  # a callback's traceback goes to a log that nobody reads, so say it here
            self.status.value = f"<b>{type(error).__name__}</b>: {html.escape(str(error))}"
            return
        image = picture if isinstance(picture, Image.Image) else grid(picture, size=self.size)
        self.drawn += 1
        self.status.value = html.escape(repr(self.expression))
        self.picture.value = to_png(image)

    def _moved(self, _change) -> None:
        if self._pending is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # outside a notebook there is no loop to come back from
            self.refresh()
        else:
            self._pending = loop.call_later(_PAUSE, self.refresh)

    # ----------------------------------------------------------------------------------------------- layout

    def _controls(self) -> list[widgets.ValueWidget]:
        return list(self._by_name().values())

    def _by_name(self) -> dict[str, widgets.ValueWidget]:
        return self.emotions | {"intensity": self.intensity} | self.units | {"domain": self.domain} | self.extra

    def _columns(self) -> list[widgets.Widget]:
        emotions = widgets.VBox([*self.emotions.values(), self.intensity])
        units = widgets.GridBox(list(self.units.values()), layout={"grid_template_columns": "repeat(2, 230px)"})
        rest = widgets.Button(description="at rest", tooltip="every slider back to zero")
        rest.on_click(lambda _: self.reset())
        left = [*self.extra.values(), self.picture, rest]
        right = [emotions, self._reason("emotion"), self._reason("intensity"), units, self._reason("action_units")]
        if "domain" in self.understands:
            right.append(self.domain)
        for part, controls in self._by_part().items():
            for control in controls:
                control.disabled = part not in self.understands
        return [widgets.VBox(left), widgets.VBox([*filter(None, right), self.status])]

    def _by_part(self) -> dict[str, list[widgets.ValueWidget]]:
        return {
            "emotion": list(self.emotions.values()),
            "intensity": [self.intensity],
            "action_units": list(self.units.values()),
        }

    def _reason(self, part: str) -> widgets.HTML | None:
        if part in self.understands or not self._by_part()[part]:
            return None
        known = ", ".join(sorted(self.understands)).replace("_", " ")
        return widgets.HTML(
            f"<small>{part.replace('_', ' ')}: greyed, because what draws this face understands {known} only</small>"
        )

    def _repr_mimebundle_(self, **kwargs) -> dict[str, str]:
        # The picture as well, for pages that show a notebook without running it.
        bundle = super()._repr_mimebundle_(**kwargs)
        return bundle | {"image/png": b64encode(self.picture.value).decode(), "text/plain": "ExpressionPanel"}


def _slider(name: str, color: str = "#555555", *, value: float = 0.0, tip: str = "") -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=0, max=1, step=0.05, description=name, description_allow_html=False, tooltip=tip or name,
        readout_format=".2f", style={"handle_color": color, "description_width": "68px"}, layout={"width": "235px"},
    )  # fmt: skip


def _named(widget: widgets.ValueWidget, name: str) -> widgets.ValueWidget:
    widget.description = widget.description or name
    return widget


def _unit_key(unit: str | int) -> str:
    action_unit_columns(unit)  # refuses a unit that does not exist
    return f"AU{str(unit).upper().removeprefix('AU')}"


def _unit_tip(unit: str | int) -> str:
    number = int(_unit_key(unit).removeprefix("AU").rstrip("LR"))
    return next(f"{known.name}: {known.muscle}" for known in ACTION_UNITS if known.number == number)
