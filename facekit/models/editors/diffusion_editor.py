"""G15: a diffusion model that edits a face as StarGAN does, trained without pairs by back-translation.

P0's conclusion and P1's future work propose a diffusion model for editing. There are no pairs of one person with two
expressions to train it on, and a denoiser that is given a face while it learns to reconstruct the same face learns to
copy. This system is therefore trained by back-translation, which machine translation uses without parallel texts
(Sennrich 2016): a teacher edits a real face to another expression, and the editor learns to recover the real face from
the teacher's edit and the label of the real face. Its inputs may have the teacher's faults; its targets are always
real. The training uses no classifier, so that there is none to fool.

**Self-training.** In the last third of the training the editor is its own teacher, as a moving average of its weights
up to then. The first teacher (`completion_editor`) redraws all regions that depend on the expression, so that the
editor cannot learn to preserve, for instance, the shape and colour of a mouth. Its own edits are sharper and preserve
such traits. Each input is edited twice in a row: one edit leaves traces of the present expression, and from such inputs
the editor learns to change too little.

**Varied inputs.** The editor also learns the artefacts that all inputs of one teacher have in common, and real faces do
not have them: trained on its own edits alone, it restores faces from such edits far better than from real images, and a
second round of self-training does not help. With `varied`, the teachers alternate, their guidance scale varies, and
their edits are blurred and degraded by noise slightly, so that no artefact is reliable.

**Label.** The label consists of the face's action units where they are known, and otherwise of the prototype of its
emotion. People express one emotion in several ways; a model that is conditioned on the emotion alone can only learn
their mean.

**Photographs.** With `classifier`, the editor is fine-tuned on photographs, starting from weights that were trained on
rendered faces. `classifier` names the weights of an emotion classifier (E1) that was trained on those photographs. The
edits are trained to have the target emotion under this classifier, and to stay close to the edits of the initial
weights.

**Choice of the teacher.** Any generator can be the teacher. A teacher that changes the face little is of little use:
where its edits still show the present expression, copying is enough to recover the face. StarGAN is an example, but
trains quickly, so that in ten minutes from scratch its students are better; they need a large guidance scale. Teachers
whose edits differ in kind from real images, blurred or rendered ones for photographs, did not work in our experiments:
the student copied its input wherever there were no artefacts to undo.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from facekit.faces.augment import RECIPES, augment
from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.averages import update_average
from facekit.models.editors.denoising_editor import ActionUnitEditor, EditorPreset
from facekit.models.guided import Guided
from facekit.models.label import has_label, random_intensities
from facekit.models.limits import Count, Share, Weight
from facekit.models.system import CannotTrain, Clock, Step

_PREDECESSOR_DECAY = 0.998  # of the moving average that becomes the teacher
_GUIDANCE_RANGE = (0.64, 1.36)  # of that teacher with `varied`, as multiples of the preset's guidance scale
_INPUT_DEGRADATION = RECIPES["camera"]  # of the teachers' edits with `varied`


@dataclass(frozen=True)
class DiffusionEditorPreset(EditorPreset):
    """G15: architecture, training and editing."""

    teacher: str = "completion_editor-synthetic"  # name or path of the first teacher's weights
    full_intensity: Share = 0.3  # fraction of the teachers' target expressions at full intensity
    self_training_from: Share | None = 0.65  # fraction of the run after which self-training starts; None: never
    varied: bool = True  # self-training with varied inputs of both teachers; False: with its own edits alone
    classifier: str | None = None  # name or path of E1's weights, for photographs; replaces the teachers
    classifier_weight: Weight = 0.01  # of the classification loss; larger values, or long runs, fool the classifier
    anchor_guidance: Weight = 1.75  # guidance scale of the initial weights' edits, to which the edits stay close
    sample_steps: Count = 1  # one step returns the mean of all possible edits
    label_guidance: Weight = 1.25  # above 1, since the inputs in training are closer to the face than a full edit


class DiffusionEditor(Guided, ActionUnitEditor):
    """A denoiser conditioned on the input face and on action units, trained by back-translation."""

    name = "diffusion_editor"
    guided_by = frozenset({"teacher", "classifier"})
    training_only = frozenset({"predecessor"})
    depends_on: ClassVar = {"teacher": "completion_editor"}
    same_images = frozenset({"teacher"})
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

    # ------------------------------------------------------------------------------------------- training

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        faces = batch[has_label(batch, self.preset.emotions)]
        if self.predecessor is not None and clock.step == 0:
            update_average(self.predecessor, self, 0, 0.0)  # a copy: the training may be initialised from other weights
        if self.preset.classifier is not None:
            yield self.classifier_step(faces)
            return
        self_training = self.predecessor is not None and clock.progress >= self.preset.self_training_from
        if not self_training:
            inputs = self.teacher_inputs(faces)
        else:
            inputs = self.varied_inputs(faces) if self.preset.varied else self.self_training_inputs(faces)
        yield "denoiser", self.objective(faces.images, self.label(faces.expression), inputs), {}
        if self.predecessor is not None and not self_training:
            update_average(self.predecessor, self, clock.step, _PREDECESSOR_DECAY)

    def teacher_inputs(self, faces: Faces) -> Tensor:
        """Inputs (N, C, H, W) for back-translation of labelled faces: the teacher's edits to random expressions."""
        source = faces.expression.only("emotion", "intensity")
        teacher, target = self.guidance_network("teacher"), self.random_targets(len(faces))
        return teacher.edit(faces, target, source=source, seed=_seeds(faces))

    def self_training_inputs(self, faces: Faces) -> Tensor:
        """Inputs (N, C, H, W) for self-training on labelled faces: the predecessor edits each face twice, to the label
        of another face of the batch and then to a random expression."""
        guidance = self.preset.label_guidance
        first = self._predecessor_edits(faces.images, self._permuted_labels(faces), guidance)
        return self._predecessor_edits(first, self.random_targets(len(faces)), guidance)

    def varied_inputs(self, faces: Faces) -> Tensor:
        """Inputs (N, C, H, W) for self-training on labelled faces with `varied`, degraded by camera noise and blur.

        With probability 1/2 they are the teacher's edits; with 1/4 each, edits by the predecessor of the teacher's
        edits or of its own.
        """
        least, most = (factor * self.preset.label_guidance for factor in _GUIDANCE_RANGE)
        guidances = [least + (most - least) * weight for weight in torch.rand(2).tolist()]
        by_predecessor, twice = (torch.rand(2) < 0.5).tolist()
        if by_predecessor and twice:
            inputs = self._predecessor_edits(faces.images, self._permuted_labels(faces), guidances[0])
        else:
            inputs = self.teacher_inputs(faces)
        if by_predecessor:
            inputs = self._predecessor_edits(inputs, self.random_targets(len(faces)), guidances[1])
        return augment(Faces(inputs), torch.default_generator, _INPUT_DEGRADATION).images

    def classifier_step(self, faces: Faces) -> Step:
        """Train the edits of labelled photographs to have the target emotion under the classifier, and to stay close to
        the edits of the initial weights."""
        if not self.started_from:
            raise CannotTrain(
                "with a classifier, training keeps the edits close to those of the initial weights: initialise "
                f"{self.name} from trained weights with --start-from"
            )
        n, target = len(faces), self.random_targets(len(faces))
        label = self.label(target).to(faces.images)
        anchors = self._predecessor_edits(faces.images, target, self.preset.anchor_guidance)
        anchor = self.objective(anchors, label, faces.images)
        last = torch.full((n,), self.preset.timesteps - 1, device=label.device)
        keep = torch.ones(n, dtype=torch.bool, device=label.device)
        edited = self.clean_estimate(torch.randn_like(faces.images), last, keep, keep, label, faces.images)
        classification = self.guidance_network("classifier").classification_loss(edited, target)
        loss = anchor + self.preset.classifier_weight * classification
        return "denoiser", loss, {"anchor": anchor, "classification": classification}

    def random_targets(self, n: int) -> Expression:
        """Random emotions at random intensities, from the global generator."""
        known = torch.tensor([EMOTIONS.index(name) for name in self.preset.emotions])
        return Expression.from_labels(
            known[torch.randint(len(known), (n,))], random_intensities(n, self.preset.full_intensity)
        )

    def _predecessor_edits(self, images: Tensor, target: Expression, guidance: float) -> Tensor:
        self.predecessor.preset = dataclasses.replace(self.predecessor.preset, label_guidance=guidance)
        return self.predecessor.edit(Faces(images), target, seed=_seeds(images))

    def _permuted_labels(self, faces: Faces) -> Expression:
        """The labels of labelled faces in random order."""
        return Expression(action_units=self.label(faces.expression)[torch.randperm(len(faces))])


def _seeds(faces: Faces | Tensor) -> list[int]:
    """One random seed per face, from the global generator."""
    return torch.randint(2**31, (len(faces),)).tolist()
