"""Sliders for a target expression."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import ipywidgets as widgets

from facekit.faces.action_units import ACTION_UNITS, action_unit_columns
from facekit.faces.emotions import COLORS, PROTOCOL_EMOTIONS, emotion_name
from facekit.faces.expression import Expression
from facekit.faces.parts import DOMAINS

UNITS = tuple(unit.number for unit in ACTION_UNITS)
"""The action units that have a slider by default: all, each for both sides of the face."""


class ExpressionSliders(widgets.VBox):
    """Sliders for emotions, intensity and action units, and a choice of domain.

    moved        called without arguments after a control has been moved
    understands  parts of an expression that have an effect, as `Generator.understands`; the sliders of other parts are
                 disabled, and a line gives the reason
    emotions     emotions with a slider. If their values add up to less than 1, the rest is neutral; if to more, they
                 are normalised
    units        action units with a slider: 12 for both sides, "AU12L" for one
    """

    def __init__(
        self,
        moved: Callable[[], None],
        understands: Iterable[str],
        *,
        emotions: Sequence[str] = PROTOCOL_EMOTIONS,
        units: Sequence[str | int] = UNITS,
    ) -> None:
        shown = [name for name in map(emotion_name, emotions) if name != "neutral"]
        self.emotions = {name: _slider(name, COLORS[name]) for name in shown}
        self.intensity = _slider("intensity", value=1.0)
        self.units = {_unit_key(unit): _slider(_unit_key(unit), tip=_unit_tip(unit)) for unit in units}
        self.domain = widgets.ToggleButtons(options=DOMAINS, description="domain", style={"button_width": "80px"})
        self._of_part = {
            "emotion": list(self.emotions.values()),
            "intensity": [self.intensity],
            "action_units": list(self.units.values()),
        }
        self._reasons = {part: widgets.HTML() for part, controls in self._of_part.items() if controls}
        super().__init__(self._rows())
        for control in self.controls.values():
            control.observe(lambda _: moved(), "value")
        self.enable(understands)

    @property
    def controls(self) -> dict[str, widgets.ValueWidget]:
        """All controls by name."""
        return self.emotions | {"intensity": self.intensity} | self.units | {"domain": self.domain}

    def enable(
        self,
        understands: Iterable[str],
        generator: str = "the generator",
        emotions: Collection[str] = PROTOCOL_EMOTIONS,
    ) -> None:
        """Enable the sliders of the parts that a generator understands and of the emotions that it was trained on, and
        disable the others with a reason."""
        self.understands = frozenset(understands)
        known = ", ".join(sorted(self.understands)).replace("_", " ")
        reason_text = f"{generator} is conditioned on {known} only" if known else "no generator is chosen"
        for part, controls in self._of_part.items():
            for control in controls:
                control.disabled = part not in self.understands
        for part, reason in self._reasons.items():
            text = f"<small>{part.replace('_', ' ')}: disabled, because {reason_text}</small>"
            reason.value = "" if part in self.understands else text
            reason.layout.display = "none" if part in self.understands else ""
        unknown = [name for name in self.emotions if name not in emotions]
        if unknown and "emotion" in self.understands:
            for name in unknown:
                self.emotions[name].disabled = True
            reason = self._reasons["emotion"]
            reason.value = f"<small>{', '.join(unknown)}: disabled, because {generator} was not trained on them</small>"
            reason.layout.display = ""
        self.domain.layout.display = "" if "domain" in self.understands else "none"

    @property
    def expression(self) -> Expression:
        """The expression that the sliders show now; neutral if nothing is set. See `expression_for`."""
        return self.expression_for(self.understands)

    def expression_for(self, understands: Iterable[str]) -> Expression:
        """The expression for a generator that understands these parts. Raises `ValueError` if none has a slider."""
        understands, parts = frozenset(understands), {}
        if "emotion" in understands:
            target = self._emotion(understands)
            parts |= {"emotion": target.emotion, "intensity": target.intensity}
        units = self.active_units
        if "action_units" in understands and (units or not parts):
            parts["action_units"] = Expression.from_action_units(units).action_units
        if not parts:
            raise ValueError(f"none of {sorted(understands)} has sliders: understands needs emotion or action_units")
        expression = Expression(**parts)
        return expression.with_domain(self.domain.value) if "domain" in understands else expression

    @property
    def active_units(self) -> dict[str, float]:
        """The action units above 0, with their intensities."""
        return {name: slider.value for name, slider in self.units.items() if slider.value > 0}

    def _emotion(self, understands: frozenset[str]) -> Expression:
        values = {name: slider.value for name, slider in self.emotions.items() if not slider.disabled}
        blend = Expression.blend(values | {"neutral": max(1 - sum(values.values()), 0)})
        if "intensity" not in understands:
            return blend
        blend = blend.weights_to_intensity()
        return blend.with_intensity(blend.intensity * self.intensity.value)

    def _rows(self) -> list[widgets.Widget]:
        emotions = widgets.VBox([*self.emotions.values(), self.intensity])
        units = widgets.GridBox(list(self.units.values()), layout={"grid_template_columns": "repeat(2, 230px)"})
        reasons = self._reasons
        rows = [emotions, reasons.get("emotion"), reasons["intensity"], units, reasons.get("action_units"), self.domain]
        return [row for row in rows if row is not None]


def _slider(name: str, color: str = "#555555", *, value: float = 0.0, tip: str = "") -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=0, max=1, step=0.05, description=name, description_allow_html=False, tooltip=tip or name,
        readout_format=".2f", style={"handle_color": color, "description_width": "68px"}, layout={"width": "235px"},
    )  # fmt: skip


def _unit_key(unit: str | int) -> str:
    action_unit_columns(unit)  # raises for an unknown unit
    return f"AU{str(unit).upper().removeprefix('AU')}"


def _unit_tip(unit: str | int) -> str:
    number = int(_unit_key(unit).removeprefix("AU").rstrip("LR"))
    return next(f"{known.name}: {known.muscle}" for known in ACTION_UNITS if known.number == number)
