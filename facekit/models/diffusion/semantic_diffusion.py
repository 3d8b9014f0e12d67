"""G12 and G13: a DDPM that is told the label and a trained encoder's code of the face (P1 §4.3, figure 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from facekit.layers.frozen import Frozen
from facekit.models.diffusion.base import DiffusionGenerator, DiffusionPreset
from facekit.models.diffusion.label_diffusion import GPU, LAPTOP, LAPTOP_EDITS, PAPER, SMOKE
from facekit.models.load import load_system


@dataclass(frozen=True)
class SemanticPreset(DiffusionPreset):
    """How a diffusion system with a trained encoder is built and trained."""

    encoder: str = "vae-synthetic"  # name or path of its weights
    start: str = "inverted"
    label_guidance: float = 1.75


class SemanticDiffusion(DiffusionGenerator):
    """The label, and the code of a frozen encoder.

    reads  the encoder's method that turns pictures (N, C, H, W) into codes (N, D)
    """

    reads: ClassVar[str]

    def __init__(self, preset: SemanticPreset, channels: int = 3) -> None:
        encoder = Frozen(load_system(preset.encoder), self.reads)
        with torch.no_grad():
            self.code_length = encoder(torch.zeros(1, channels, preset.size, preset.size)).shape[1]
        super().__init__(preset, channels)
        self.encoder = encoder

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images)


class CNNDiffusion(SemanticDiffusion):
    """G12: the code is the second-last layer of the emotion classifier E1, so it knows the label and little else."""

    name = "cnn_diffusion"
    reads = "features"
    depends_on: ClassVar = {"encoder": "emotion_cnn"}
    presets: ClassVar = {
        "smoke": SemanticPreset(**SMOKE, encoder="emotion_cnn-synthetic"),
        "laptop": SemanticPreset(**LAPTOP | {"steps": 2300}, encoder="emotion_cnn-synthetic"),
        "gpu": SemanticPreset(**GPU, encoder="emotion_cnn-synthetic"),
        "paper": SemanticPreset(**PAPER | {"start": "noise"}, encoder="emotion_cnn-fer2013"),
    }


class VAEDiffusion(SemanticDiffusion):
    """G13: the code is the latent of a variational autoencoder, so it knows the face, its expression included."""

    name = "vae_diffusion"
    reads = "encode"
    depends_on: ClassVar = {"encoder": "vae"}
    same_images = frozenset({"encoder"})
    presets: ClassVar = {
        "smoke": SemanticPreset(**SMOKE, code="erased"),
        "laptop": SemanticPreset(**LAPTOP | LAPTOP_EDITS | {"steps": 2300}, code="erased"),
        "gpu": SemanticPreset(**GPU, code="erased"),
        "paper": SemanticPreset(**PAPER | {"start": "noise"}, encoder="vae-fer2013"),
    }
