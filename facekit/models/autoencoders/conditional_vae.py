"""G1: the conditional convolutional VAE of P0 (§3.1, §4.1.1), which changes an expression by changing a label."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.diffusion.noise import Seeds, seeded_noise
from facekit.faces.emotions import EMOTIONS, PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.codes import CodeClassifier, LabelledCodes
from facekit.losses.variational import gaussian_divergence
from facekit.models.autoencoders.vae import VAE, VAEPreset, between
from facekit.models.averages import update_average
from facekit.models.label import face_labels, label_weights, random_intensities, soft_labels
from facekit.models.optimisers import optimiser
from facekit.models.system import Clock, Generator, Step

_TEACHER_DECAY = 0.999  # of the average of weights that becomes the teacher


@dataclass(frozen=True)
class ConditionalVAEPreset(VAEPreset):
    """How G1 is built and trained.

    By Adam: with Muon the encoder is too quick for the erasing and the classifier, and codes keep what the face shows.
    """

    optimiser: str = "adam"
    learning_rate: float = 2e-3
    beta: float = 3e-6
    emotions: tuple[str, ...] = PROTOCOL_EMOTIONS  # columns of the label
    detail: bool = False  # an edit keeps what the reconstruction lost, the old expression's details among it
    # The code is freed of what is linear in the label (`facekit.layers.codes`). Else a code that is large enough to
    # say who it is says what the face shows too, and the decoder has no need of the label.
    erase: bool = True
    # It is also freed of what a small network, trained beside it, reads of the label in it (Lample 2017, "Fader
    # networks"): the weight of misleading that network, until it becomes its own teacher.
    adversary: float = 0.0
    # Share of the run after which it is its own teacher: the way back is learned from edits by what it was then, to
    # the real face under its true label (back-translation, Sennrich 2016). What the loss never asked for, that an
    # edit is what the label says, is then asked.
    self_training_from: float | None = None
    self_training_learning_rate: float = 6e-3  # before the schedule; by Muon, as the classifier is gone by then


OURS = {"widths": (72, 96, 32), "factor": 4, "latent": 208, "beta": 2e-6, "adversary": 0.01, "self_training_from": 0.45}
"""What the presets that learn by more than P0's loss have in common."""


class ConditionalVAE(VAE, Generator):
    """Encoder and decoder both see the label: weights over emotions, an intensity being a share of neutral.

    An edit encodes the face under the label that it has, and decodes the code under the label that is asked for.
    """

    name = "conditional_vae"
    training_only = frozenset({"classifier", "teacher"})
    understands = frozenset({"emotion", "intensity"})
    presets: ClassVar = {
        "smoke": ConditionalVAEPreset(
            learning_rate=3e-3, widths=(16, 32, 32, 32), latent=32, batch=32, steps=120, augment="none"
        ),
        "laptop": ConditionalVAEPreset(**OURS, batch=64, steps=2200, warmup=100, ema=0.998),
        "gpu": ConditionalVAEPreset(**OURS, size=64, batch=128, steps=5000, warmup=200, ema=0.999),
        # P0 §4.1.1: 64 x 64, Adam 1e-3 with its other numbers left alone, batch 64, beta 0.001, 100,000 epochs with
        # a checkpoint every 500. It gives neither the number of pictures nor the network's sizes nor the reduction
        # of the loss. Taken here: CK+'s 327 labelled sequences as one picture each, so 5 full batches an epoch; the
        # widths and the latent of PyTorch-VAE, which P1 cites; the reduction that the equations write (mean of
        # squares, sum over the latent). CK+ has contempt.
        "paper": ConditionalVAEPreset(
            size=64, widths=(32, 64, 128, 256), residual=False, beta=1e-3, learning_rate=1e-3,
            emotions=EMOTIONS, erase=False, schedule="constant", clip_norm=None, augment="none", steps=500_000,
            checkpoint_every=2500, checkpoints_kept=0,
        ),
    }  # fmt: skip

    @property
    def labels(self) -> int:
        return len(self.preset.emotions)

    def __init__(self, preset: ConditionalVAEPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.codes = LabelledCodes(preset.latent, self.labels, standardise=False)
        self.classifier = CodeClassifier(preset.latent, self.labels) if preset.adversary else None
        self.teacher = None
        if preset.self_training_from is not None:
            alone = dataclasses.replace(preset, adversary=0.0, self_training_from=None)
            self.teacher = ConditionalVAE(alone, channels).requires_grad_(False)

    # ------------------------------------------------------------------------------------------- training

    def freed(self, mu: Tensor, labels: Tensor) -> Tensor:
        if not self.preset.erase:
            return mu
        if self.training:
            self.codes.observe(mu, labels)
        return self.codes.erase(mu)

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        networks = [*self.encoder.parameters(), *self.decoder.parameters()]
        optimisers = {"vae": optimiser(self.preset, networks)}
        if self.teacher is not None:
            quick = dataclasses.replace(
                self.preset, optimiser="muon", learning_rate=self.preset.self_training_learning_rate
            )
            optimisers["taught"] = optimiser(quick, networks)
        if self.classifier is not None:
            optimisers["classifier"] = optimiser(self.preset, self.classifier.parameters())
        return optimisers

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        images, labels = self.examples(batch)
        taught = self.teacher is not None and clock.progress >= self.preset.self_training_from
        loss, scalars, codes = self.bound(images, labels, self.turned(images, labels) if taught else None)
        if self.classifier is not None and not taught:
            yield "classifier", F.cross_entropy(self.classifier(codes.detach()), labels), {}
            # Against what it would say of a code that says nothing. The weight comes in over the first quarter:
            # there is nothing to hide in codes that say nothing yet.
            told = F.cross_entropy(self.classifier(codes), labels.mean(0).expand_as(labels))
            loss = loss + self.preset.adversary * min(1.0, 4 * clock.progress) * told
            scalars["told"] = told.detach()
        yield "taught" if taught else "vae", loss, scalars
        if self.teacher is not None and not taught:
            update_average(self.teacher, self, clock.step, _TEACHER_DECAY)

    def turned(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Faces (N, C, H, W) with labels (N, K), half of which the teacher has edited, and what they show now."""
        half = len(images) // 2
        others = torch.randint(self.labels, (half,))
        others = soft_labels(others, random_intensities(half), self.preset.emotions).to(labels)
        edited = self.teacher.propose(images[:half], labels[:half], others)[1]
        return torch.cat([edited, images[half:]]), torch.cat([others, labels[half:]])

    def examples(self, faces: Faces) -> tuple[Tensor, Tensor]:
        """Those of the faces that have a label, and their labels; where intensities are known, they count."""
        labels, known = face_labels(faces, self.preset.emotions)
        if not known.any():
            raise ValueError("a conditional VAE trains on labelled faces, and there is none among these")
        return faces.images[known], labels[known]

    # ------------------------------------------------------------------------------------ codes and labels

    def label(self, expression: Expression) -> Tensor:
        """An expression as the networks take it: (N, labels), or (N, T, labels). See `label_weights`."""
        return label_weights(expression, self.preset.emotions, self.name).to(self.device)

    def estimate(self, images: Tensor) -> Expression:
        """What faces (N, C, H, W) show: the expression under which each costs least, by the loss of training.

        A generative model is a classifier: Bayes' rule, with the bound in place of the likelihood. It chooses among
        neutral and every other emotion in full, at two thirds and at one third.
        """
        others = [name for name in self.preset.emotions if name != "neutral"]
        choice = [Expression.neutral(), *(Expression.of(name, level) for name in others for level in (1, 2 / 3, 1 / 3))]
        costs = torch.stack([self._cost(images, expression) for expression in choice], dim=1)  # (N, choices)
        return Expression.cat(choice)[costs.argmin(1).cpu()]

    def _cost(self, images: Tensor, shown: Expression) -> Tensor:
        """The loss of each face (N,) as one expression, with the mean code in place of a drawn one."""
        labels = self.label(shown.for_faces(len(images)))
        mu, logvar = self.posterior(images, labels)
        error = (self.decoded(mu, labels) - images.to(self.device)).square().mean((1, 2, 3))
        return error + self.preset.beta * gaussian_divergence(mu, logvar).sum(1)

    def encode(self, images: Tensor, source: Expression | None = None) -> Tensor:
        """The code of each picture under the expression that it shows, by default `estimate`: (N, latent)."""
        source = self.estimate(images) if source is None else source
        return self.posterior(images, self.label(source.for_faces(len(images))))[0]

    def decode(self, codes: Tensor, expression: Expression) -> Tensor:
        """Codes (N, latent) shown with an expression: (N, C, H, W) in [-1, 1], or (N, T, C, H, W) over time."""
        labels = self.label(expression.for_faces(len(codes)))
        return self.decoded(_in_time(codes, labels), labels)

    def reconstruct(self, images: Tensor, source: Expression | None = None) -> Tensor:
        """What is left of pictures (N, C, H, W) on their way through the code."""
        source = self.estimate(images) if source is None else source
        return self.decode(self.encode(images, source), source)

    # ---------------------------------------------------------------------------------------------- in use

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """Nothing is drawn at random, so that `seed` changes nothing; a source that is not given is estimated.

        With the preset's `detail` the face gets the difference of two decoded pictures, after and before; without,
        the decoded picture is the answer, and as blurred as P0's.
        """
        source = self.estimate(faces.images) if source is None else source
        codes = self.encode(faces.images, source)
        edited = self.decode(codes, expression)
        return edited + faces.images - self.decode(codes, source) if self.preset.detail else edited

    @torch.no_grad()
    def propose(self, images: Tensor, shown: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Faces (N, C, H, W) as the decoder draws them under labels (N, K) that they show, and under others."""
        codes = self.posterior(images, shown)[0]
        return self.decoded(codes, shown), self.decoded(codes, asked)

    def sample(self, expression: Expression, *, seed: Seeds = 0) -> Tensor:
        """People that nobody drew, with an expression each: (N, C, H, W), or (N, T, C, H, W) over time.

        seed  one integer, which gives one person with every expression; or one a row
        """
        expression.require(self.understands, self.name)
        return self.decode(seeded_noise(seed, (len(expression), self.preset.latent), self.device), expression)

    def interpolate(self, images: Tensor, others: Tensor, frames: int, expression: Expression) -> Tensor:
        """The straight way from the people in pictures to those in others, all with one expression, or one a
        person: (N, frames, C, H, W)."""
        codes = between(self.encode(images), self.encode(others), frames)
        labels = _in_time(self.label(expression.for_faces(len(images))), codes)
        return self.decoded(codes, labels)


def _in_time(still: Tensor, like: Tensor) -> Tensor:
    """A tensor (N, ...) repeated along the time axis that another has, (N, T, ...): as it is where that has none."""
    return still if still.ndim == like.ndim else still[:, None].expand(-1, like.shape[1], *still.shape[1:])
