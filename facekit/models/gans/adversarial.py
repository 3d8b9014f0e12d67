"""Adversarial training that all GANs share: optimisers, discriminator augmentation, gradient penalties, and the
detection of collapse."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from facekit.faces.augment import RECIPES, augment
from facekit.faces.faces import Faces
from facekit.layers.initialise import SCHEMES
from facekit.losses.adversarial import ADVERSARIAL, discriminator_loss, gradient_penalty, lazy_r1_penalty
from facekit.models.limits import Count, Decay, OneOf, Rate, Weight
from facekit.models.optimisers import Muon
from facekit.models.system import Augmentation, Clock, Generator, Preset, Schedule


@dataclass(frozen=True)
class AdversarialPreset(Preset):
    """How a generator and discriminators are trained against each other."""

    learning_rate: Rate = 1e-3  # of the generator
    discriminator_rate: Rate | None = None  # learning rate of discriminators (Heusel 2017); None: the generator's
    optimiser: Annotated[str, OneOf(("adam", "muon"))] = "adam"  # Muon: Jordan 2024; see `facekit.models.optimisers`
    betas: tuple[Decay, Decay] = (0.5, 0.99)  # of Adam; the first is also Muon's momentum
    schedule: Schedule = "linear"
    ema: Decay | None = 0.999
    adversarial: Annotated[str, OneOf(ADVERSARIAL)] = "logistic"  # adversarial loss
    gradient_penalty: Weight = 0.0  # weight of the gradient penalty (Gulrajani 2017), in every discriminator step
    r1: Weight = 0.0  # γ of R1 (Mescheder 2018). Large values keep a discriminator from learning fine noise
    r1_every: Count = 16  # steps between computations of R1 (lazy regularisation, Karras 2020, appendix B)
    discriminator_augment: Augmentation = "none"  # of the discriminator's input
    initialisation: Annotated[str, OneOf(SCHEMES)] = "he"  # scheme of `initialise_convolutions`


class Collapsed(RuntimeError):
    """Training cannot continue: the generator or a discriminator gives the same output for every input."""


class AdversarialGenerator(Generator):
    """A generator that is trained against discriminators."""

    def optimiser(self, networks: Iterable[nn.Module], rate: float | None = None) -> torch.optim.Optimizer:
        """The preset's optimiser for all parameters of the networks; `rate` replaces the preset's learning rate."""
        parameters = [parameter for network in networks for parameter in network.parameters()]
        rate, betas = rate or self.preset.learning_rate, self.preset.betas
        if self.preset.optimiser == "muon":
            return Muon(parameters, rate, momentum=betas[0], betas=betas)
        return torch.optim.Adam(parameters, rate, betas=betas)

    def augmented(self, images: Tensor) -> Tensor:
        """Differentiable augmentation of a discriminator's input images, real and generated (Zhao 2020; Karras 2020).

        It keeps the discriminator from memorising a small training set. Since both kinds of images are augmented, the
        generator does not learn the augmentation. Random numbers come from the global generator.
        """
        if self.preset.discriminator_augment == "none":
            return images
        return augment(Faces(images), torch.default_generator, RECIPES[self.preset.discriminator_augment]).images

    def gradient_penalties(
        self, scores: Callable[[Tensor], Tensor], real: Tensor, generated: Tensor, clock: Clock
    ) -> Tensor:
        """The preset's penalties on a discriminator's gradients; 0 if it has none, or if R1 is not due in this step.

        scores           the discriminator's method `scores`, which computes in single precision; calling the network
                         itself would use the profile's precision
        real, generated  (N, C, H, W), as the discriminator receives them
        """
        preset, penalty = self.preset, real.new_zeros(())
        if preset.gradient_penalty:
            penalty = penalty + preset.gradient_penalty * gradient_penalty(scores, real, generated)
        return penalty + lazy_r1_penalty(scores, real, preset.r1, preset.r1_every, clock.step)

    def discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        """The preset's adversarial loss of a discriminator, given its scores of real and of generated images."""
        return discriminator_loss(real, generated, self.preset.adversarial)


class CollapseWatch(nn.Module):
    """Detects collapse from running averages over about a hundred steps, and then stops the training.

    diversity  standard deviation over the generated images of a batch, relative to that of the real ones. Below
               `MIN_DIVERSITY` the generator gives almost the same image for every face: mode collapse
    score_std  standard deviation of the discriminator's scores over real and generated images. Below `MIN_SCORE_STD`
               the scores no longer depend on the image, so that the generator gets no signal
    gap        mean score of real images minus that of generated ones, in standard deviations. Within `AT_CHANCE` of 0
               for `PATIENCE` steps the discriminator does not distinguish the two. A warning names it, but the training
               continues, since this is also where training would ideally end

    The averages start at 1. They are buffers; a resumed run continues with the first two.
    """

    MOMENTUM = 0.02
    MIN_DIVERSITY, MIN_SCORE_STD = 0.05, 1e-3
    AT_CHANCE, PATIENCE = 0.02, 50

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("diversity", torch.ones(()))
        self.register_buffer("score_std", torch.ones(()))
        self.register_buffer("gap", torch.ones(()), persistent=False)
        self._at_chance = 0  # steps in a row

    @torch.no_grad()
    def observe(self, real: Tensor, generated: Tensor, scores: Tensor, clock: Clock, name: str) -> None:
        """Update the averages with a step's images (N, C, H, W) and the scores of both kinds: first those of the real
        images, then as many of the generated ones.

        Raises `Collapsed`, with the step and the system's name, and warns of a discriminator at chance. A batch of
        fewer than two images is ignored.
        """
        if min(len(real), len(generated)) < 2:
            return
        self.diversity.lerp_(_diversity(generated) / _diversity(real).clamp(min=1e-6), self.MOMENTUM)
        self.score_std.lerp_(scores.float().std(), self.MOMENTUM)
        diversity, score_std = self.diversity.item(), self.score_std.item()
        where = f"step {clock.step + 1} of {name}: "
        if diversity < self.MIN_DIVERSITY:
            raise Collapsed(
                f"{where}the generator has collapsed. Images generated from different faces differ by only "
                f"{diversity:.1%} of the difference between the faces: lower its learning rate, or give the "
                "reconstruction loss more weight"
            )
        if score_std < self.MIN_SCORE_STD:
            raise Collapsed(
                f"{where}the discriminator has collapsed. Its scores of real and generated images have a standard "
                f"deviation of only {score_std:.2g}: lower its learning rate or the penalty on its gradients (r1, "
                "gradient_penalty), or use a scheme of initialisation with larger weights"
            )
        self._observe_gap(scores.float(), where)

    def _observe_gap(self, scores: Tensor, where: str) -> None:
        real, generated = scores.chunk(2)
        self.gap.lerp_((real.mean() - generated.mean()) / scores.std().clamp(min=self.MIN_SCORE_STD), self.MOMENTUM)
        self._at_chance = self._at_chance + 1 if abs(self.gap.item()) < self.AT_CHANCE else 0
        if self._at_chance == self.PATIENCE:
            warnings.warn(
                f"{where}the discriminator is at chance: it gives real and generated images equal scores on average. "
                "If the edits are poor, raise its learning rate or width, or lower the penalty on its gradients",
                stacklevel=3,
            )


def _diversity(images: Tensor) -> Tensor:
    return images.float().std(0).mean()
