"""What generators with a mask share: the fields of their presets, the losses of the mask, and its watch."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from facekit.layers.initialise import initialise_convolutions
from facekit.layers.translator import MaskedTranslator
from facekit.losses.attention import mask_outside, total_variation
from facekit.models.gans.networks import TranslatorPreset
from facekit.models.limits import Inner, OneOf, Share, Weight
from facekit.models.system import Clock

MASK_LOSSES = ("mean", "range")
"""Losses of the size of the mask. "mean": the mean attention A, by which the published code replaces the norm of
Pumarola 2018, eq. 3; "range": how far the mean of the mask lies outside a range."""


@dataclass(frozen=True)
class MaskedPreset(TranslatorPreset):
    """A generator that blends colours with its input by a mask of the change, 1 - A (Pumarola 2018).

    With `skips="residual"`, the colours are the input plus what the network gives, which is 0 at the start. Colours
    that start from nothing are wrong everywhere, so that the mask closes in the first steps; through a closed mask the
    colours get hardly any gradient.
    """

    mask_loss: Annotated[str, OneOf(MASK_LOSSES)] = "range"
    mask_size: Weight = 1.0  # its weight
    mask_start: Inner = 0.3  # the mask before training
    mask_range: tuple[Share, Share] = (0.02, 0.5)  # of the loss "range"
    smoothness: Weight = 1e-5  # weight of the total variation of the mask (Pumarola 2018, eq. 3, first term)

    def build_masked_generator(self, channels: int, labels: int, **replaced: int) -> MaskedTranslator:
        """The initialised generator; `replaced` are fields of the preset with other values."""
        names = ("width", "halvings", "blocks", "block", "scales", "factor", "condition", "groups", "slope", "skips")
        network = MaskedTranslator(channels, labels, **{name: getattr(self, name) for name in names} | replaced)
        initialise_convolutions(network, self.initialisation)
        if network.adds_input:
            nn.init.zeros_(network.last.weight)
        network.start_at(self.mask_start)
        return network

    def mask_terms(self, masks: Tensor) -> dict[str, Tensor]:
        """The weighted losses of masks (N, 1, H, W), by name."""
        size = (1 - masks).mean() if self.mask_loss == "mean" else mask_outside(masks, *self.mask_range)
        return {"mask": self.mask_size * size, "smoothness": self.smoothness * total_variation(masks)}


class MaskWatch(nn.Module):
    """Warns where the mask has come to one of its ends: the most frequent failure of GANimation.

    `mean` is a running average of the mask over about a hundred steps, from 0.3 on. Below `LEAST` the edit is the
    input; above `MOST` the whole face is redrawn, and the mask says nothing.
    """

    MOMENTUM = 0.02
    LEAST, MOST = 0.01, 0.9

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((), 0.3))
        self.warned = False

    @torch.no_grad()
    def observe(self, masks: Tensor, clock: Clock, name: str) -> None:
        """Update the average with a step's masks (N, 1, H, W), and warn once by a `UserWarning` at an end."""
        self.mean.lerp_(masks.float().mean(), self.MOMENTUM)
        mean = self.mean.item()
        if self.LEAST <= mean <= self.MOST:
            self.warned = False
        elif not self.warned:
            self.warned = True
            failure = "has vanished, so that edits are the input" if mean < self.LEAST else "covers the whole face"
            warnings.warn(
                f"step {clock.step + 1} of {name}: the mask {failure} (its mean is {mean:.3f}): use mask_loss='range', "
                "or change mask_size",
                stacklevel=2,
            )
