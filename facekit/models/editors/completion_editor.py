"""Editing by completion: a denoiser inpaints the regions of a face that depend on the expression. The teacher of G15.

A denoiser that is given the whole face also sees its present expression, and learns to ignore the label. Completion
removes this information. The conditional VAE (G1) decodes the code of the face under two labels, the present and the
target one:

* where the two images differ, the face is masked in the denoiser's input;
* the image under the target label is a coarse proposal for the masked regions, to which the denoiser adds detail.

Training needs no pairs: it masks and completes faces with their present expression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.frozen import Frozen
from facekit.models.editors.denoising_editor import DenoisingEditor, EditorPreset
from facekit.models.label import face_labels, label_weights, random_intensities, soft_labels
from facekit.models.limits import Weight, Whole
from facekit.models.load import load_system
from facekit.models.system import Clock, Step


@dataclass(frozen=True)
class CompletionPreset(EditorPreset):
    """The completion editor: architecture, training and editing."""

    proposal: str = "conditional_vae-synthetic"  # name or path of G1's weights
    # Pixels are masked where G1's two images differ by more than this in any channel, in units of [-1, 1]. The mask is
    # binary, since partly visible pixels would reveal the present expression.
    hidden_above: Weight = 0.1
    margin: Whole = 2  # dilation of the mask in pixels


class CompletionEditor(DenoisingEditor):
    """A denoiser that completes a face from which the regions that depend on the expression are masked.

    The three context images are the face with masked pixels set to 0; G1's image under the target label; and the mask,
    1 where the face is masked, equal in all channels.
    """

    name = "completion_editor"
    context_images = 3
    depends_on: ClassVar = {"proposal": "conditional_vae"}
    same_images = frozenset({"proposal"})
    presets: ClassVar = {
        "smoke": CompletionPreset(size=64, widths=(16, 32), attention=(False, False), steps=40, batch=16, warmup=10),
        "laptop": CompletionPreset(steps=600, warmup=50, ema=0.995, sample_steps=2, label_guidance=2.0),
        "gpu": CompletionPreset(size=64, steps=4000),
    }

    def __init__(self, preset: CompletionPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.proposer = Frozen(load_system(preset.proposal), "propose")

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        emotions = self.preset.emotions
        labels, known = face_labels(batch, emotions)
        images, labels = batch.images[known], labels[known]
        n = len(images)
        others = soft_labels(torch.randint(len(emotions), (n,)), random_intensities(n), emotions).to(images.device)
        # The mask is that of an edit to another label. The proposal is the image of the edit back, whose distance from
        # the face is that of a proposal in use.
        before, after = self.proposer(images, labels, others)
        back = self.proposer(after, others, labels)[1]
        yield "denoiser", self.objective(images, labels, *self.masked_context(images, before, after, back)), {}

    def context(self, images: Tensor, target: Tensor, source: Expression | None) -> tuple[Tensor, ...]:
        source = source or self.proposer.network.estimate(images)
        present = label_weights(source, self.preset.emotions, self.name).to(target)
        before, after = self.proposer(images, present, target)
        return self.masked_context(images, before, after, after)

    def prior_mean(self, *context: Tensor) -> Tensor:
        visible, proposal, mask = context
        return visible + mask * proposal

    @torch.no_grad()
    def masked_context(
        self, images: Tensor, before: Tensor, after: Tensor, proposal: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The three context images of the class, each (N, C, H, W).

        before, after  G1's images before and after an edit; faces are masked where they differ
        proposal       G1's image for the masked regions
        """
        difference = (after - before).abs().amax(1, keepdim=True)
        difference = F.max_pool2d(difference, 2 * self.preset.margin + 1, stride=1, padding=self.preset.margin)
        mask = (difference > self.preset.hidden_above).to(images).expand_as(images)
        return images * (1 - mask), proposal, mask
