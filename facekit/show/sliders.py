"""Sliders for what a face should show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import ipywidgets as widgets

from facekit.faces.action_units import ACTION_UNITS, action_unit_columns
from facekit.faces.emotions import COLORS, PROTOCOL_EMOTIONS, emotion_name
from facekit.faces.expression import Expression
from facekit.faces.parts import DOMAINS

UNITS = tuple(unit.number for unit in ACTION_UNITS)
"""The action units that get a slider unless asked otherwise: all, each for both sides of the face."""


class ExpressionSliders(widgets.VBox):
    """Sliders for emotions, intensity and action units, and a choice of domain.

    moved        is called without arguments when one has been moved
    understands  which parts of an expression count, as `Generator.understands`; the sliders of the others are greyed,
                 and a line says why
    emotions     emotions that get a slider; how far they are pushed adds up to at most 1, the rest is neutral
    units        action units that get a slider: 12 for both sides, "AU12L" for one
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
        self.allow(understands)

    @property
    def controls(self) -> dict[str, widgets.ValueWidget]:
        """Every control by its name."""
        return self.emotions | {"intensity": self.intensity} | self.units | {"domain": self.domain}

    def allow(self, understands: Iterable[str], who: str = "what draws this face") -> None:
        """Grey the sliders that do not count, and say why: `who` understands the others only."""
        self.understands = frozenset(understands)
        known = ", ".join(sorted(self.understands)).replace("_", " ")
        because = f"{who} understands {known} only" if known else f"{who} understands it"
        for part, controls in self._of_part.items():
            for control in controls:
                control.disabled = part not in self.understands
        for part, reason in self._reasons.items():
            words = part.replace("_", " ")
            said = f"<small>{words}: greyed, because {because}</small>"
            reason.value = "" if part in self.understands else said
            reason.layout.display = "none" if part in self.understands else ""
        self.domain.layout.display = "" if "domain" in self.understands else "none"

    @property
    def expression(self) -> Expression:
        """What they ask for now, neutral where nothing is set. See `expression_for`."""
        return self.expression_for(self.understands)

    def expression_for(self, understands: Iterable[str]) -> Expression:
        """What they ask of somebody who understands these parts alone. Raises `ValueError` where none has a slider."""
        understands, parts = frozenset(understands), {}
        if "emotion" in understands:
            asked = self._emotion(understands)
            parts |= {"emotion": asked.emotion, "intensity": asked.intensity}
        units = self.pushed_units
        if "action_units" in understands and (units or not parts):
            parts["action_units"] = Expression.from_action_units(units).action_units
        if not parts:
            raise ValueError(f"none of {sorted(understands)} has sliders: give it emotions or action units")
        expression = Expression(**parts)
        return expression.with_domain(self.domain.value) if "domain" in understands else expression

    @property
    def pushed_units(self) -> dict[str, float]:
        """The action units that are above 0, with their strengths."""
        return {name: slider.value for name, slider in self.units.items() if slider.value > 0}

    def _emotion(self, understands: frozenset[str]) -> Expression:
        pushed = {name: slider.value for name, slider in self.emotions.items()}
        blend = Expression.blend(pushed | {"neutral": max(1 - sum(pushed.values()), 0)})
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
    action_unit_columns(unit)  # refuses a unit that does not exist
    return f"AU{str(unit).upper().removeprefix('AU')}"


def _unit_tip(unit: str | int) -> str:
    number = int(_unit_key(unit).removeprefix("AU").rstrip("LR"))
    return next(f"{known.name}: {known.muscle}" for known in ACTION_UNITS if known.number == number)
