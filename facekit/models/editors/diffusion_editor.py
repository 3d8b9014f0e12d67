"""G15: diffusion that edits a face as StarGAN does, trained without pairs.

P0's conclusion and P1's future work ask for it. The obstacle is that nobody has pairs, and a denoiser that is shown a
face while it learns to draw the same face learns to copy. So this one learns by back-translation, as machine
translation does without pairs (Sennrich 2016): a teacher gives a real face another expression, as well as it can, and
the editor learns the way back, from the teacher's picture to the real face and its true label. What it is shown may
have the teacher's faults; what it learns to draw is always real. No classifier says what an expression looks like, so
none can be fooled.

For the last third of its training it teaches too, by what it was until then. The first teacher hides what shows the
expression and draws it anew, and so the editor cannot learn that a mouth's form or colour stays; its own pictures are
sharper and keep such things. Two edits in a row, as one alone leaves traces of what the real face shows, and what
leaves traces teaches to change too little.

Whatever the pictures of one teacher have in common is learned as well, and real faces do not have it: taught by its own
edits alone, it finds back from those far better than from true pictures, and a second round of them helps nothing.
`varied`, the teachers take turns, edit more and less decidedly, and what they made is blurred and grained a little, so
that none of their traits can be relied on.

Its label is the face's action units where they are known, and the prototype of its emotion where not. People show one
emotion in several ways; told the emotion alone, one can only learn the mean of them all.

On photographs there is a third way to learn, which begins with the weights of drawn faces: `classifier` names E1,
trained on those photographs. Edits are to be read as asked, and otherwise to stay what
they would have been at the beginning.

Any generator can be the teacher. One that stays close to the face teaches little: where its picture still shows what
the real face shows, copying is the way back. StarGAN is such a one, but learns quickly, so that from nothing in ten
minutes its pupils come farther; what they have learned has to be followed with much guidance. Of no use, it seems, is a
teacher whose pictures are of another kind than real ones, blurred or drawn: trained on photographs by such teachers it
copied. What they changed can be seen, and where there is nothing to be seen, nothing is to be undone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.augment import RECIPES, augment
from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.averages import update_average
from facekit.models.editors.denoising_editor import DenoisingEditor, EditorPreset
from facekit.models.label import action_unit_labels, has_label, random_intensities
from facekit.models.load import load_system
from facekit.models.system import Clock, Step, System

_PREDECESSOR_DECAY = 0.998  # of the average of weights that teaches
_GUIDANCES = (0.64, 1.36)  # least and most guidance of that one's edits, varied, as multiples of the preset's
_DISGUISE = RECIPES["camera"]  # what is laid over the teachers' pictures, varied


@dataclass(frozen=True)
class DiffusionEditorPreset(EditorPreset):
    """How G15 is built, trained and asked."""

    teacher: str = "completion_editor-synthetic"  # name or path of its weights
    full_intensity: float = 0.3  # share of the teachers' edits that are asked for at full intensity
    self_training_from: float | None = 0.65  # share of the run after which it teaches too; None: never
    varied: bool = True  # from then on: by turns with the teacher, in disguise; False: it alone, as it is
    classifier: str | None = None  # name or path of E1's weights, for photographs; it then teaches alone
    classifier_weight: float = (
        0.01  # weight of what it reads. More of it, or for long, and edits become what pleases E1
    )
    anchor_guidance: float = (
        1.75  # guidance of the edits, by the weights of the beginning, to which edits are to stay near
    )
    sample_steps: int = 1  # the mean of all that may be meant
    label_guidance: float = 1.25  # what it is trained on is nearer to the face than an edit should be


class DiffusionEditor(DenoisingEditor):
    """Shown is the face. What it shows now need not be known. An emotion is asked for as its prototype."""

    name = "diffusion_editor"
    guided_by = frozenset({"teacher", "classifier"})
    training_only = frozenset({"predecessor"})
    depends_on: ClassVar = {"teacher": "completion_editor"}
    same_images = frozenset({"teacher"})
    understands = frozenset({"emotion", "intensity", "action_units"})
    columns = len(ACTION_UNIT_COLUMNS)
    presets: ClassVar = {
        "smoke": DiffusionEditorPreset(
            size=64, widths=(16, 32), attention=(False, False), steps=40, batch=16, warmup=10
        ),
        "laptop": DiffusionEditorPreset(
            teacher="stargan-synthetic", steps=1000, warmup=50, ema=0.995, label_guidance=3.25
        ),
        "gpu": DiffusionEditorPreset(size=64, steps=2600),
    }

    def __init__(self, preset: DiffusionEditorPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.predecessor = None
        if preset.self_training_from is not None or preset.classifier is not None:
            alone = dataclasses.replace(preset, self_training_from=None, classifier=None)
            self.predecessor = DiffusionEditor(alone, channels).requires_grad_(False)

    @classmethod
    def required_by(cls, preset: DiffusionEditorPreset) -> dict[str, str]:
        return super().required_by(preset) if preset.classifier is None else {"classifier": preset.classifier}

    @cached_property
    def guidance_networks(self) -> Sequence[System]:
        """The teacher, or the classifier, in a list, by which it is no part of this system."""
        return [load_system(self.preset.classifier or self.preset.teacher).requires_grad_(False)]

    def label(self, expression: Expression) -> Tensor:
        return action_unit_labels(expression)

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        faces = batch[has_label(batch, self.preset.emotions)]
        if self.predecessor is not None and clock.step == 0:
            update_average(self.predecessor, self, 0, 0.0)  # a copy: training may begin with other weights
        if self.preset.classifier is not None:
            if not self.started_from:
                raise ValueError(
                    "with a classifier, edits are to stay near to those that the training begins with: name weights of "
                    f"{self.name} that edit already, by --start-from"
                )
            yield self.read_step(faces)
            return
        self_taught = self.predecessor is not None and clock.progress >= self.preset.self_training_from
        if not self_taught:
            turned = self.turned(faces)
        else:
            turned = self.turned_by_turns(faces) if self.preset.varied else self.turned_by_itself(faces)
        yield "denoiser", self.denoising(faces.images, self.label(faces.expression), turned), {}
        if self.predecessor is not None and not self_taught:
            update_average(self.predecessor, self, clock.step, _PREDECESSOR_DECAY)

    def read_step(self, faces: Faces) -> Step:
        """Edits that E1 reads as asked, and that stay near to those with the weights of the beginning."""
        n, asked = len(faces), self.drawn(len(faces))
        label = self.label(asked).to(faces.images)
        near = self.denoising(
            self._by_predecessor(faces.images, asked, self.preset.anchor_guidance), label, faces.images
        )
        last = torch.full((n,), self.preset.timesteps - 1, device=label.device)
        told = torch.ones(n, dtype=torch.bool, device=label.device)
        edited = self.clean_estimate(torch.randn_like(faces.images), last, told, told, label, faces.images)
        read = self.guidance_networks[0].classification_loss(edited, asked)
        return "denoiser", near + self.preset.classifier_weight * read, {"near": near, "read": read}

    def turned(self, faces: Faces) -> Tensor:
        """The teacher's edits (N, C, H, W) of labelled faces to expressions drawn at random."""
        shown = faces.expression.only("emotion", "intensity")
        return self.guidance_networks[0].edit(faces, self.drawn(len(faces)), source=shown, seed=_seeds(len(faces)))

    def turned_by_itself(self, faces: Faces) -> Tensor:
        """Edits (N, C, H, W) of labelled faces by its predecessor, twice: to what others of them show, and to
        expressions drawn at random."""
        guidance = self.preset.label_guidance
        before = self._by_predecessor(faces.images, self._others(faces), guidance)
        return self._by_predecessor(before, self.drawn(len(faces)), guidance)

    def turned_by_turns(self, faces: Faces) -> Tensor:
        """Edits (N, C, H, W) of labelled faces, disguised: half of the times by the teacher; else by the predecessor,
        of the teacher's edits or of its own."""
        least, most = (share * self.preset.label_guidance for share in _GUIDANCES)
        guidances = [least + (most - least) * share for share in torch.rand(2).tolist()]
        last, twice = (torch.rand(2) < 0.5).tolist()
        if last and twice:
            turned = self._by_predecessor(faces.images, self._others(faces), guidances[0])
        else:
            turned = self.turned(faces)
        if last:
            turned = self._by_predecessor(turned, self.drawn(len(faces)), guidances[1])
        return augment(Faces(turned), torch.default_generator, _DISGUISE).images

    def _by_predecessor(self, images: Tensor, asked: Expression, guidance: float) -> Tensor:
        self.predecessor.preset = dataclasses.replace(self.predecessor.preset, label_guidance=guidance)
        return self.predecessor.edit(Faces(images), asked, seed=_seeds(len(images)))

    def _others(self, faces: Faces) -> Expression:
        """For each of labelled faces, what one of them shows."""
        return Expression(action_units=self.label(faces.expression)[torch.randperm(len(faces))])

    def drawn(self, n: int) -> Expression:
        """Emotions at intensities, both drawn at random, from the global generator."""
        known = torch.tensor([EMOTIONS.index(name) for name in self.preset.emotions])
        return Expression.from_labels(
            known[torch.randint(len(known), (n,))], random_intensities(n, self.preset.full_intensity)
        )

    def show(self, images: Tensor, asked: Tensor, source: Expression | None) -> tuple[Tensor, ...]:
        return (images,)


def _seeds(n: int) -> list[int]:
    """Seeds for n edits, from the global generator."""
    return torch.randint(2**31, (n,)).tolist()
