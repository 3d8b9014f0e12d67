"""G16: transfer of an expression by landmarks (Fan 2023; P4 §3.1.1), from a driver's face to another person's.

A converter turns the face's own landmarks and the driver's into the landmarks of the face with the driver's expression:
the driver's as they are would give the face the driver's shape. A renderer, a U-Net, then changes the image, given both
sets of landmarks, drawn as lines. A patch discriminator with spectral normalisation (Miyato 2018) judges the result.

P4 gives neither sizes nor loss weights. Fan 2023 trains on two images of the same person with different expressions;
here these are a drawn face and its ground truth (`SyntheticTransfers`). Half of the renderer's inputs are the
converter's landmarks instead of the true ones, since it receives those in use. The converter's inputs are disturbed by
noise, since an estimator's errors are in them where the landmarks of the face are not given.

Landmarks say nothing of wrinkles, cheeks and gaze. The renderer infers from the shape of lips and lids what goes with
it, as far as it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facekit.diffusion.noise import Seeds
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.faces.landmarks import eye_centres, normalised_offsets
from facekit.layers.initialise import initialise_convolutions
from facekit.layers.landmarks import DRAWN_MAPS, EyeFrame, LandmarkConverter, draw_landmarks
from facekit.layers.patches import PatchDiscriminator
from facekit.losses.adversarial import discriminator_loss, generator_loss
from facekit.losses.perceptual import feature_matching
from facekit.models.diffusion.unet import UNetPreset
from facekit.models.gans.adversarial import CollapseWatch
from facekit.models.guided import Guided
from facekit.models.limits import Count, Positive, Rate, Weight, Whole
from facekit.models.optimisers import Muon, optimiser
from facekit.models.system import Augmentation, CannotTrain, Clock, Generator, Schedule, Step

_LOSS = "hinge"
_HUBER = 0.02  # interocular distances at which the converter's loss passes from squared to absolute
_BETAS = (0.5, 0.99)  # of the discriminator's optimiser, as in the GANs here


@dataclass(frozen=True)
class LandmarkTransferPreset(UNetPreset):
    """How landmark transfer is built and trained. The fields of the U-Net are the renderer's."""

    estimator: str | None = "landmarks-synthetic_estimator"  # weights that find the landmarks of faces without them
    batch: Count = 256  # triples of which the converter sees all
    rendered: Count = 32  # those that the renderer and the discriminator see
    steps: Count = 1500
    learning_rate: Rate = 4e-3
    schedule: Schedule = "linear"
    warmup: Whole = 100
    clip_norm: Positive | None = None
    augment: Augmentation = "flip"
    converter_width: Count = 256
    code: Count = 64  # length of the codes of the converter
    converter_rate: Rate = 2e-3
    converter_steps: Count = 4  # on each batch, with other noise
    disturbance: Weight = 0.03  # largest standard deviation of the noise on landmarks, in interocular distances
    discriminator_rate: Rate = 4e-3
    discriminator_width: Count = 64
    discriminator_layers: Count = 4
    discriminator_widest: Count = 256
    absolute: Weight = 10.0  # weight of the absolute error
    squared: Weight = 400.0  # weight of the squared error
    features: Weight = 0.5  # weight of feature matching in the discriminator (Wang 2018)
    adversarial: Weight = 0.5  # weight of the adversarial loss


class LandmarkTransfer(Guided, Generator):
    """Gives a face the expression of a driver's landmarks: `edit(faces, Expression.from_faces(driver))`."""

    name = "landmark_transfer"
    training_only = frozenset({"discriminator", "watch"})
    depends_on: ClassVar = {"estimator": "landmarks"}
    understands = frozenset({"landmarks"})
    default_data = "synthetic_transfers"
    presets: ClassVar = {
        "smoke": LandmarkTransferPreset(
            widths=(16, 32), attention=(False, False), steps=30, warmup=5, batch=32, rendered=8, converter_width=32,
            discriminator_width=8,
        ),
        "laptop": LandmarkTransferPreset(steps=500),
        "gpu": LandmarkTransferPreset(size=64),
    }  # fmt: skip

    def __init__(self, preset: LandmarkTransferPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.converter = LandmarkConverter(preset.converter_width, preset.code)
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

    # ------------------------------------------------------------------------------------------- training

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        return {
            "converter": torch.optim.AdamW(self.converter.parameters(), preset.converter_rate, weight_decay=1e-3),
            "discriminator": Muon(
                self.discriminator.parameters(), preset.discriminator_rate, momentum=_BETAS[0], betas=_BETAS
            ),
            "renderer": optimiser(preset, self.renderer.parameters()),
        }

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """Raises `CannotTrain` for anything but a face, a driver, and the face with the driver's expression."""
        if batch.frames != 3 or batch.landmarks is None:
            raise CannotTrain(
                f"{self.name} is trained on triples of a face, a driver and the ground truth, with landmarks: use "
                "--data synthetic_transfers"
            )
        own, driver, goal = batch.landmarks.unbind(1)
        for _ in range(self.preset.converter_steps):
            offsets = normalised_offsets(self.converter(self._disturbed(own), self._disturbed(driver)), goal)
            loss = F.huber_loss(offsets, torch.zeros_like(offsets), delta=_HUBER) / _HUBER
            yield "converter", loss, {"nme": offsets.detach().norm(dim=-1).mean()}
        rows = slice(0, self.preset.rendered)
        images, truth = batch.images[rows, 0], batch.images[rows, 2]
        own, driver, goal = own[rows], driver[rows], goal[rows]
        given = self._disturbed(own)
        with torch.no_grad():
            predicted = self.converter(given, self._disturbed(driver))
        exact = torch.rand(len(images), 1, 1, device=images.device) < 0.5
        edited = self.renderer(images, torch.where(exact, own, given), torch.where(exact, goal, predicted))
        drawn = draw_landmarks(goal, images.shape[-1])
        yield self._discriminator_step(torch.cat([truth, drawn], 1), torch.cat([edited.detach(), drawn], 1), clock)
        yield self._renderer_step(edited, truth, drawn)

    def _disturbed(self, landmarks: Tensor) -> Tensor:
        """Landmarks (N, 68, 2) with the errors of an estimator: noise of another strength for each face."""
        left, right = eye_centres(landmarks)
        strength = self.preset.disturbance * torch.rand(len(landmarks), device=landmarks.device)
        return landmarks + (strength * (right - left).norm(dim=-1))[:, None, None] * torch.randn_like(landmarks)

    def _discriminator_step(self, real: Tensor, generated: Tensor, clock: Clock) -> Step:
        scores, _ = self.discriminator(torch.cat([real, generated]))
        self.watch.observe(real[:, : self.channels], generated[:, : self.channels], scores, clock, self.name)
        loss = discriminator_loss(scores[: len(real)], scores[len(real) :], _LOSS)
        return "discriminator", loss, {"discriminator/adversarial": loss}

    def _renderer_step(self, edited: Tensor, truth: Tensor, drawn: Tensor) -> Step:
        preset, judged = self.preset, torch.cat([edited, drawn], 1)
        scores, _ = self.discriminator(judged)
        with torch.no_grad():
            features = self.discriminator.maps(torch.cat([truth, drawn], 1))
        terms = {
            "absolute": preset.absolute * F.l1_loss(edited, truth),
            "squared": preset.squared * F.mse_loss(edited, truth),
            "features": preset.features * feature_matching(self.discriminator.maps(judged), features),
            "adversarial": preset.adversarial * generator_loss(scores, _LOSS),
        }
        return "renderer", sum(terms.values()), {f"renderer/{name}": value for name, value in terms.items()}

    # ---------------------------------------------------------------------------------------------- in use

    def driving(self, faces: Faces) -> Expression:
        """The expression of drivers, whose faces may have any size: their annotated landmarks, or estimated ones."""
        return Expression(landmarks=self._estimated(faces) if faces.landmarks is None else faces.landmarks)

    @torch.no_grad()
    def _estimated(self, faces: Faces) -> Tensor:
        estimator = self.guidance_network("estimator").to(self.device)
        fitted = faces.fitted(estimator.preset.size, estimator.channels)
        return estimator.predict(fitted.images.to(self.device)).to(faces.images)

    def target(self, faces: Faces, expression: Expression, source: Expression | None = None) -> tuple[Tensor, Tensor]:
        """The landmarks of faces as they are and with the expression of a driver's landmarks, each (N, 68, 2).

        The faces' own landmarks are those of `source`, if it has some, or estimated.
        """
        given = source is not None and source.landmarks is not None
        own = (source.landmarks if given else self._estimated(faces)).to(self.device)
        with torch.no_grad():
            return own, self.converter(own, expression.for_faces(len(faces)).landmarks.to(self.device))

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """`seed` is not used."""
        return self.renderer(faces.images, *self.target(faces, expression, source))

    def inspect(self, faces: Faces, expression: Expression) -> dict[str, Tensor]:
        """The drawn landmarks of an edit, by name, each (N, 1, H, W) in [0, 1]: the face's own and the wanted ones.
        Raises what `edit` raises."""
        expression.require(self.understands, self.name)
        self._check(faces)
        own, wanted = self.target(faces, expression)
        drawn = {"own landmarks": own, "wanted landmarks": wanted}
        return {name: draw_landmarks(each, faces.size).amax(1, keepdim=True).cpu() for name, each in drawn.items()}


class Renderer(nn.Module):
    """Faces (N, C, H, W), their landmarks and the wanted ones, each (N, 68, 2), to faces (N, C, H, W)."""

    def __init__(self, preset: LandmarkTransferPreset, channels: int) -> None:
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
