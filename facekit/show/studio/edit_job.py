"""One edit of the studio: its images, its animation, and the generator's internal maps."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.system import Generator
from facekit.show.animation import Animation, animate
from facekit.show.images import difference, grid, to_png, with_heat
from facekit.show.subjects import GroundTruthRenderer, Subject

FRAMES = 16
"""Frames of an animation, which lasts one second."""

_SHOWN = 168  # height in pixels of each image on the screen


@dataclass(frozen=True, eq=False)
class EditJob:
    """An edit that is to be computed.

    faces       the subject in the generator's size and channels
    expression  the target, in the parts that the generator understands
    """

    generator: Generator | GroundTruthRenderer
    subject: Subject
    faces: Faces
    expression: Expression

    def run(self) -> RenderedEdit:
        """Compute and render the edit."""
        started = time.perf_counter()
        before, after = self.faces.images, self._edit(self.expression)
        sheet = grid(
            [before, after, difference(before, after)],
            columns=["input", "edit", "difference"],
            size=_SHOWN,
            full_color=True,
        )
        return RenderedEdit(self, after, sheet, to_png(sheet, fast=True), time.perf_counter() - started)

    def animation(self) -> Animation:
        """The edit with the expression growing from neutral, or towards a driver's from the face's own."""
        return animate(self._edit(Expression.path(self._growing(), FRAMES)), fps=FRAMES, size=_SHOWN)

    def _growing(self) -> list[Expression]:
        """The first and the last expression of the animation."""
        expression = self.expression
        if expression.landmarks is not None:
            return [self.generator.driving(self.faces), expression]
        target = expression if expression.emotion is None else expression.intensity_to_weights()
        neutral = Expression(
            emotion=None if target.emotion is None else Expression.neutral().emotion,
            action_units=None if target.action_units is None else torch.zeros_like(target.action_units),
            domain=target.domain,
        )
        return [neutral, target]

    def maps(self) -> Image.Image | None:
        """The generator's internal maps, such as masks and attention; None if it has none."""
        inspect = getattr(self.generator, "inspect", None)
        maps = inspect(self.faces, self.expression) if inspect else {}
        if not maps:
            return None
        shown = [with_heat(self.faces.images, each) if each.shape[1] == 1 else each for each in maps.values()]
        return grid(shown, columns=list(maps), size=_SHOWN, full_color=True)

    def _edit(self, expression: Expression) -> Tensor:
        return self.generator.edit(self.faces, expression, source=self.subject.shown)


@dataclass(frozen=True, eq=False)
class RenderedEdit:
    """A finished edit.

    after    the edited face (1, C, H, W) in [-1, 1]
    sheet    input, edit and difference side by side
    png      the sheet as the bytes of a PNG
    seconds  that edit, sheet and PNG took
    """

    job: EditJob
    after: Tensor
    sheet: Image.Image
    png: bytes
    seconds: float
