"""The studio's page: a face, sliders, and one or two generators that edit the face."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets as widgets

from facekit.models.load import available_generators
from facekit.models.system import system_class
from facekit.show.catalogue import DEFAULT, available
from facekit.show.face_chooser import FaceChooser
from facekit.show.images import stacked, to_png
from facekit.show.sliders import UNITS, ExpressionSliders
from facekit.show.studio.readout import Readout
from facekit.show.studio.side import GROUND_TRUTH, NO_GENERATOR, Side
from facekit.show.style import compact
from facekit.weights.store import WeightsCard
from facekit.workspace.folders import run_dir


class Studio(widgets.VBox):
    """Choose a face and one or two generators, move sliders, and compare the edits.

    A generator that is conditioned on landmarks takes the expression of a driver, a second face to choose, in place of
    the sliders. Each side shows input, edit and difference, the generator's internal maps if it has any, the emotion
    that a judge predicts, and the identity similarity of input and edit. Edits follow the sliders in a thread, for
    their latest position only; the judges' predictions follow after the image.

    generator, second  names of weights or `GROUND_TRUTH`; for the second also `NO_GENERATOR`
    units              action units with a slider
    folder             where `save` writes; by default `edits` in the run's folder
    """

    def __init__(
        self,
        generator: str = DEFAULT,
        second: str = NO_GENERATOR,
        *,
        units: Sequence[str | int] = UNITS,
        folder: Path | None = None,
    ) -> None:
        self.folder = folder
        self.faces, self.driver = FaceChooser(self.schedule), FaceChooser(self.schedule, "driver", "happy")
        self.sliders = ExpressionSliders(self.schedule, (), units=units)
        self.readout = Readout()
        parts, cards = (self.faces, self.driver, self.sliders, self.readout), _editing_stills()
        self.sides = (
            Side(*parts, cards, first=(GROUND_TRUTH,), chosen=generator, changed=self._generator_changed),
            Side(*parts, cards, first=(NO_GENERATOR, GROUND_TRUTH), chosen=second, changed=self._generator_changed),
        )
        self.status = widgets.HTML()
        self.buttons = {
            "reset": _button("reset", "Set all sliders back to a neutral face.", self.reset),
            "play": _button("play", "Animate the expression from neutral to the target.", self.play),
            "save": _button("save", "Write image, settings and animation to files.", self._save),
        }
        controls = widgets.VBox([self.sliders, widgets.HBox(list(self.buttons.values())), self.status])
        super().__init__([self.faces, self.driver, widgets.HBox([controls, widgets.VBox(self.sides)])])
        self._enable_sliders()
        self.update()

    def set(self, **values) -> None:
        """Move controls by name, and update: `set(happy=0.8, person=3, generator="stargan-synthetic")`.

        Raises `ValueError` for an unknown name.
        """
        own = {
            "person": self.faces.person,
            "shows": self.faces.shows,
            "driver": self.driver.person,
            "driver_shows": self.driver.shows,
            "generator": self.sides[0].menu,
            "second": self.sides[1].menu,
        }
        known = self.sliders.controls | own
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"the studio has no {', '.join(unknown)}; it has {', '.join(known)}")
        for name, value in values.items():
            known[name].value = value
        self.update()

    def reset(self) -> None:
        """Set all sliders back to a neutral face; the update follows in the background."""
        for slider in (*self.sliders.emotions.values(), *self.sliders.units.values()):
            slider.value = 0.0
        self.sliders.intensity.value = 1.0

    def update(self) -> None:
        """Update both sides now, in the calling thread."""
        for side in self.sides:
            side.update()

    def schedule(self) -> None:
        """Update both sides in the background."""
        for side in self.sides:
            side.schedule()

    def play(self) -> None:
        """Animate the expression on both sides, from neutral to the target."""
        for side in self.sides:
            side.play()

    def save(self) -> list[Path]:
        """Write the edit of each side with its settings and, if it was played, its animation; returns the paths."""
        folder = self.folder or run_dir() / "edits"
        return [path for side in self.sides if (path := side.save(folder)) is not None]

    def _generator_changed(self, side: Side) -> None:
        self._enable_sliders()
        side.schedule()

    def _enable_sliders(self) -> None:
        """Enable the sliders that affect at least one side."""
        active = [side for side in self.sides if side.understands]
        understood = frozenset().union(*(side.understands for side in active))
        emotions = frozenset().union(*(side.emotions for side in active))
        self.sliders.enable(understood, " and ".join(side.menu.value for side in active), emotions)
        self.driver.layout.display = "" if "landmarks" in understood else "none"

    def _save(self) -> None:
        paths = self.save()
        self.status.value = "saved " + ", ".join(f"<code>{html.escape(str(path))}</code>" for path in paths)

    def _repr_mimebundle_(self, **kwargs) -> dict[str, str]:
        # With an image, for pages that show a notebook without running it.
        bundle = super()._repr_mimebundle_(**kwargs)
        sheets = [side.edit.sheet for side in self.sides if side.edit]
        shown = b64encode(to_png(compact(stacked(sheets)))).decode() if sheets else ""
        return bundle | {"image/png": shown, "text/plain": "Studio"}


def _button(label: str, tooltip: str, act: Callable[[], object]) -> widgets.Button:
    button = widgets.Button(description=label, tooltip=tooltip)
    button.on_click(lambda _: act())
    return button


def _editing_stills() -> dict[str, tuple[str, WeightsCard]]:
    """Name for people and card of the generators that the studio can ask, by the name of their weights: those of
    landmarks only if they take those of a driver."""
    cards, found = available_generators(), {}
    for entry in available():
        card = cards[entry.weights]
        kind = system_class(card.system)
        if "landmarks" not in kind.understands or hasattr(kind, "driving"):
            found[entry.weights] = (entry.name, card)
    return found
