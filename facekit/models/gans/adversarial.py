"""What systems of a generator and discriminators have in common: losses, penalties, what a discriminator gets to see,
and when to give up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facekit.faces.augment import RECIPES, augment
from facekit.faces.faces import Faces
from facekit.losses.adversarial import ADVERSARIAL, discriminator_loss, gradient_penalty, r1_penalty
from facekit.models.optimisers import Muon
from facekit.models.system import Clock, Generator, Preset, check_choices


@dataclass(frozen=True)
class AdversarialPreset(Preset):
    """How two networks are trained against each other."""

    learning_rate: float = 1e-3
    discriminator_rate: float | None = None  # None: the same; another one balances the two (Heusel 2017)
    optimiser: str = "adam"  # or "muon" (Jordan 2024; see `facekit.models.optimisers`)
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam; the first is Muon's momentum too
    schedule: str = "linear"
    ema: float | None = 0.999
    adversarial: str = "logistic"  # one of `facekit.losses.adversarial.ADVERSARIAL`
    gradient_penalty: float = 0.0  # weight of Gulrajani 2017's, at every step of the discriminator
    r1: float = 0.0  # γ of R1 (Mescheder 2018). Too much of it blinds a discriminator to fine noise
    r1_every: int = 16  # steps of the system from one computation of R1 to the next (Karras 2020, appendix B)
    discriminator_augment: str = (
        "none"  # augmentation in `facekit.faces.augment` through which a discriminator sees real and made
    )
    initialisation: str = "he"  # see `initialise_convolutions`


class Collapsed(RuntimeError):
    """Training has nothing left to learn from: one of two networks answers the same to everything."""


class AdversarialGenerator(Generator):
    """A generator that learns against discriminators."""

    def __init__(self, preset: AdversarialPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        check_choices(preset, adversarial=ADVERSARIAL, discriminator_augment=tuple(RECIPES), optimiser=("adam", "muon"))

    def optimiser(self, networks: Iterable[nn.Module], rate: float | None = None) -> torch.optim.Optimizer:
        """The preset's optimiser of all parameters of some networks, by default at its learning rate."""
        parameters = [parameter for network in networks for parameter in network.parameters()]
        rate, betas = rate or self.preset.learning_rate, self.preset.betas
        if self.preset.optimiser == "muon":
            return Muon(parameters, rate, momentum=betas[0], betas=betas)
        return torch.optim.Adam(parameters, rate, betas=betas)

    def augmented(self, images: Tensor) -> Tensor:
        """Pictures as a discriminator sees them, real and made ones alike, so that it cannot learn the few training
        faces by heart, and the generator does not learn the augmentation (Zhao 2020; Karras 2020). Gradients pass."""
        if self.preset.discriminator_augment == "none":
            return images
        return augment(Faces(images), torch.default_generator, RECIPES[self.preset.discriminator_augment]).images

    def slope_penalty(self, scores: Callable[[Tensor], Tensor], real: Tensor, made: Tensor, clock: Clock) -> Tensor:
        """The preset's penalties on a discriminator's slopes, at pictures as it sees them.

        scores  its method `scores`; a call of the network would compute in half precision
        """
        preset, penalty = self.preset, real.new_zeros(())
        if preset.gradient_penalty:
            penalty = penalty + preset.gradient_penalty * gradient_penalty(scores, real, made)
        if preset.r1 and clock.step % preset.r1_every == 0:
            penalty = penalty + preset.r1 / 2 * preset.r1_every * r1_penalty(scores, real)
        return penalty

    def discriminator_loss(self, real: Tensor, made: Tensor) -> Tensor:
        """The preset's loss of a discriminator's scores of real and made pictures."""
        return discriminator_loss(real, made, self.preset.adversarial)


class CollapseWatch(nn.Module):
    """Watches two numbers, averaged over the last hundred steps or so, and stops the training when one is lost.

    variety  how much the made pictures of a batch differ from each other, as a share of how much the real ones do.
             Below a twentieth, every face is given the same picture: the generator has collapsed
    spread   deviation of the discriminator's scores over real and made pictures. Below a thousandth, they no longer
             depend on the picture: the discriminator has collapsed, and the generator learns nothing from it

    The averages start at 1 and are part of the state, so that a resumed run goes on with them.
    """

    MOMENTUM = 0.02
    LEAST_VARIETY, LEAST_SPREAD = 0.05, 1e-3

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("variety", torch.ones(()))
        self.register_buffer("spread", torch.ones(()))

    @torch.no_grad()
    def observe(self, real: Tensor, made: Tensor, scores: Tensor, clock: Clock, who: str) -> None:
        """Take note of a step: pictures (N, C, H, W), and scores of both. Raises `Collapsed`."""
        if min(len(real), len(made)) < 2:
            return
        self.variety.lerp_(_variety(made) / _variety(real).clamp(min=1e-6), self.MOMENTUM)
        self.spread.lerp_(scores.float().std(), self.MOMENTUM)
        variety, spread = self.variety.item(), self.spread.item()
        where = f"step {clock.step + 1} of {who}: "
        if variety < self.LEAST_VARIETY:
            raise Collapsed(
                f"{where}the generator has collapsed. Its pictures of different faces differ by {variety:.1%} of what "
                "the faces do: lower its learning rate, or weigh reconstruction more"
            )
        if spread < self.LEAST_SPREAD:
            raise Collapsed(
                f"{where}the discriminator has collapsed. Its scores of all pictures, real and made, lie within "
                f"{spread:.2g} of each other: lower its learning rate, or the penalty on its slopes (r1, "
                "gradient_penalty), or begin with larger weights (initialisation)"
            )


def _variety(images: Tensor) -> Tensor:
    return images.float().std(0).mean()
