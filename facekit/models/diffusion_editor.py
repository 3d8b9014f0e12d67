"""G15: diffusion that edits a face where its expression is, trained without pairs.

P0's conclusion and P1's future work ask for a diffusion model that edits as StarGAN does. The obstacle is that nobody
has pairs, and that whatever a network is shown of a face also shows the face's own expression: it then need not
listen to the label. Here three things are told apart (figure in notebook 13):

* where expressions differ: a conditional VAE, the proposer, which starts as G1, decodes one code under two labels;
  where the two pictures differ, the face is hidden from the denoiser;
* what should be there, coarsely: the proposer's picture under the label that is asked for;
* what is drawn: by diffusion, which completes the face.

Both networks learn by back-translation, as machine translation does without pairs (Sennrich 2016; Lample 2018). The
editor gives a real face another expression, as well as it can by now, and learns the way back: from a picture that it
made itself, which holds little of the wanted expression, to a real face and its true label. So what is learned to be
drawn is always real. No classifier says what an expression looks like, and none can be fooled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.diffusion.guidance import guide
from facekit.diffusion.noise import Seeds, noise_stream
from facekit.diffusion.sampler import Denoise, Sampler
from facekit.expression import Expression
from facekit.faces import Faces
from facekit.layers.embeddings import ExpressionEmbedding, TimestepEmbedding
from facekit.losses.denoising import denoising_loss
from facekit.models.conditional_vae import ConditionalVAE
from facekit.models.label import face_labels, label_weights, leveled
from facekit.models.load import load_system
from facekit.models.system import Clock, Generator, Step
from facekit.models.unet import NoisePreset
from facekit.optimisers import optimiser


@dataclass(frozen=True)
class EditorPreset(NoisePreset):
    """How G15 is built, trained and asked."""

    widths: tuple[int, ...] = (48, 72, 80)
    condition: int = 96
    proposal: str = "conditional_vae-synthetic"  # name or path of G1's weights, which the proposer starts with
    back_translation: bool = True  # else the proposer stays as it is, and completions are learned on real faces alone
    # Difference of the proposer's two pictures, in any channel from -1 to 1, above which a place is hidden: wholly, as
    # through anything less the face's own expression could be made out.
    hidden_above: float = 0.1
    margin: int = 2  # pixels by which what is hidden is widened
    spread: float = 0.15  # how far, roughly, a proposal is from the truth: what the denoiser's answer is scaled by


class Proposal(NamedTuple):
    """What the denoiser is told of a face, each (N, C, H, W)."""

    shown: Tensor  # the face, 0 where it is hidden
    coarse: Tensor  # the proposer's picture of it under the label asked for
    hidden: Tensor  # 1 where the face is hidden, else 0, in every channel the same

    @property
    def picture(self) -> Tensor:
        """The face with the coarse picture where it is hidden."""
        return self.shown + self.hidden * self.coarse


class DiffusionEditor(Generator):
    """A denoiser that completes faces whose expression is hidden."""

    name = "diffusion_editor"
    understands = frozenset({"emotion", "intensity"})
    presets: ClassVar = {
        "smoke": EditorPreset(size=64, widths=(16, 32), attention=(False, False), steps=40, batch=16, warmup=10),
        "laptop": EditorPreset(steps=2000),
        "gpu": EditorPreset(size=64, steps=8000, warmup=500),
    }

    def __init__(self, preset: EditorPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.noise_schedule = preset.noise()
        self.denoiser = CompletingDenoiser(preset, channels)
        self.proposer = _proposer(preset.proposal)

    @property
    def requires(self) -> Mapping[str, str]:
        return {"proposal": self.preset.proposal}

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        networks = ("proposer", "denoiser") if self.preset.back_translation else ("denoiser",)
        return {name: optimiser(self.preset, getattr(self, name).parameters()) for name in networks}

    # ------------------------------------------------------------------------------------------- training

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        preset = self.preset
        labels, known = face_labels(batch, preset.emotions)
        images, labels = batch.images[known], labels[known]
        n, device = len(images), images.device
        others = leveled(torch.randint(len(preset.emotions), (n,)), 0.2 + 0.8 * torch.rand(n), preset.emotions)
        others = others.to(device)
        if preset.back_translation:
            turned = self._at_once(images, labels, others)
            yield "proposer", *self._ways_back(images, labels, turned, others)
            proposal = self.propose(turned, others, labels)
        else:
            proposal = self.propose(images, labels, others, back=True)
        timestep = torch.randint(preset.timesteps, (n,), device=device)
        noisy = self.noise_schedule.add_noise(images, torch.randn_like(images), timestep)
        keep = torch.rand(n, device=device) >= preset.drop_label
        mean, spread = self._expected(noisy, timestep, proposal.picture)
        output = self.denoiser(noisy, timestep, keep, labels, *proposal)
        yield "denoiser", denoising_loss(output, (images - mean) / spread), {}

    @torch.no_grad()
    def _at_once(self, images: Tensor, shown: Tensor, asked: Tensor) -> Tensor:
        """Edits by a single step from pure noise. Before the denoiser has learned anything they are the proposal."""
        denoise = self.guided(asked, self.propose(images, shown, asked), label_guidance=1.0)
        noise = torch.randn_like(images)
        return Sampler(self.preset.method, 1).sample(denoise, noise, self.noise_schedule).to(images)

    def _ways_back(
        self, images: Tensor, labels: Tensor, turned: Tensor, others: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The proposer's loss: half of the faces come back from what they were turned into, half from themselves."""
        half = len(images) // 2
        faces = torch.cat([turned[:half], images[half:]])
        loss, scalars, _ = self.proposer.bound(faces, torch.cat([others[:half], labels[half:]]), images, labels)
        return loss, scalars

    @torch.no_grad()
    def propose(self, images: Tensor, shown: Tensor, asked: Tensor, back: bool = False) -> Proposal:
        """What the denoiser is told of faces (N, C, H, W) on the way from labels (N, K) that they show to others.

        back  on the way back: the coarse picture is of what they show, and what is hidden is the same
        """
        preset = self.preset
        before, after = self.proposer.propose(images, shown, asked)
        apart = (after - before).abs().amax(1, keepdim=True)
        apart = F.max_pool2d(apart, 2 * preset.margin + 1, stride=1, padding=preset.margin)
        hidden = (apart > preset.hidden_above).to(images).expand_as(images)
        return Proposal(images * (1 - hidden), before if back else after, hidden)

    # ---------------------------------------------------------------------------------------------- in use

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        images = faces.images
        asked = label_weights(expression, self.preset.emotions, self.name)
        shown = label_weights(source or self.proposer.estimate(images), self.preset.emotions, self.name)
        noise = noise_stream(seed, images.shape, images.device)
        denoise = self.guided(asked, self.propose(images, shown.to(asked), asked))
        return self.preset.sampler.sample(denoise, next(noise), self.noise_schedule, noise=noise)

    def guided(self, label: Tensor, proposal: Proposal, label_guidance: float | None = None) -> Denoise:
        """The denoiser told labels (N, K) and a proposal, followed as far as the scale (the preset's) says."""
        scale = self.preset.label_guidance if label_guidance is None else label_guidance
        return guide(self.clean_estimate, label, *proposal, label=scale)

    def clean_estimate(
        self, noisy: Tensor, timestep: Tensor, keep_label: Tensor, keep_face: Tensor, label: Tensor, *proposal: Tensor
    ) -> Tensor:
        """The clean pictures that the denoiser sees behind noisy ones; it is always told the proposal."""
        mean, spread = self._expected(noisy, timestep, Proposal(*proposal).picture)
        return mean + spread * self.denoiser(noisy, timestep, keep_label, label, *proposal)

    def _expected(self, noisy: Tensor, timestep: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the clean picture, were it the proposed one give or take `spread` a pixel.

        The denoiser's answer is counted from there, in these units: preconditioning as Karras 2022 (table 1) does it
        about a mean of 0, here about the proposal, so that an answer of 0 leaves what is not hidden as it is.
        """
        signal, noise = self.noise_schedule.signal_and_noise(timestep, noisy)
        spread = self.preset.spread
        total = signal.square() * spread**2 + noise.square()
        mean = picture + signal * spread**2 / total * (noisy - signal * picture)
        return mean, spread * noise / total.sqrt()


def _proposer(source: str) -> ConditionalVAE:
    """A copy of G1 as its weights have it, without what only its own training needs."""
    trained = load_system(source)
    copy = ConditionalVAE(dataclasses.replace(trained.preset, adversary=0.0), trained.channels)
    copy.take_weights(trained.weights())
    return copy


class CompletingDenoiser(nn.Module):
    """A U-Net that sees noisy pictures beside a `Proposal`, all (N, C, H, W), and knows timestep (N,) and, where
    `keep_label` (N,) says so, label (N, K)."""

    def __init__(self, preset: EditorPreset, channels: int) -> None:
        super().__init__()
        self.time = TimestepEmbedding(preset.condition)
        self.label = ExpressionEmbedding(len(preset.emotions), preset.condition)
        self.unet = preset.unet(4 * channels, channels)

    def forward(
        self,
        noisy: Tensor,
        timestep: Tensor,
        keep_label: Tensor,
        label: Tensor,
        shown: Tensor,
        coarse: Tensor,
        hidden: Tensor,
    ) -> Tensor:
        condition = self.time(timestep) + self.label(label, ~keep_label)
        return self.unet(torch.cat([noisy, shown, coarse, hidden], 1), condition)
