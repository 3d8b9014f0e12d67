"""Diffusion that edits a face by hiding its expression and completing it: the first half of G15, and its teacher.

Whatever a network is shown of a face also shows the face's own expression: it then need not listen to the label. Here
two things are told apart:

* where expressions differ: G1, the conditional VAE, decodes one code under two labels; where the two pictures differ,
  the face is hidden from the denoiser;
* what should be there, coarsely: G1's picture under the label that is asked for. The rest is drawn by diffusion.

It learns without pairs, by hiding and completing what faces show already.
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
from facekit.models.load import load_system
from facekit.models.system import Clock, Step


@dataclass(frozen=True)
class CompletionPreset(EditorPreset):
    """How the completing editor is built, trained and asked."""

    proposal: str = "conditional_vae-synthetic"  # name or path of G1's weights
    # Difference of G1's two pictures, in any channel from -1 to 1, above which a place is hidden: wholly, as through
    # anything less the face's own expression could be made out.
    hidden_above: float = 0.1
    margin: int = 2  # pixels by which what is hidden is widened


class CompletionEditor(DenoisingEditor):
    """Shown are the face, 0 where it is hidden; G1's picture of it under the label asked for; and 1 where the face is
    hidden, else 0, in every channel the same."""

    name = "completion_editor"
    shown = 3
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
        # Hidden as on a way to another label, and completed as on the way back, with a picture as far from the face
        # as an edit's is.
        before, after = self.proposer(images, labels, others)
        back = self.proposer(after, others, labels)[1]
        yield "denoiser", self.denoising(images, labels, *self.hide(images, before, after, back)), {}

    def show(self, images: Tensor, asked: Tensor, source: Expression | None) -> tuple[Tensor, ...]:
        source = source or self.proposer.network.estimate(images)
        before, after = self.proposer(images, label_weights(source, self.preset.emotions, self.name).to(asked), asked)
        return self.hide(images, before, after, after)

    def expected(self, *pictures: Tensor) -> Tensor:
        visible, coarse, hidden = pictures
        return visible + hidden * coarse

    @torch.no_grad()
    def hide(self, images: Tensor, before: Tensor, after: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is shown of faces, hidden where G1's pictures before and after an edit differ: see the class. All are
        (N, C, H, W)."""
        apart = (after - before).abs().amax(1, keepdim=True)
        apart = F.max_pool2d(apart, 2 * self.preset.margin + 1, stride=1, padding=self.preset.margin)
        hidden = (apart > self.preset.hidden_above).to(images).expand_as(images)
        return images * (1 - hidden), coarse, hidden
