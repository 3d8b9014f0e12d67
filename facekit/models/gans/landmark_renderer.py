"""Generators that render a face with other landmarks: a U-Net with a patch discriminator, trained on ground truth.

The U-Net changes the image, given the landmarks of the face and the wanted ones, drawn as lines. A discriminator with
spectral normalisation (Miyato 2018) judges faces together with the wanted landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facekit.faces.faces import Faces
from facekit.faces.landmarks import EyeFrame, eye_centres
from facekit.layers.initialise import initialise_convolutions
from facekit.layers.landmarks import DRAWN_MAPS, draw_landmarks
from facekit.layers.patches import PatchDiscriminator
from facekit.losses.adversarial import discriminator_loss, generator_loss
from facekit.losses.perceptual import feature_matching
from facekit.models.diffusion.unet import UNetPreset
from facekit.models.gans.adversarial import CollapseWatch
from facekit.models.guided import Guided
from facekit.models.limits import Count, Positive, Rate, Weight, Whole
from facekit.models.optimisers import Muon, optimiser
from facekit.models.system import Augmentation, Clock, Generator, Schedule, Step, System

LOSS = "hinge"  # adversarial
_BETAS = (0.5, 0.99)  # of the discriminator's optimiser, as in the GANs here


@dataclass(frozen=True)
class LandmarkRendererPreset(UNetPreset):
    """How a renderer of landmarks is built and trained. The fields of the U-Net are the renderer's."""

    estimator: str | None = "landmarks-synthetic_estimator"  # weights that find the landmarks of faces without them
    learning_rate: Rate = 4e-3
    schedule: Schedule = "linear"
    warmup: Whole = 100
    clip_norm: Positive | None = None
    augment: Augmentation = "flip"
    disturbance: Weight = 0.03  # largest standard deviation of the noise on landmarks, in interocular distances
    discriminator_rate: Rate = 4e-3
    discriminator_width: Count = 64
    discriminator_layers: Count = 4
    discriminator_widest: Count = 256
    absolute: Weight = 10.0  # weight of the absolute error
    squared: Weight = 400.0  # weight of the squared error
    features: Weight = 0.5  # weight of feature matching in the discriminator (Wang 2018)
    adversarial: Weight = 0.5  # weight of the adversarial loss


class LandmarkRenderer(Guided, Generator):
    """The networks and losses of generators that render landmarks."""

    training_only = frozenset({"discriminator", "watch"})
    depends_on: ClassVar = {"estimator": "landmarks"}
    understands = frozenset({"landmarks"})

    def __init__(self, preset: LandmarkRendererPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.renderer = Renderer(preset, channels)
        self.discriminator = PatchDiscriminator(
            channels + DRAWN_MAPS,
            preset.size,
            0,
            width=preset.discriminator_width,
            layers=preset.discriminator_layers,
            widest=preset.discriminator_widest,
            slope=0.2,
            high_frequencies=True,
        )
        initialise_convolutions(self.discriminator, "he")
        for convolution in (*self.discriminator.layers, self.discriminator.source):
            spectral_norm(convolution)
        self.watch = CollapseWatch()

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        return {
            "discriminator": Muon(
                self.discriminator.parameters(), preset.discriminator_rate, momentum=_BETAS[0], betas=_BETAS
            ),
            "renderer": optimiser(preset, self.renderer.parameters()),
        }

    def disturbed(self, landmarks: Tensor) -> Tensor:
        """Landmarks (N, 68, 2) with the errors of an estimator: noise of another strength for each face."""
        left, right = eye_centres(landmarks)
        strength = self.preset.disturbance * torch.rand(len(landmarks), device=landmarks.device)
        return landmarks + (strength * (right - left).norm(dim=-1))[:, None, None] * torch.randn_like(landmarks)

    def discriminator_step(self, real: Tensor, generated: Tensor, clock: Clock) -> Step:
        """The step on real and on generated faces (N, C + `DRAWN_MAPS`, H, W), each with its landmarks drawn."""
        scores, _ = self.discriminator(torch.cat([real, generated]))
        self.watch.observe(
            real[:, : self.channels], generated[: len(real), : self.channels], scores[: 2 * len(real)], clock, self.name
        )
        loss = discriminator_loss(scores[: len(real)], scores[len(real) :], LOSS)
        return "discriminator", loss, {"discriminator/adversarial": loss}

    def renderer_terms(self, edited: Tensor, truth: Tensor, drawn: Tensor) -> dict[str, Tensor]:
        """The weighted losses of rendered faces (N, C, H, W) by their ground truth, with the wanted landmarks drawn."""
        preset, judged = self.preset, torch.cat([edited, drawn], 1)
        scores, _ = self.discriminator(judged)
        with torch.no_grad():
            features = self.discriminator.maps(torch.cat([truth, drawn], 1))
        return {
            "absolute": preset.absolute * F.l1_loss(edited, truth),
            "squared": preset.squared * F.mse_loss(edited, truth),
            "features": preset.features * feature_matching(self.discriminator.maps(judged), features),
            "adversarial": preset.adversarial * generator_loss(scores, LOSS),
        }

    @property
    def editing_systems(self) -> Sequence[System]:
        """Without the estimator: it computes in float32, as a tenth of a pixel shows at the edges of eyes and lips."""
        return (self,)

    def landmarks_of(self, faces: Faces, known: Tensor | None) -> Tensor:
        """The landmarks (N, 68, 2) of faces of any size: the known ones, or estimated ones."""
        if known is not None:
            return known.to(self.device)
        estimator = self.guidance_network("estimator").to(self.device)
        fitted = faces.fitted(estimator.preset.size, estimator.channels)
        return estimator.predict(fitted.images.to(self.device))

    def drawn(self, faces: Faces, own: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """The landmarks of an edit, by name, each drawn (N, 1, H, W) in [0, 1], for `inspect`."""
        both = {"own landmarks": own, "wanted landmarks": wanted}
        return {name: draw_landmarks(each, faces.size).amax(1, keepdim=True).cpu() for name, each in both.items()}


def renderer_step(terms: dict[str, Tensor]) -> Step:
    """The renderer's step from its weighted losses by name."""
    return "renderer", sum(terms.values()), {f"renderer/{name}": value for name, value in terms.items()}


class Renderer(nn.Module):
    """Faces (N, C, H, W), their landmarks and the wanted ones, each (N, 68, 2), to faces (N, C, H, W)."""

    def __init__(self, preset: LandmarkRendererPreset, channels: int) -> None:
        super().__init__()
        width = preset.condition
        self.moved = nn.Sequential(nn.Linear(4 * 68, width), nn.SiLU(), nn.Linear(width, width))
        self.unet = preset.unet(channels * _groups(channels), channels)

    def forward(self, faces: Tensor, landmarks: Tensor, wanted: Tensor) -> Tensor:
        frame = EyeFrame.of(landmarks)
        points = torch.cat([frame.to_frame(landmarks), frame.to_frame(wanted)], 1)
        drawn = [draw_landmarks(each, faces.shape[-1]) for each in (landmarks, wanted)]
        return faces + self.unet(torch.cat([faces, *drawn], 1), self.moved(points.flatten(1)))


def _groups(channels: int) -> int:
    """How many images of so many channels the renderer's input is: the face, and both drawings of landmarks."""
    return 1 + 2 * DRAWN_MAPS // channels
