"""G19: TextureGAN (Otberdout 2020; P4 §3.2.1). Frames of a video from one face and the landmarks of each frame.

The renderer of landmark transfer draws each frame by itself: adversarial loss, absolute and squared error, and an
identity loss in the features of a network that does not judge. It learns from sequences whose true frames are known:
the landmarks of half of them are exact, those of the others disturbed as an estimator's are. A share of each batch has
landmarks that MotionGAN generated, for which there are no true frames: there, only the discriminator and the identity
loss teach. Without them the renderer fails on landmarks that no face has shown.

P4 gives neither sizes nor loss weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from facekit.diffusion.noise import Seeds
from facekit.faces.emotions import MOVING_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.landmarks import draw_landmarks
from facekit.losses.adversarial import generator_loss
from facekit.models.gans.landmark_renderer import LOSS, LandmarkRenderer, LandmarkRendererPreset, renderer_step
from facekit.models.limits import Count, Emotions, Weight, Whole
from facekit.models.system import CannotTrain, Clock, Step


@dataclass(frozen=True)
class TextureGANPreset(LandmarkRendererPreset):
    """How TextureGAN is built and trained."""

    motion: str | None = "motion_gan-synthetic_motions"  # weights that generate landmarks in training
    identity: str | None = "identity-synthetic_guide"  # weights of the identity loss
    batch: Count = 32  # sequences, of each of which one frame is rendered
    generated: Whole = 8  # sequences of these whose first frame is also rendered with generated landmarks
    emotions: Emotions = MOVING_EMOTIONS  # of the generated landmarks
    steps: Count = 600
    identity_weight: Weight = 1.0  # weight of the identity loss
    adversarial_generated: Weight = 0.5  # weight of the adversarial loss with generated landmarks


class TextureGAN(LandmarkRenderer):
    """Renders a face with given landmarks: `edit(faces, Expression(landmarks=...))`, with a time axis for a video.

    The landmarks are those of the face itself, moved; `facekit.faces.trajectories.moved` carries over the movement of
    another face.
    """

    name = "texture_gan"
    guided_by = frozenset({"motion", "identity"})
    depends_on: ClassVar = {"estimator": "landmarks", "motion": "motion_gan", "identity": "identity"}
    default_data = "synthetic_motions"
    presets: ClassVar = {
        "smoke": TextureGANPreset(
            widths=(16, 32), attention=(False, False), steps=30, warmup=5, batch=8, generated=2, discriminator_width=8,
        ),
        "laptop": TextureGANPreset(steps=500),
        "gpu": TextureGANPreset(size=64),
    }  # fmt: skip

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """Raises `CannotTrain` for anything but sequences with landmarks."""
        if batch.frames is None or batch.landmarks is None:
            raise CannotTrain(
                f"{self.name} is trained on sequences with landmarks: use --data synthetic_motions, or "
                "--set data.frames=16 for a dataset of sequences"
            )
        rows = torch.arange(len(batch), device=batch.images.device)
        first, shown = self._pairs(batch)
        images, truth = batch.images[rows, first], batch.images[rows, shown]
        own, goal = batch.landmarks[rows, first], batch.landmarks[rows, shown]
        exact = torch.rand(len(rows), 1, 1, device=rows.device) < 0.5
        edited = self.renderer(
            images, torch.where(exact, own, self.disturbed(own)), torch.where(exact, goal, self.disturbed(goal))
        )
        drawn = draw_landmarks(goal, images.shape[-1])
        made, drawn_made, made_of = self._with_generated_landmarks(batch)
        generated = torch.cat([torch.cat([edited, drawn], 1), torch.cat([made, drawn_made], 1)])
        yield self.discriminator_step(torch.cat([truth, drawn], 1), generated.detach(), clock)
        terms = self.renderer_terms(edited, truth, drawn)
        if len(made):
            scores, _ = self.discriminator(torch.cat([made, drawn_made], 1))
            terms["generated"] = self.preset.adversarial_generated * generator_loss(scores, LOSS)
        if self.preset.identity is not None:
            results, inputs = torch.cat([edited, made]), torch.cat([images, made_of])
            terms["identity"] = self.preset.identity_weight * self._identity_loss(results, inputs)
        yield renderer_step(terms)

    def _pairs(self, batch: Faces) -> tuple[Tensor, Tensor]:
        """Frames (N,) to start from, every second one neutral, and other frames (N,) to render."""
        n, frames, device = len(batch), batch.frames, batch.images.device
        first = torch.randint(frames, (n,), device=device) * (torch.rand(n, device=device) < 0.5)
        return first, (first + torch.randint(1, frames, (n,), device=device)) % frames

    def _with_generated_landmarks(self, batch: Faces) -> tuple[Tensor, Tensor, Tensor]:
        """Some of the faces (n, C, H, W) rendered with generated landmarks, these drawn, and the faces themselves."""
        n = min(self.preset.generated, len(batch)) if self.preset.motion is not None else 0
        images, own = batch.images[:n, 0], batch.landmarks[:n, 0]
        if not n:
            return images, draw_landmarks(own, images.shape[-1]), images
        model = self.guidance_network("motion").to(images.device)
        known = self.preset.emotions
        emotions = [known[i] for i in torch.randint(len(known), (n,)).tolist()]
        intensity = 0.4 + 0.6 * torch.rand(n)
        seeds = torch.randint(1 << 31, (n,)).tolist()
        moved = model.sample(Expression.of(emotions, intensity), first=own, seed=seeds).landmarks.to(own)
        wanted = moved[torch.arange(n), torch.randint(1, moved.shape[1], (n,))]
        return self.renderer(images, own, wanted), draw_landmarks(wanted, images.shape[-1]), images

    def _identity_loss(self, results: Tensor, inputs: Tensor) -> Tensor:
        network = self.guidance_network("identity").to(results.device)
        with torch.no_grad():
            known = network(inputs)
        return (1 - (network(results) * known).sum(1)).mean()

    # ---------------------------------------------------------------------------------------------- in use

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """The landmarks of `source` are used if it has some, and estimated otherwise; `seed` is not used."""
        own = self.landmarks_of(faces, source and source.landmarks)
        return self.renderer(faces.images, own, expression.landmarks)

    def inspect(self, faces: Faces, expression: Expression) -> dict[str, Tensor]:
        """The drawn landmarks of an edit, by name, each (N, 1, H, W) in [0, 1]: the face's own and the wanted ones.
        Raises what `edit` raises."""
        expression.require(self.understands, self.name)
        self._check(faces)
        wanted = expression.for_faces(len(faces)).landmarks.to(self.device)
        return self.drawn(faces, self.landmarks_of(faces, None), wanted)
