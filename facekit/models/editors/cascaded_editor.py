"""G15 for larger images: an edit of the reduced face, whose detail a second network adds (a cascade, Ho 2022).

An editor that is enlarged directly leaves traces of the former expression. It changes the coarse image first, and the
edges of the former brows and eyelids, which only the large image shows, stay in place. Here the former expression is
removed before the network sees it:

* The **base**, an editor of smaller images, edits the reduced face.
* Where its edit differs from the reduced face, the **proposal** is the enlarged edit, which is blurred; elsewhere it is
  the face itself. A soft mask joins the two.
* The network adds detail inside the mask. Outside, the edit is the face, pixel by pixel.

For training, the base edits a face to another expression and back, and the network recovers the face from the proposal
that the second edit gives. On data with ground truth, it learns the ground truth from the proposal of one edit. It is
trained by the adversarial losses of images, back-translation and feature matching of `adversarial_editor`. The
expression is in the proposal already: losses of an estimator of action units would only add patterns that please the
estimator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.editors.adversarial_editor import AdversarialEditor, AdversarialEditorPreset
from facekit.models.editors.denoising_editor import EditingDenoiser
from facekit.models.limits import Count, Counts, Weight, Whole
from facekit.models.system import System


@dataclass(frozen=True)
class CascadedEditorPreset(AdversarialEditorPreset):
    """The second stage of the cascade: architecture, training and editing."""

    size: Count = 128
    base: str | None = "adversarial_editor-synthetic_units"  # name or path of weights of an editor of smaller images
    teacher: str | None = None
    estimator: str | None = None
    widths: Counts = (32, 48, 64)
    batch: Count = 16
    discriminator_width: Count = 32
    discriminator_layers: Count = 5
    distillation: Weight = 0.0
    adversarial_features: Weight = 0.0
    changed_above: Weight = 0.05  # difference in any channel, of a range of 2, from which a pixel counts as changed
    margin: Whole = 2  # pixels of the reduced image by which the mask reaches beyond changed pixels


class CascadedEditor(AdversarialEditor):
    """Edits a reduced face by another editor, and adds the detail of the large image."""

    name = "cascaded_editor"
    context_images = 2
    guided_by = frozenset({"estimator", "classifier"})
    depends_on: ClassVar = {"base": "adversarial_editor", "estimator": "action_units", "classifier": "emotion_cnn"}
    presets: ClassVar = {
        "smoke": CascadedEditorPreset(
            size=96, steps=20, batch=8, warmup=5, discriminator_width=16, discriminator_alone=5
        ),
        "laptop": CascadedEditorPreset(steps=300),
        "gpu": CascadedEditorPreset(steps=1500),
    }

    @property
    def guidance_networks(self) -> Sequence[System]:
        """The base, which edits use too, and the networks that guide the training."""
        return [self.guidance_network(field) for field in self.requires]

    # ---------------------------------------------------------------------------------------------- the cascade

    def context(self, images: Tensor, target: Tensor, source: Expression | None) -> tuple[Tensor, Tensor]:
        """The proposal (N, C, H, W) for an edit of faces (N, C, H, W) to labels (N, A), and its mask."""
        small = self._reduced(images)
        return self.proposal(images, small, self._base_edits(small, target))

    @torch.no_grad()
    def proposal(self, images: Tensor, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """Faces into which a change of the reduced image is pasted, and the mask of the change, both (N, C, H, W).

        images         the faces (N, C, H, W)
        before, after  reduced images (N, C, h, w) before and after the change
        """
        preset, size = self.preset, images.shape[-2:]
        changed = ((after - before).abs().amax(1, keepdim=True) > preset.changed_above).to(images)
        grown = F.max_pool2d(changed, 2 * preset.margin + 1, 1, preset.margin)
        soft = F.avg_pool2d(grown, 3, 1, 1, count_include_pad=False)
        mask = F.interpolate(soft, size, mode="bilinear", align_corners=False).expand_as(images)
        enlarged = F.interpolate(after, size, mode="bicubic", align_corners=False)
        return torch.lerp(images, enlarged, mask), mask

    def _reduced(self, images: Tensor) -> Tensor:
        base = self.guidance_network("base")
        return Faces(images).fitted(base.preset.size, base.channels).images

    def _base_edits(self, small: Tensor, label: Tensor) -> Tensor:
        """The base's edits of reduced faces to labels (N, A). One seed for all: an edit depends little on the noise."""
        base = self.guidance_network("base").to(small.device)
        return base.edit(Faces(small), Expression(action_units=label), seed=0)

    def _clean(self, denoiser: EditingDenoiser, *arguments: Tensor) -> Tensor:
        """The estimate of the clean images: detail inside the mask, the proposal elsewhere."""
        *_, proposal, mask = arguments
        return torch.lerp(proposal, super()._clean(denoiser, *arguments), mask)

    # ------------------------------------------------------------------------------------------- training

    def _start_from_teacher(self) -> None:
        """The network starts with random weights; its output is 0 then, and the edit is the proposal."""

    def _recovered(self, images: Tensor, label: Tensor) -> Tensor:
        """Faces, recovered from the base's edits of their reduced images to other labels and back."""
        there = self._base_edits(self._reduced(images), label[torch.randperm(len(label))])
        back = self._base_edits(there, label)
        return self._from_noise(self.denoiser, label, *self.proposal(images, there, back))
