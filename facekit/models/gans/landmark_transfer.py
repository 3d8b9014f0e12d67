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
from torch import Tensor

from facekit.diffusion.noise import Seeds
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.faces.landmarks import normalised_offsets
from facekit.layers.landmarks import LandmarkConverter, draw_landmarks
from facekit.models.gans.landmark_renderer import LandmarkRenderer, LandmarkRendererPreset, renderer_step
from facekit.models.limits import Count, Rate
from facekit.models.system import CannotTrain, Clock, Step

_HUBER = 0.02  # interocular distances at which the converter's loss passes from squared to absolute


@dataclass(frozen=True)
class LandmarkTransferPreset(LandmarkRendererPreset):
    """How landmark transfer is built and trained."""

    batch: Count = 256  # triples of which the converter sees all
    rendered: Count = 32  # those that the renderer and the discriminator see
    steps: Count = 1500
    converter_width: Count = 256
    code: Count = 64  # length of the codes of the converter
    converter_rate: Rate = 2e-3
    converter_steps: Count = 4  # on each batch, with other noise


class LandmarkTransfer(LandmarkRenderer):
    """Gives a face the expression of a driver's landmarks: `edit(faces, Expression.from_faces(driver))`."""

    name = "landmark_transfer"
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

    # ------------------------------------------------------------------------------------------- training

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        rate = self.preset.converter_rate
        converter = torch.optim.AdamW(self.converter.parameters(), rate, weight_decay=1e-3)
        return {"converter": converter, **super().optimisers()}

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """Raises `CannotTrain` for anything but a face, a driver, and the face with the driver's expression."""
        if batch.frames != 3 or batch.landmarks is None:
            raise CannotTrain(
                f"{self.name} is trained on triples of a face, a driver and the ground truth, with landmarks: use "
                "--data synthetic_transfers"
            )
        own, driver, goal = batch.landmarks.unbind(1)
        for _ in range(self.preset.converter_steps):
            offsets = normalised_offsets(self.converter(self.disturbed(own), self.disturbed(driver)), goal)
            loss = F.huber_loss(offsets, torch.zeros_like(offsets), delta=_HUBER) / _HUBER
            yield "converter", loss, {"nme": offsets.detach().norm(dim=-1).mean()}
        rows = slice(0, self.preset.rendered)
        images, truth = batch.images[rows, 0], batch.images[rows, 2]
        own, driver, goal = own[rows], driver[rows], goal[rows]
        given = self.disturbed(own)
        with torch.no_grad():
            predicted = self.converter(given, self.disturbed(driver))
        exact = torch.rand(len(images), 1, 1, device=images.device) < 0.5
        edited = self.renderer(images, torch.where(exact, own, given), torch.where(exact, goal, predicted))
        drawn = draw_landmarks(goal, images.shape[-1])
        yield self.discriminator_step(torch.cat([truth, drawn], 1), torch.cat([edited.detach(), drawn], 1), clock)
        yield renderer_step(self.renderer_terms(edited, truth, drawn))

    # ---------------------------------------------------------------------------------------------- in use

    def driving(self, faces: Faces) -> Expression:
        """The expression of drivers, whose faces may have any size: their annotated landmarks, or estimated ones."""
        return Expression(landmarks=self.landmarks_of(faces, faces.landmarks))

    def target(self, faces: Faces, expression: Expression, source: Expression | None = None) -> tuple[Tensor, Tensor]:
        """The landmarks of faces as they are and with the expression of a driver's landmarks, each (N, 68, 2).

        The faces' own landmarks are those of `source`, if it has some, or estimated.
        """
        own = self.landmarks_of(faces, source and source.landmarks)
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
        return self.drawn(faces, *self.target(faces, expression))
