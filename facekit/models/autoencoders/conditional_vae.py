"""G1: the conditional convolutional VAE of P0 (§3.1, §4.1.1), which edits an expression by changing the label."""

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
from facekit.models.autoencoders.vae import VAE, VAEPreset, interpolated_codes
from facekit.models.averages import update_average
from facekit.models.label import face_labels, label_weights, random_intensities, soft_labels
from facekit.models.limits import Emotions, Rate, Share, Weight
from facekit.models.optimisers import OptimiserName, optimiser
from facekit.models.system import CannotTrain, Clock, Generator, Step

_TEACHER_DECAY = 0.999  # of the moving average of weights that becomes the teacher


@dataclass(frozen=True)
class ConditionalVAEPreset(VAEPreset):
    """How G1 is built and trained.

    The optimiser is Adam. With Muon the encoder changes faster than the erasure and the adversary can follow, and codes
    keep information on the expression.
    """

    optimiser: OptimiserName = "adam"
    learning_rate: Rate = 2e-3
    beta: Weight = 3e-6
    emotions: Emotions = PROTOCOL_EMOTIONS  # columns of the label
    # An edit adds the change of the decoded image to the face, instead of returning the decoded image. This preserves
    # details that the code loses, including some of the source expression.
    detail: bool = False
    # Remove from codes what is linearly predictable from the label (`facekit.layers.codes`). A code large enough to
    # preserve identity otherwise also contains the expression, and the decoder ignores the label.
    erase: bool = True
    # Weight of the loss that makes codes fool an adversary, a small classifier of the label (Fader networks, Lample
    # 2017). Used until self-training starts.
    adversary: Weight = 0.0
    # Fraction of the run after which self-training starts; None: never. A teacher, the average of the weights until
    # then, edits half of the faces. From its edits the network learns to restore the real faces under their source
    # labels (back-translation, Sennrich 2016). This trains edits to follow the label, which P0's loss does not.
    self_training_from: Share | None = None
    self_training_learning_rate: Rate = 6e-3  # before the schedule; of Muon, as there is no adversary any more


OURS = {"widths": (72, 96, 32), "factor": 4, "latent": 208, "beta": 2e-6, "adversary": 0.01, "self_training_from": 0.45}
"""Fields common to the presets whose training extends P0's loss."""


class ConditionalVAE(VAE, Generator):
    """A VAE whose encoder and decoder are both conditioned on the label.

    A label is a row of emotion weights; intensity is expressed as a blend with neutral. An edit encodes the face with
    its source label and decodes the code with the target label.
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
        # P0 §4.1.1: 64 x 64 pixels, Adam with learning rate 1e-3 and default parameters, batch 64, beta 0.001, 100,000
        # epochs with a checkpoint every 500. P0 states neither the number of images, nor the sizes of the network, nor
        # the reduction of the loss. Assumed here: one image for each of CK+'s 327 labelled sequences, so 5 full batches
        # per epoch; the widths and the latent of PyTorch-VAE, which P1 cites; the reduction of the equations (mean of
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
            plain = dataclasses.replace(preset, adversary=0.0, self_training_from=None)
            self.teacher = ConditionalVAE(plain, channels).requires_grad_(False)

    # ------------------------------------------------------------------------------------------- training

    def remove_label(self, mu: Tensor, labels: Tensor) -> Tensor:
        if not self.preset.erase:
            return mu
        if self.training:
            self.codes.observe(mu, labels)
        return self.codes.erase(mu)

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        networks = [*self.encoder.parameters(), *self.decoder.parameters()]
        optimisers = {"vae": optimiser(self.preset, networks)}
        if self.teacher is not None:
            rate = self.preset.self_training_learning_rate
            preset = dataclasses.replace(self.preset, optimiser="muon", learning_rate=rate)
            optimisers["self_training"] = optimiser(preset, networks)
        if self.classifier is not None:
            optimisers["classifier"] = optimiser(self.preset, self.classifier.parameters())
        return optimisers

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """A step of the adversary, if there is one, and a step of encoder and decoder. See the preset's fields."""
        images, labels = self.images_and_labels(batch)
        if self.teacher is not None and clock.progress >= self.preset.self_training_from:
            loss, scalars, _ = self.objective(images, labels, self.self_training_inputs(images, labels))
            yield "self_training", loss, scalars
            return
        loss, scalars, codes = self.objective(images, labels)
        if self.classifier is not None:
            yield "classifier", F.cross_entropy(self.classifier(codes.detach()), labels), {}
            # The target is the mean label, the best prediction from a code without information. The weight rises
            # during the first quarter, as early codes contain no information to remove.
            adversary = F.cross_entropy(self.classifier(codes), labels.mean(0).expand_as(labels))
            loss = loss + self.preset.adversary * min(1.0, 4 * clock.progress) * adversary
            scalars["adversary"] = adversary.detach()
        yield "vae", loss, scalars
        if self.teacher is not None:
            update_average(self.teacher, self, clock.step, _TEACHER_DECAY)

    def self_training_inputs(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's inputs in self-training: the first half of the faces edited by the teacher to random labels.

        Takes images (N, C, H, W) and source labels (N, K); returns images and the labels that they now have.
        """
        half = len(images) // 2
        kinds = torch.randint(self.labels, (half,))
        targets = soft_labels(kinds, random_intensities(half), self.preset.emotions).to(labels)
        edited = self.teacher.propose(images[:half], labels[:half], targets)[1]
        return torch.cat([edited, images[half:]]), torch.cat([targets, labels[half:]])

    def images_and_labels(self, faces: Faces) -> tuple[Tensor, Tensor]:
        """The labelled faces and their labels, with intensities where known. Raises `CannotTrain` if there are none."""
        labels, labelled = face_labels(faces, self.preset.emotions)
        if not labelled.any():
            raise CannotTrain(f"{self.name} is trained on labelled faces, and these contain none")
        return faces.images[labelled], labels[labelled]

    # ------------------------------------------------------------------------------------ codes and labels

    def label(self, expression: Expression) -> Tensor:
        """An expression as a label, (N, labels), or (N, T, labels) over time: see `label_weights`."""
        return label_weights(expression, self.preset.emotions, self.name).to(self.device)

    def estimate(self, images: Tensor) -> Expression:
        """The expressions of faces (N, C, H, W): for each face, the one with the smallest loss.

        A conditional generative model is a classifier by Bayes' rule, here with the evidence lower bound in place of
        the likelihood. The classes are neutral and every other emotion at intensities 1, 2/3 and 1/3.
        """
        others = [name for name in self.preset.emotions if name != "neutral"]
        classes = [Expression.neutral(), *(Expression.of(name, x) for name in others for x in (1, 2 / 3, 1 / 3))]
        losses = torch.stack([self._loss_as(images, expression) for expression in classes], dim=1)  # (N, classes)
        return Expression.cat(classes)[losses.argmin(1).cpu()]

    def _loss_as(self, images: Tensor, expression: Expression) -> Tensor:
        """The loss of each face (N,) if it had an expression, with the mean code instead of a sample."""
        labels = self.label(expression.for_faces(len(images)))
        mu, logvar = self.posterior(images, labels)
        error = (self.decode_with_labels(mu, labels) - images.to(self.device)).square().mean((1, 2, 3))
        return error + self.preset.beta * gaussian_divergence(mu, logvar).sum(1)

    def encode(self, images: Tensor, source: Expression | None = None) -> Tensor:
        """The codes (N, latent) of images with their source expressions, which are estimated if None."""
        source = self.estimate(images) if source is None else source
        return self.posterior(images, self.label(source.for_faces(len(images))))[0]

    def decode(self, codes: Tensor, expression: Expression) -> Tensor:
        """Images of codes (N, latent) with an expression: (N, C, H, W) in [-1, 1], or (N, T, C, H, W) over time."""
        labels = self.label(expression.for_faces(len(codes)))
        return self.decode_with_labels(_repeated_over_time(codes, labels), labels)

    def reconstruct(self, images: Tensor, source: Expression | None = None) -> Tensor:
        """Reconstructions of images (N, C, H, W) from their codes."""
        source = self.estimate(images) if source is None else source
        return self.decode(self.encode(images, source), source)

    # ---------------------------------------------------------------------------------------------- in use

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """Deterministic: `seed` is not used. A source expression that is not given is estimated.

        With the preset's `detail`, the difference of the decoded images (target minus source) is added to the face.
        Without it the decoded image is returned, which is as blurred as P0's.
        """
        source = self.estimate(faces.images) if source is None else source
        codes = self.encode(faces.images, source)
        edited = self.decode(codes, expression)
        return edited + faces.images - self.decode(codes, source) if self.preset.detail else edited

    @torch.no_grad()
    def propose(self, images: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstructions of images (N, C, H, W) with their source labels (N, K), and edits to target labels (N, K)."""
        codes = self.posterior(images, source)[0]
        return self.decode_with_labels(codes, source), self.decode_with_labels(codes, target)

    def sample(self, expression: Expression, *, seed: Seeds = 0) -> Tensor:
        """New faces with given expressions: (N, C, H, W), or (N, T, C, H, W) over time.

        seed  one integer, which gives the same identity for all expressions; or one per row
        """
        expression.require(self.understands, self.name)
        return self.decode(seeded_noise(seed, (len(expression), self.preset.latent), self.device), expression)

    def interpolate(self, first: Tensor, last: Tensor, frames: int, expression: Expression) -> Tensor:
        """Linear interpolation of codes between the identities of two sets of images: (N, frames, C, H, W).

        expression  of all frames: one, or one for each of N
        """
        codes = interpolated_codes(self.encode(first), self.encode(last), frames)
        labels = _repeated_over_time(self.label(expression.for_faces(len(first))), codes)
        return self.decode_with_labels(codes, labels)


def _repeated_over_time(values: Tensor, like: Tensor) -> Tensor:
    """Values (N, ...) repeated along the time axis of `like` (N, T, ...); unchanged if `like` has none."""
    return values if values.ndim == like.ndim else values[:, None].expand(-1, like.shape[1], *values.shape[1:])
