"""G15: diffusion that edits a face as StarGAN does, trained without pairs.

P0's conclusion and P1's future work ask for it. The obstacle is that nobody has pairs, and a denoiser that is shown a
face while it learns to draw the same face learns to copy. So this one learns by back-translation, as machine
translation does without pairs (Sennrich 2016): a teacher gives a real face another expression, as well as it can, and
the editor learns the way back, from the teacher's picture to the real face and its true label. What it is shown may
have the teacher's faults; what it learns to draw is always real. No classifier says what an expression looks like, so
none can be fooled.

For the last third of its training it is its own teacher: an edit of an edit, both by what it was until then. The first
teacher hides what shows the expression and draws it anew, and so the editor cannot learn that a mouth's form or colour
stays; its own pictures are sharper and keep such things. Two edits in a row, as one alone leaves traces of what the
real face shows, and what leaves traces teaches to change too little. Two leave some as well, which a network finds that
is given long enough: hence the short time.

Its label is the face's action units where they are known, and the prototype of its emotion where not. People show one
emotion in several ways; told the emotion alone, one can only learn the mean of them all.

Any generator can be the teacher. One that stays close to the face is of no use: where its picture still shows what
the real face shows, copying is the way back. Nor, it seems, is one whose pictures are of another kind than real ones,
blurred or drawn: trained on photographs by such teachers it copied. What they changed can be seen, and where there is
nothing to be seen, nothing is to be undone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from facekit.averages import follow
from facekit.emotions import ACTION_UNIT_COLUMNS, EMOTIONS
from facekit.expression import Expression
from facekit.faces import Faces
from facekit.models.denoising_editor import DenoisingEditor, EditorPreset
from facekit.models.label import drawn_levels, labelled, unit_levels
from facekit.models.load import load_system
from facekit.models.system import Clock, Generator, Step

_PREDECESSOR_DECAY = 0.998  # of the average of weights that becomes its teacher


@dataclass(frozen=True)
class DiffusionEditorPreset(EditorPreset):
    """How G15 is built, trained and asked."""

    teacher: str = "completion_editor-synthetic"  # name or path of its weights
    full: float = 0.3  # share of the teachers' edits that are asked for at full intensity
    self_taught_from: float | None = 0.65  # share of the run after which it is its own teacher; None: never
    sample_steps: int = 1  # the mean of all that may be meant
    label_guidance: float = 1.25  # what it is trained on is nearer to the face than an edit should be


class DiffusionEditor(DenoisingEditor):
    """Shown is the face. What it shows now need not be known. An emotion is asked for as its prototype."""

    name = "diffusion_editor"
    helpers = frozenset({"predecessor"})
    stands_on: ClassVar = {"teacher": "completion_editor"}
    understands = frozenset({"emotion", "intensity", "action_units"})
    columns = len(ACTION_UNIT_COLUMNS)
    presets: ClassVar = {
        "smoke": DiffusionEditorPreset(
            size=64, widths=(16, 32), attention=(False, False), steps=40, batch=16, warmup=10
        ),
        "laptop": DiffusionEditorPreset(steps=600, warmup=50, ema=0.995, label_guidance=1.75),
        "gpu": DiffusionEditorPreset(size=64, steps=2600),
    }

    def __init__(self, preset: DiffusionEditorPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.predecessor = None
        if preset.self_taught_from is not None:
            alone = dataclasses.replace(preset, self_taught_from=None)
            self.predecessor = DiffusionEditor(alone, channels).requires_grad_(False)

    @cached_property
    def advisers(self) -> Sequence[Generator]:
        """The teacher, in a list, by which it is no part of this system."""
        return [load_system(self.preset.teacher)]

    def label(self, expression: Expression) -> Tensor:
        return unit_levels(expression)

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        faces = batch[labelled(batch, self.preset.emotions)]
        self_taught = self.predecessor is not None and clock.progress >= self.preset.self_taught_from
        turned = self.turned_by_itself(faces) if self_taught else self.turned(faces)
        yield "denoiser", self.denoising(faces.images, self.label(faces.expression), turned), {}
        if self.predecessor is not None and not self_taught:
            follow(self.predecessor, self, clock.step, _PREDECESSOR_DECAY)

    def turned(self, faces: Faces) -> Tensor:
        """The teacher's edits (N, C, H, W) of labelled faces to expressions drawn at random."""
        shown = faces.expression.only("emotion", "intensity")
        return self.advisers[0].edit(faces, self.drawn(len(faces)), source=shown, seed=_seeds(len(faces)))

    def turned_by_itself(self, faces: Faces) -> Tensor:
        """Edits (N, C, H, W) by its predecessor, twice: to what others of the labelled faces show, and to expressions
        drawn at random."""
        n = len(faces)
        for asked in (Expression(action_units=self.label(faces.expression)[torch.randperm(n)]), self.drawn(n)):
            faces = Faces(self.predecessor.edit(faces, asked, seed=_seeds(n)))
        return faces.images

    def drawn(self, n: int) -> Expression:
        """Emotions at intensities, both drawn at random, from the global generator."""
        known = torch.tensor([EMOTIONS.index(name) for name in self.preset.emotions])
        return Expression.from_labels(known[torch.randint(len(known), (n,))], drawn_levels(n, self.preset.full))

    def show(self, images: Tensor, asked: Tensor, source: Expression | None) -> tuple[Tensor, ...]:
        return (images,)


def _seeds(n: int) -> list[int]:
    """Seeds for n edits, from the global generator."""
    return torch.randint(2**31, (n,)).tolist()
