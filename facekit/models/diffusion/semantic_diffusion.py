"""G12 and G13: a DDPM conditioned on the label and on the code of the face by a trained encoder (P1 §4.3, figure 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from facekit.layers.frozen import Frozen
from facekit.models.diffusion.base import STARTS, DiffusionGenerator, DiffusionPreset
from facekit.models.diffusion.label_diffusion import GPU, LAPTOP, LAPTOP_EDITS, PAPER, SMOKE
from facekit.models.limits import OneOf, Several, Weight
from facekit.models.load import load_system


@dataclass(frozen=True)
class SemanticPreset(DiffusionPreset):
    """A diffusion system with a trained encoder."""

    batch: Several = 64
    encoder: str = "vae-synthetic"  # name or path of the encoder's weights
    start: Annotated[str, OneOf(STARTS)] = "inverted"
    label_guidance: Weight = 1.75


class SemanticDiffusion(DiffusionGenerator):
    """A diffusion model conditioned on the label and on the code of a frozen encoder.

    encoder_method  the method of the encoder that maps images (N, C, H, W) to codes (N, D)
    """

    encoder_method: ClassVar[str]

    def __init__(self, preset: SemanticPreset, channels: int = 3) -> None:
        encoder = Frozen(load_system(preset.encoder), self.encoder_method)
        with torch.no_grad():
            self.code_length = encoder(torch.zeros(1, channels, preset.size, preset.size)).shape[1]
        super().__init__(preset, channels)
        self.encoder = encoder

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images)


class CNNDiffusion(SemanticDiffusion):
    """G12: a diffusion model conditioned on the label and on the penultimate layer of the emotion classifier E1.

    This code contains the label and little else of the face.
    """

    name = "cnn_diffusion"
    encoder_method = "features"
    depends_on: ClassVar = {"encoder": "emotion_cnn"}
    presets: ClassVar = {
        "smoke": SemanticPreset(**SMOKE, encoder="emotion_cnn-synthetic"),
        "laptop": SemanticPreset(**LAPTOP | {"steps": 2300}, encoder="emotion_cnn-synthetic"),
        "gpu": SemanticPreset(**GPU, encoder="emotion_cnn-synthetic"),
        "paper": SemanticPreset(**PAPER | {"start": "noise"}, encoder="emotion_cnn-fer2013"),
    }


class VAEDiffusion(SemanticDiffusion):
    """G13: a diffusion model conditioned on the label and on the latent of a variational autoencoder.

    This code contains identity, expression and view of the face.
    """

    name = "vae_diffusion"
    encoder_method = "encode"
    depends_on: ClassVar = {"encoder": "vae"}
    same_images = frozenset({"encoder"})
    presets: ClassVar = {
        "smoke": SemanticPreset(**SMOKE, code="erased"),
        "laptop": SemanticPreset(**LAPTOP | LAPTOP_EDITS | {"steps": 2300}, code="erased"),
        "gpu": SemanticPreset(**GPU, code="erased"),
        "paper": SemanticPreset(**PAPER | {"start": "noise"}, encoder="vae-fer2013"),
    }
