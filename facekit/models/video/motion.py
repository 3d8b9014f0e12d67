"""What models of motion share: a landmark sequence as coordinates of a tangent space, and back.

A sequence from neutral to the apex is a point on the hypersphere of `facekit.faces.trajectories`. Its logarithm at the
Karcher mean of training sequences is a tangent vector, of which a model generates the first principal components. They
are a basis of the tangent space, so that what is generated is tangent by construction; the components left out are too
small to be seen. Each component is normalised by the mean and the standard deviation of the emotion's motions, so that
a model has to learn only what a Gaussian does not say.

These statistics come from the first batch of a training, and are saved with the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.diffusion.noise import Seeds, seeded_noise
from facekit.faces.emotions import MOVING_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.faces.landmarks import EyeFrame
from facekit.faces.trajectories import (
    exponential,
    from_curves,
    from_sphere,
    karcher_mean,
    logarithm,
    to_curves,
    to_sphere,
)
from facekit.models.guided import Guided
from facekit.models.label import has_label, label_indices, label_weights
from facekit.models.limits import Count, Emotions, Fraction, Frames, Several
from facekit.models.system import CannotTrain, Clock, Preset, Step, System, evaluating

_POINTS = 68
_LEAST_LENGTH = 1e-3  # interocular distances: a sequence that moves less is still
_REACH = 0.95 * torch.pi  # largest norm of a generated tangent vector; at pi, the exponential is no longer injective


@dataclass(frozen=True)
class MotionPreset(Preset):
    """How a model of motion is built and trained."""

    size: Count = 16  # of the images, which are not looked at
    batch: Several = 512  # sequences per step; those of the first one give the statistics
    frames: Frames = 32
    components: Count = 80
    width: Count = 160
    blocks: Count = 2
    full: Fraction = 0.9  # quantile of the lengths of an emotion's sequences that is its length at intensity 1
    emotions: Emotions = MOVING_EMOTIONS
    truncation: Fraction = 1.0  # factor of the noise of samples (Brock 2019): below 1, motions vary less
    estimator: str | None = None  # weights that find the landmarks of training sequences without them


class Motions(NamedTuple):
    """N sequences as a model sees them.

    coordinates  (N, K) principal components, normalised by emotion
    labels       (N, E) weights of the emotions
    levels       (N,) lengths, divided by those of the emotions at intensity 1
    """

    coordinates: Tensor
    labels: Tensor
    levels: Tensor

    def __getitem__(self, rows) -> Motions:
        return Motions(*(each[rows] for each in tuple(self)))


class MotionModel(Guided, System):
    """Generates landmark sequences of an emotion. A subclass implements `motion_steps` and `draw`."""

    guided_by = frozenset({"estimator"})
    depends_on: ClassVar = {"estimator": "landmarks"}
    understands = frozenset({"emotion", "intensity"})
    default_data = "synthetic_motions"
    rounds: ClassVar[int] = 8  # how often a step repeats on one batch: reading it takes longer than a step

    def __init__(self, preset: MotionPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        dimensions = (preset.frames - 1) * 2 * _POINTS
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("components", torch.zeros(preset.components, dimensions))
        emotions = len(preset.emotions)
        self.register_buffer("centres", torch.zeros(emotions, preset.components))  # of the emotions' coordinates
        self.register_buffer("spreads", torch.ones(emotions, preset.components))  # their standard deviations
        self.register_buffer("lengths", torch.zeros(emotions))
        self.register_buffer("face", torch.zeros(_POINTS, 2))  # mean first frame, in the coordinates of the eyes
        self.register_buffer("fitted", torch.zeros((), dtype=torch.long))

    # ------------------------------------------------------------------------------------------- training

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """Raises `CannotTrain` for anything but labelled landmark sequences of the preset's length, and for a first
        batch with fewer sequences than components or without some of the emotions."""
        curves, labels = self._moving(batch)
        if not self.fitted:
            self._fit(curves, labels)
        motions = self._motions(curves, labels)
        for _ in range(self.rounds):
            yield from self.motion_steps(motions, clock)

    def motion_steps(self, motions: Motions, clock: Clock) -> Iterator[Step]:
        """One round of the model's own steps on a batch."""
        raise NotImplementedError

    def _moving(self, batch: Faces) -> tuple[Tensor, Tensor]:
        """Curves (N, T, 136) and indices (N,) into the preset's emotions of the sequences that move."""
        preset = self.preset
        if batch.frames != preset.frames:
            found = "stills" if batch.frames is None else f"sequences of {batch.frames} frames"
            raise CannotTrain(
                f"{self.name} is trained on sequences of {preset.frames} frames, and these are {found}: use "
                f"--data synthetic_motions, or --set data.frames={preset.frames} for a dataset of sequences"
            )
        curves, rows = to_curves(self._landmarks(batch)), has_label(batch, preset.emotions)
        rows = rows & (curves.diff(dim=1).norm(dim=-1).sum(1) > _LEAST_LENGTH)
        if not rows.any():
            raise CannotTrain(f"{self.name} is trained on sequences with a label that move, and there are none")
        return curves[rows], label_indices(batch, preset.emotions)[rows]

    @torch.no_grad()
    def _landmarks(self, batch: Faces) -> Tensor:
        """The landmarks (N, T, 68, 2) of sequences: annotated, or estimated."""
        if batch.landmarks is not None:
            return batch.landmarks.float()
        if self.preset.estimator is None:
            raise CannotTrain(
                f"{self.name} is trained on landmarks, and these sequences have none: name an estimator, and a size at "
                "which it sees them, as in --set estimator=landmarks-synthetic_estimator --set size=64"
            )
        estimator = self.guidance_network("estimator").to(batch.images.device)
        frames = batch.images.flatten(0, 1)
        return estimator.predict(frames).unflatten(0, (-1, self.preset.frames))

    @torch.no_grad()
    def _fit(self, curves: Tensor, labels: Tensor) -> None:
        """Set mean, components and lengths from sequences (N, T, 136) with labels (N,)."""
        counts = torch.bincount(labels, minlength=len(self.preset.emotions))
        if len(curves) < self.preset.components or (counts < 2).any():
            missing = [name for name, count in zip(self.preset.emotions, counts.tolist(), strict=True) if count < 2]
            why = f"{len(curves)} for {self.preset.components} components"
            why = f"fewer than two of {', '.join(missing)}" if missing else why
            raise CannotTrain(f"the first batch of {self.name} has too few sequences: {why}. Raise `batch`")
        points, length = to_sphere(curves.double())
        mean = karcher_mean(points)
        tangents = logarithm(mean, points)
        _, sizes, directions = torch.linalg.svd(tangents, full_matrices=False)
        kept = self.preset.components
        deviation = sizes[:kept] / len(curves) ** 0.5
        self.mean.copy_(mean)
        self.components.copy_(deviation[:, None] * directions[:kept])
        self.face.copy_(curves[:, 0].mean(0).unflatten(0, (_POINTS, 2)))
        known = self.coordinates(points.to(self.mean))
        for i in range(len(counts)):
            self.lengths[i] = length[labels == i].quantile(self.preset.full)
            self.centres[i] = known[labels == i].mean(0)
            self.spreads[i] = known[labels == i].std(0).clamp(min=0.05)
        self.fitted.fill_(1)

    @torch.no_grad()
    def _motions(self, curves: Tensor, labels: Tensor) -> Motions:
        points, length = to_sphere(curves)
        coordinates = (self.coordinates(points) - self.centres[labels]) / self.spreads[labels]
        return Motions(coordinates, F.one_hot(labels, len(self.lengths)).float(), length / self.lengths[labels])

    def coordinates(self, points: Tensor) -> Tensor:
        """Points on the hypersphere (N, D) as principal components (N, K), of variance 1 over all emotions."""
        squared = self.components.square().sum(1).clamp(min=1e-12)
        return logarithm(self.mean, points) @ self.components.T / squared

    def points(self, coordinates: Tensor) -> Tensor:
        """The inverse of `coordinates`, as far as the components reach; (N, K) to (N, D)."""
        tangents = coordinates.float() @ self.components
        norm = tangents.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        return exponential(self.mean, tangents * (_REACH / norm).clamp(max=1))

    # ---------------------------------------------------------------------------------------------- in use

    def draw(self, labels: Tensor, levels: Tensor, noise: Tensor) -> Tensor:
        """Coordinates (N, K), normalised by emotion, for labels (N, E), levels (N,) and noise (N, K)."""
        raise NotImplementedError

    def sample(self, expression: Expression, *, first: Tensor | None = None, seed: Seeds = 0) -> Expression:
        """Landmark sequences of N expressions, from neutral to the apex: an `Expression` with landmarks (N, T, 68, 2).

        expression  emotions, blends included; the intensity, 1 if unset, sets the length of the path that the landmarks
                    move. A neutral expression, or an intensity of 0, gives a sequence that is still
        first       (N, 68, 2) the landmarks of neutral faces, from which the sequences start; None: those of an average
                    face in the middle of the image
        seed        one integer, or one per sequence: another seed, another motion of the same expression

        Raises `UnsupportedExpression` for emotions that it was not trained on and for other parts than these, and
        `ValueError` for a time axis.
        """
        expression.require(self.understands, self.name)
        if expression.frames is not None:
            raise ValueError(f"{self.name} makes the time axis itself: give an expression without one")
        weights = label_weights(expression.only("emotion", "intensity"), (*self.preset.emotions, "neutral"), self.name)
        weights = weights.to(self.device)
        level = 1 - weights[:, -1]
        labels = weights[:, :-1] / level[:, None].clamp(min=1e-6)
        n = len(weights)
        start = self._first(n) if first is None else first.to(self.device).float()
        noise = self.preset.truncation * seeded_noise(seed, (n, self.preset.components), self.device)
        with torch.no_grad(), evaluating(self):
            coordinates = labels @ self.centres + (labels @ self.spreads) * self.draw(labels, level, noise)
            points = self.points(coordinates)
            curves = from_sphere(points, level * (labels @ self.lengths), to_curves(start[:, None])[:, 0])
        return Expression(landmarks=from_curves(curves, start))

    def _first(self, n: int) -> Tensor:
        """The average first frame, with the eyes where aligned faces have them: (N, 68, 2)."""
        eyes = torch.tensor([[-0.34, -0.32], [0.34, -0.32]], device=self.device)
        frame = EyeFrame(eyes.mean(0)[None, None], (eyes[1] - eyes[0])[None, None])
        return frame.to_image(self.face[None]).expand(n, -1, -1)


class MotionMLP(nn.Module):
    """A perceptron with residual blocks: vectors (N, inputs), labels (N, E) and numbers (N, S) to vectors (N, outputs).

    It is used by its method `outputs`, and so computes in single precision under every profile: half precision would
    not make layers of this size faster, and would be visible in a motion as jerks.

    width   of the layers
    blocks  two layers each, whose second one starts at 0
    slope   negative slope of the leaky ReLUs
    """

    def __init__(
        self, inputs: int, emotions: int, numbers: int, outputs: int, width: int, blocks: int, slope: float = 0.2
    ) -> None:
        super().__init__()
        self.slope = slope
        self.stem = nn.Linear(inputs + emotions + numbers, width)
        self.first = nn.ModuleList(nn.Linear(width + emotions + numbers, width) for _ in range(blocks))
        self.second = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.head = nn.Linear(width, outputs)
        for layer in self.second:
            nn.init.zeros_(layer.weight)

    def outputs(self, vectors: Tensor, labels: Tensor, numbers: Tensor) -> Tensor:
        condition = torch.cat([labels, numbers], 1)
        h = self.stem(torch.cat([vectors, condition], 1))
        for first, second in zip(self.first, self.second, strict=True):
            inner = first(torch.cat([F.leaky_relu(h, self.slope), condition], 1))
            h = h + second(F.leaky_relu(inner, self.slope))
        return self.head(F.leaky_relu(h, self.slope))
