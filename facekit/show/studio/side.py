"""One side of the studio: a menu of generators, the edit, and the judges' predictions."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path

import ipywidgets as widgets
from PIL import Image

import facekit
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.models.load import load_system
from facekit.models.system import Generator
from facekit.show.animation import Animation
from facekit.show.background import LatestOnly
from facekit.show.face_chooser import FaceChooser
from facekit.show.images import grid, to_png
from facekit.show.saving import save_edit
from facekit.show.sliders import ExpressionSliders
from facekit.show.studio.edit_job import EditJob, RenderedEdit
from facekit.show.studio.readout import Readout
from facekit.show.subjects import GroundTruthRenderer
from facekit.weights.store import WeightsCard, WeightsError

GROUND_TRUTH = "ground truth"
"""The menu's entry for the renderer, which draws a drawn person with the target expression."""

NO_GENERATOR = "none"
"""The menu's entry for no generator."""

_RENDERER_SIZE = 128  # pixels of the ground truth, as of the weights with which the studio opens


class Side(widgets.VBox):
    """One generator: the menu to choose it, its edit, and the judges' predictions.

    faces    whose subject is edited
    driver   whose subject shows the target expression, for generators that are conditioned on landmarks
    sliders  that show the target expression, for all others
    readout  the judges
    cards    name for people and card of all weights in the menu, by the name of the weights
    first    further entries at the top of the menu: `NO_GENERATOR`, `GROUND_TRUTH`
    chosen   name in the menu at the start
    changed  called with this side after another generator has been loaded
    """

    def __init__(
        self,
        faces: FaceChooser,
        driver: FaceChooser,
        sliders: ExpressionSliders,
        readout: Readout,
        cards: Mapping[str, tuple[str, WeightsCard]],
        *,
        first: tuple[str, ...],
        chosen: str,
        changed: Callable[[Side], None],
    ) -> None:
        self._faces, self._driver, self._sliders, self._readout = faces, driver, sliders, readout
        self._for_photographs = [name for name, (_, card) in cards.items() if not _trained_on_drawings(card)]
        known = {name: label for name, (label, _) in cards.items()}
        if chosen not in (*first, *known):  # weights by their path, or of a run of the smoke profile
            known[chosen] = chosen
        self._make_widgets([*zip(first, first, strict=True), *((label, name) for name, label in known.items())], chosen)
        self.generator: Generator | None = None
        self.edit: RenderedEdit | None = None
        self.animation: Animation | None = None
        self._suggested = chosen  # name of the weights that the button `suggestion` chooses
        self._edits = LatestOnly(self.job, lambda job: job and job.run(), self._show_edit, self._show_error)
        self._judging = LatestOnly(lambda: self.edit, self._judge, self._show_judgement, self._show_error)
        self._animating = LatestOnly(self.job, lambda job: job and job.animation(), self._show_film, self._show_error)
        self._changed = changed
        self._load()
        super().__init__([self.menu, self.note, self.suggestion, self.picture, self.maps, self.judgement, self.film])
        self.menu.observe(lambda _: self._choose(), "value")
        self.suggestion.on_click(lambda _: setattr(self.menu, "value", self._suggested))

    def _make_widgets(self, names: list[tuple[str, str]], chosen: str) -> None:
        hidden = {"display": "none"}
        self.menu = widgets.Dropdown(options=names, value=chosen, description="generator", layout={"width": "330px"})
        self.note = widgets.HTML()
        self.suggestion = widgets.Button(layout={"display": "none", "width": "auto"})
        self.picture = widgets.Image(format="png", layout=hidden)
        self.maps = widgets.Image(format="png", layout=hidden)
        self.film = widgets.Image(format="gif", layout=hidden)
        self.judgement = widgets.HTML()

    def _choose(self) -> None:
        self._load()
        self._changed(self)

    def _load(self) -> None:
        """Load the generator in the menu. An error is raised later, by `job`."""
        name = self.menu.value
        self.generator, self._unusable = None, None
        if name not in (GROUND_TRUTH, NO_GENERATOR):
            try:
                self.generator = load_system(name)
            except WeightsError as error:
                self._unusable = error

    @property
    def understands(self) -> frozenset[str]:
        """The parts of an expression that this side is conditioned on."""
        if self.menu.value == NO_GENERATOR or self._unusable:
            return frozenset()
        return GroundTruthRenderer.understands if self.generator is None else self.generator.understands

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that this side can show."""
        return PROTOCOL_EMOTIONS if self.generator is None else self.generator.emotions

    def job(self) -> EditJob | None:
        """The edit of the current face with the current sliders; None without a generator.

        Raises `WeightsError` for weights that cannot be used, and `ValueError` for the ground truth of a photograph.
        """
        if self.menu.value == NO_GENERATOR:
            return None
        if self._unusable:
            raise self._unusable
        subject, generator = self._faces.subject, self.generator
        if generator is None:
            if subject.ground_truth is None:
                raise ValueError("There is no ground truth for a photograph: choose a drawn person.")
            generator, size, channels = subject.ground_truth(_RENDERER_SIZE, 3), _RENDERER_SIZE, 3
        else:
            size, channels = generator.preset.size, generator.channels
        target = self._target(size, channels)
        return EditJob(generator, subject, subject.at(size, channels), target)

    def _target(self, size: int, channels: int) -> Expression:
        if "landmarks" in self.understands:
            return self.generator.driving(self._driver.subject.at(size, channels))
        return self._sliders.expression_for(self.understands)

    def schedule(self) -> None:
        """Update in the background, because the face, the sliders or the generator have changed."""
        self._update_note()
        self._edits.schedule()

    def update(self) -> None:
        """Update edit and judges' predictions now, in the calling thread."""
        self._update_note()
        self._edits.run()
        if self.edit is not None:
            self._judging.run()

    def play(self) -> None:
        """Animate the expression from neutral to the target, in the background."""
        self._animating.schedule()

    def save(self, folder: Path) -> Path | None:
        """Write the current edit (see `save_edit`); returns the image's path, or None without an edit."""
        if self.edit is None:
            return None
        job = self.edit.job
        card = getattr(job.generator, "card", None)
        settings = {
            "facekit": facekit.__version__,
            "generator": self.menu.value,
            "sha256": card.sha256 if card else None,
            "subject": job.subject.name,
            "driver": self._driver.subject.name if "landmarks" in self.understands else None,
            "expression": repr(job.expression),
            "sliders": {name: control.value for name, control in self._sliders.controls.items()},
        }
        return save_edit(folder, grid(self.edit.after, size=256, full_color=True), settings, self.animation)

    def _update_note(self) -> None:
        """Show the warnings that apply to this generator and this face."""
        self.suggestion.layout.display = "none"
        card, notes = getattr(self.generator, "card", None), []
        if card and not self._faces.subject.drawn and _trained_on_drawings(card):
            notes += self._suggest()
        ignored = {} if "action_units" in self.understands else self._sliders.active_units
        if ignored and self.menu.value != NO_GENERATOR:
            notes.append(f"It is not conditioned on action units, and ignores {', '.join(ignored)}.")
        if unlearned := self._unlearned_units():
            notes.append(f"No face in its training moved {', '.join(unlearned)}: expect nothing, or a poor edit.")
        self.note.value = " ".join(notes)

    def _unlearned_units(self) -> list[str]:
        """The action units above 0 that the generator did not see in training."""
        missing = () if self.generator is None else self.generator.untrained_units
        active = self._sliders.active_units
        return [unit for unit in active if any(name.rstrip("LR") == unit.rstrip("LR") for name in missing)]

    def _suggest(self) -> list[str]:
        """Suggest weights for a photograph: those on this machine, or the page with commands that train some."""
        name = html.escape(self.menu.value)
        warning = f"{name} was trained on drawn faces only, and this is a photograph: expect a poor edit."
        if not self._for_photographs:
            return [warning, "The commands in <code>docs/photographs.md</code> fine-tune weights on photographs."]
        self._suggested = self._for_photographs[0]
        self.suggestion.description, self.suggestion.layout.display = f"use {self._suggested}", ""
        return [warning, "Weights trained on photographs are available:"]

    def _judge(self, edit: RenderedEdit) -> tuple[str, Image.Image | None]:
        return self._readout.html(edit), edit.job.maps()

    def _show_edit(self, edit: RenderedEdit | None) -> None:
        self.edit, self.animation = edit, None
        self.film.layout.display = "none"
        self.picture.layout.display = "none" if edit is None else ""
        if edit is None:
            self.judgement.value, self.maps.layout.display = "", "none"
            return
        self.picture.value = edit.png
        self._judging.schedule()

    def _show_judgement(self, judged: tuple[str, Image.Image | None]) -> None:
        if self.edit is None:  # the edit has been removed meanwhile
            return
        self.judgement.value, maps = judged
        self.maps.layout.display = "none" if maps is None else ""
        if maps is not None:
            self.maps.value = to_png(maps, fast=True)

    def _show_film(self, animation: Animation | None) -> None:
        self.animation = animation
        if animation is not None:
            self.film.value, self.film.layout.display = animation.encode("gif"), ""

    def _show_error(self, error: Exception) -> None:
        self._show_edit(None)
        self.judgement.value = f"<b>{html.escape(str(error))}</b>"


def _trained_on_drawings(card: WeightsCard) -> bool:
    """Whether weights were trained on drawn faces only."""
    return str(card.data.get("name", "")).startswith("synthetic")
