"""The generator and the discriminator that all GANs here are built from, as fields of a preset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import nn

from facekit.layers.initialise import initialise_convolutions
from facekit.layers.patches import PatchDiscriminator
from facekit.layers.translator import BLOCKS, CONDITIONS, DROPOUTS, SKIPS, Translator
from facekit.models.gans.adversarial import AdversarialPreset
from facekit.models.limits import Count, OneOf, Share, Whole


@dataclass(frozen=True)
class TranslatorPreset(AdversarialPreset):
    """An image-to-image generator and a patch discriminator.

    The fields are the arguments of `Translator` and, with the prefix `discriminator_`, of `PatchDiscriminator`.
    """

    width: Count = 64
    halvings: Whole = 1
    blocks: Count = 3
    block: Annotated[str, OneOf(BLOCKS)] = "residual"
    scales: Count = 3
    factor: Count = 2
    condition: Annotated[str, OneOf(CONDITIONS)] = "adaptive"
    groups: Count | None = None
    slope: Share = 0.0
    skips: Annotated[str, OneOf(SKIPS)] = "residual"
    dropout: Annotated[str, OneOf(DROPOUTS)] = "none"
    discriminator_width: Count = 32
    discriminator_layers: Count = 4
    discriminator_widest: Count = 192
    discriminator_slope: Share = 0.2
    discriminator_high_frequencies: bool = False

    @property
    def multiple(self) -> int:
        halvings = self.halvings + (self.scales - 1 if self.block == "mixed_attention" else 0)
        return self.factor * 2**halvings

    def build_generator(self, channels: int, labels: int = 0) -> Translator:
        """The initialised generator. One that adds its input to its output starts as the identity."""
        network = Translator(
            channels,
            labels,
            width=self.width,
            halvings=self.halvings,
            blocks=self.blocks,
            block=self.block,
            scales=self.scales,
            factor=self.factor,
            condition=self.condition,
            groups=self.groups,
            slope=self.slope,
            skips=self.skips,
            dropout=self.dropout,
        )
        initialise_convolutions(network, self.initialisation)
        if network.adds_input:
            nn.init.zeros_(network.last.weight)
        return network

    def build_discriminator(
        self,
        channels: int,
        classes: int = 0,
        *,
        norm: bool = False,
        labels: int = 0,
        size: tuple[int, int] | None = None,
        layers: int | None = None,
    ) -> PatchDiscriminator:
        """The initialised discriminator; the arguments are those of `PatchDiscriminator`, by default the preset's."""
        network = PatchDiscriminator(
            channels,
            size or self.size,
            classes,
            width=self.discriminator_width,
            layers=layers or self.discriminator_layers,
            widest=self.discriminator_widest,
            slope=self.discriminator_slope,
            norm=norm,
            labels=labels,
            high_frequencies=self.discriminator_high_frequencies,
        )
        initialise_convolutions(network, self.initialisation)
        return network
