"""The studio: a face, one or two generators, sliders, and what each generator and the judges make of them."""

from __future__ import annotations

import html
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as widgets
import torch
from PIL import Image
from torch import Tensor

import facekit
from facekit.evaluation.judges import EmotionJudge, IdentityJudge
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.load import available_generators, load_system
from facekit.models.system import Generator
from facekit.show.animation import Animation, animate
from facekit.show.background import LatestOnly
from facekit.show.face_chooser import FaceChooser
from facekit.show.pictures import difference, grid, stacked, to_png, with_heat
from facekit.show.saving import save_edit
from facekit.show.sliders import UNITS, ExpressionSliders
from facekit.show.style import compact, emotion_color
from facekit.show.subjects import Subject, Truth
from facekit.weights.store import WeightsError
from facekit.workspace.folders import run_dir

TRUTH = "the true answer"
"""The renderer's name among the generators: of a drawn person it knows what the others guess."""

NO_GENERATOR = "nobody"
"""The choice of no second generator."""

FRAMES = 16  # of the way from rest to the expression, which takes a second

_SIZE = 64  # pixels of what the renderer draws, as that of the weights that ship
_SHOWN = 168  # height in pixels of each picture on the screen


@dataclass(frozen=True, eq=False)
class EditRequest:
    """What one generator is asked: a face, as it takes it, and an expression, of what it understands."""

    generator: Generator | Truth
    subject: Subject
    faces: Faces
    expression: Expression

    def edit(self, expression: Expression | None = None) -> Tensor:
        """Its answer, to this expression where one is given."""
        return self.generator.edit(self.faces, expression or self.expression, source=self.subject.shown)

    def answer(self) -> EditResult:
        """Its answer as it is shown."""
        started = time.perf_counter()
        before, after = self.faces.images, self.edit()
        sheet = grid(
            [before, after, difference(before, after)],
            columns=["before", "after", "what changed"],
            size=_SHOWN,
            full_color=True,
        )
        return EditResult(self, after, sheet, to_png(sheet, fast=True), time.perf_counter() - started)


@dataclass(frozen=True, eq=False)
class EditResult:
    """What came of a question: a picture (1, C, H, W), and the sheet that shows it, also as a PNG.

    seconds  from the question to the PNG
    """

    request: EditRequest
    after: Tensor
    sheet: Image.Image
    png: bytes
    seconds: float


class Side(widgets.VBox):
    """One generator: the menu to choose it, its pictures, and what judges say of them.

    studio   whose face and sliders it follows
    choices  names of generators
    chosen   one of them
    """

    def __init__(self, studio: Studio, choices: Sequence[str], chosen: str) -> None:
        self._studio = studio
        self.menu = widgets.Dropdown(options=choices, value=chosen, description="generator", layout={"width": "330px"})
        self.note = widgets.HTML()
        self.other = widgets.Button(layout={"display": "none", "width": "auto"})
        self.picture = widgets.Image(format="png", layout={"display": "none"})
        self.inside = widgets.Image(format="png", layout={"display": "none"})
        self.film = widgets.Image(format="gif", layout={"display": "none"})
        self.said = widgets.HTML()
        self.generator: Generator | None = None
        self.answer: EditResult | None = None
        self._offered = chosen  # by the button
        self.animation: Animation | None = None
        self._edits = LatestOnly(self.request, lambda asked: asked and asked.answer(), self._show, self._fail)
        self._judging = LatestOnly(lambda: self.answer, studio.judged, self._show_judged, self._fail)
        self._filming = LatestOnly(self.request, _filmed, self._show_film, self._fail)
        self.load()
        super().__init__([self.menu, self.note, self.other, self.picture, self.inside, self.said, self.film])
        self.menu.observe(lambda _: studio.choose(self), "value")
        self.other.on_click(lambda _: setattr(self.menu, "value", self._offered))

    def load(self) -> None:
        """Load the generator that the menu names; why its weights cannot be used, if so, is said when it is asked."""
        name = self.menu.value
        self.generator, self._unusable = None, None
        if name not in (TRUTH, NO_GENERATOR):
            try:
                self.generator = load_system(name)
            except WeightsError as error:
                self._unusable = error

    @property
    def understands(self) -> frozenset[str]:
        """Parts of an expression that count for this side."""
        if self.menu.value == NO_GENERATOR or self._unusable:
            return frozenset()
        return Truth.understands if self.generator is None else self.generator.understands

    def request(self) -> EditRequest | None:
        """What it is asked now; None where it is nobody."""
        if self.menu.value == NO_GENERATOR:
            return None
        if self._unusable:
            raise self._unusable
        subject, generator = self._studio.faces.subject, self.generator
        if generator is None:
            if subject.truth is None:
                raise ValueError("Nobody knows the true answer for a photograph: choose a drawn person.")
            generator, size, channels = subject.truth(_SIZE, 3), _SIZE, 3
        else:
            size, channels = generator.preset.size, generator.channels
        asked = self._studio.sliders.expression_for(self.understands)
        return EditRequest(generator, subject, subject.at(size, channels), asked)

    def follow(self) -> None:
        """The face, the sliders or the generator have changed: show what comes of it soon."""
        self._warn()
        self._edits.soon()

    def show_now(self) -> None:
        """Show what is asked for now, at once; what judges say of it comes later."""
        self._warn()
        self._edits.now()

    def judge_now(self) -> None:
        """Have the judges say at once what they make of what is shown."""
        if self.answer is not None:
            self._judging.now()

    def play(self) -> None:
        """Show the way from a face at rest to the expression."""
        self._filming.soon()

    def save(self, folder: Path) -> Path | None:
        """Write what is shown now; returns the picture's path, or None where there is none."""
        if self.answer is None:
            return None
        request = self.answer.request
        card = getattr(request.generator, "card", None)
        settings = {
            "facekit": facekit.__version__,
            "generator": self.menu.value,
            "sha256": card.sha256 if card else None,
            "subject": request.subject.name,
            "expression": repr(request.expression),
            "sliders": {name: control.value for name, control in self._studio.sliders.controls.items()},
        }
        return save_edit(folder, grid(self.answer.after, size=256, full_color=True), settings, self.animation)

    def _warn(self) -> None:
        """Say what should be known of this generator and this face."""
        subject, said = self._studio.faces.subject, []
        self.other.layout.display = "none"
        card = getattr(self.generator, "card", None)
        if card and not subject.drawn and _of_drawings(card):
            name = html.escape(self.menu.value)
            said.append(f"{name} has seen drawn faces only, and this is a photograph: expect little.")
            own = [name for name in self.menu.options if name in self._studio.of_photographs]
            if own:
                self._offered = own[0]
                self.other.description, self.other.layout.display = f"take {own[0]}", ""
                said.append("You have weights of photographs:")
            else:
                said.append(f"Weights of photographs: <code>facekit train {card.system} --data fer2013</code>.")
        unasked = self._studio.sliders.pushed_units if "action_units" not in self.understands else {}
        if unasked and self.menu.value != NO_GENERATOR:
            said.append(f"It does not understand action units, and is not asked for {', '.join(unasked)}.")
        self.note.value = " ".join(said)

    def _show(self, answer: EditResult | None) -> None:
        self.answer, self.animation = answer, None
        self.film.layout.display = "none"
        self.picture.layout.display = "none" if answer is None else ""
        if answer is None:
            self.said.value, self.inside.layout.display = "", "none"
            return
        self.picture.value = answer.png
        self._judging.soon()

    def _show_judged(self, judged: tuple[str, Image.Image | None]) -> None:
        if self.answer is None:  # meanwhile there is nothing to judge any more
            return
        self.said.value, inside = judged
        self.inside.layout.display = "none" if inside is None else ""
        if inside is not None:
            self.inside.value = to_png(inside, fast=True)

    def _show_film(self, animation: Animation | None) -> None:
        self.animation = animation
        if animation is not None:
            self.film.value, self.film.layout.display = animation.encode("gif"), ""

    def _fail(self, error: Exception) -> None:
        self._show(None)
        self.said.value = f"<b>{html.escape(str(error))}</b>"


class Studio(widgets.VBox):
    """Choose a face and one or two generators, move sliders, and see what becomes of it.

    Each side shows the face before and after, what has changed, maps of where the generator looked if it tells, what
    a judge reads, and how alike the two faces are to the identity network. Edits follow the sliders in a thread, and
    only for where they are now; what judges say comes after the picture.

    generator, second  names of weights, `TRUTH` or, for the second, `NO_GENERATOR`
    units              action units that get a slider
    folder             where `save` writes; by default the run's
    """

    def __init__(
        self,
        generator: str = "diffusion_editor-synthetic",
        second: str = NO_GENERATOR,
        *,
        units: Sequence[str | int] = UNITS,
        folder: Path | None = None,
    ) -> None:
        self.folder = folder
        known = available_generators()
        self.of_photographs = [name for name, card in known.items() if not _of_drawings(card)]
        self.faces = FaceChooser(self.follow)
        self.sliders = ExpressionSliders(self.follow, (), units=units)
        self._judges: dict[str, EmotionJudge | IdentityJudge] = {}
        choices = [TRUTH, *known]
        self.sides = (Side(self, choices, generator), Side(self, [NO_GENERATOR, *choices], second))
        self.status = widgets.HTML()
        buttons = {"at rest": self.reset, "play": self.play, "save": self._save}
        self.buttons = {name: widgets.Button(description=name) for name in buttons}
        for name, act in buttons.items():
            self.buttons[name].on_click(lambda _, act=act: act())
        controls = widgets.VBox([self.sliders, widgets.HBox(list(self.buttons.values())), self.status])
        super().__init__([self.faces, widgets.HBox([controls, widgets.VBox(self.sides)])])
        self._allow()
        self.refresh()

    def set(self, **values) -> None:
        """Move controls by name and show what comes of it: `set(happy=0.8, person=3, generator="stargan-synthetic")`.

        Raises `ValueError` for a name that there is no control for.
        """
        own = {
            "person": self.faces.person,
            "shows": self.faces.shows,
            "generator": self.sides[0].menu,
            "second": self.sides[1].menu,
        }
        known = self.sliders.controls | own
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"the studio has no {', '.join(unknown)}; it has {', '.join(known)}")
        for name, value in values.items():
            known[name].value = value
        self.refresh()

    def reset(self) -> None:
        """Every slider back to a face at rest; that is shown soon."""
        for slider in (*self.sliders.emotions.values(), *self.sliders.units.values()):
            slider.value = 0.0
        self.sliders.intensity.value = 1.0

    def refresh(self) -> None:
        """Show what is asked for now, at once."""
        for side in self.sides:
            side.show_now()
            side.judge_now()

    def follow(self) -> None:
        """Show it soon."""
        for side in self.sides:
            side.follow()

    def play(self) -> None:
        """On each side, the way from rest to the expression."""
        for side in self.sides:
            side.play()

    def save(self) -> list[Path]:
        """Write what each side shows, with its settings and, where it was played, its film."""
        folder = self.folder or run_dir() / "edits"
        return [path for side in self.sides if (path := side.save(folder)) is not None]

    def choose(self, side: Side) -> None:
        """A side has another generator."""
        side.load()
        self._allow()
        side.follow()

    def judged(self, answer: EditResult) -> tuple[str, Image.Image | None]:
        """What judges say of an answer, as HTML, and its generator's maps, where it has some."""
        request, after = answer.request, Faces(answer.after)
        kind = "synthetic" if request.subject.drawn else "fer2013"
        judge = self._judge(EmotionJudge, f"emotion_resnet-{kind}")
        said = [_bars(judge.probabilities(after)[0], judge.name)]
        if request.subject.drawn:
            both = self._judge(IdentityJudge, "identity-synthetic").embed(
                Faces(torch.cat([request.faces.images, after.images]))
            )
            said.append(f"same person: {both[0] @ both[1]:.2f} of 1 (identity-synthetic)")
        else:
            said.append("same person: our identity network knows drawn faces only, and is not asked")
        said.append(f"<small>the picture took {1000 * answer.seconds:.0f} ms</small>")
        return "<br>".join(said), _maps(request)

    def _judge(self, kind: type, name: str):
        if name not in self._judges:
            self._judges[name] = kind.load(name)
        return self._judges[name]

    def _allow(self) -> None:
        """Let the sliders count that one of the sides understands."""
        asked = [side for side in self.sides if side.understands]
        self.sliders.allow(
            frozenset().union(*(side.understands for side in asked)),
            " and ".join(side.menu.value for side in asked) or NO_GENERATOR,
        )

    def _save(self) -> None:
        paths = self.save()
        self.status.value = "saved " + ", ".join(f"<code>{html.escape(str(path))}</code>" for path in paths)

    def _repr_mimebundle_(self, **kwargs) -> dict[str, str]:
        # A picture as well, for pages that show a notebook without running it.
        bundle = super()._repr_mimebundle_(**kwargs)
        sheets = [side.answer.sheet for side in self.sides if side.answer]
        shown = b64encode(to_png(compact(stacked(sheets)))).decode() if sheets else ""
        return bundle | {"image/png": shown, "text/plain": "Studio"}


def _filmed(request: EditRequest | None) -> Animation | None:
    if request is None:
        return None
    asked = request.expression
    goal = asked if asked.emotion is None else asked.intensity_to_weights()
    rest = Expression(
        emotion=None if goal.emotion is None else Expression.neutral().emotion,
        action_units=None if goal.action_units is None else torch.zeros_like(goal.action_units),
        domain=goal.domain,
    )
    return animate(request.edit(Expression.path([rest, goal], FRAMES)), fps=FRAMES, size=_SHOWN)


def _maps(request: EditRequest) -> Image.Image | None:
    inspect = getattr(request.generator, "inspect", None)
    maps = inspect(request.faces, request.expression) if inspect else {}
    if not maps:
        return None
    shown = [with_heat(request.faces.images, each) if each.shape[1] == 1 else each for each in maps.values()]
    return grid(shown, columns=list(maps), size=_SHOWN, full_color=True)


def _bars(probabilities: Tensor, judge: str) -> str:
    """What a judge reads, as bars of HTML."""
    rows = [
        f'<div style="display:flex;align-items:center;line-height:1.3"><span style="width:5em">{name}</span>'
        f'<span style="width:{160 * share:.0f}px;height:0.8em;background:{emotion_color(name)}"></span>'
        f'<span style="margin-left:0.5em">{share:.0%}</span></div>'
        for name, share in zip(PROTOCOL_EMOTIONS, probabilities.tolist(), strict=True)
    ]
    return f"<small>{judge} reads</small>{''.join(rows)}"


def _of_drawings(card) -> bool:
    """Whether weights have seen drawn faces alone."""
    return str(card.data.get("name", "")).startswith("synthetic")
