"""Do generated motions show the emotion, resemble real ones, and differ from each other as real ones do?

Held-out drawn people show every emotion, from neutral to the apex. A model of motion generates a landmark sequence for
each, from the same first frame, emotion and intensity. Its rivals need no network: the mean of an emotion's motions, a
Gaussian of their principal components, and the replay of a training motion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.synthetic.motions import SyntheticMotions
from facekit.evaluation.benchmark.benchmarks import FACES
from facekit.evaluation.metrics.distribution import fid
from facekit.evaluation.metrics.sequences import jerk, nearest_distance, variety
from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.landmarks import EyeFrame, normalised_offsets
from facekit.faces.trajectories import (
    exponential,
    from_curves,
    from_sphere,
    karcher_mean,
    logarithm,
    to_curves,
    to_sphere,
)
from facekit.models.judges.motion import MotionClassifier
from facekit.models.video.motion import MotionModel

_SIZE = 16  # of the images, which are not looked at
_TRAINING_PEOPLE = 300  # of the rivals
_OTHERS = 16  # other people whose apex of an emotion a face is given, for the error of the apex
_COMPONENTS = 32  # principal components, of the Gaussian and of the Fréchet distance
_BATCH = 512


@dataclass(frozen=True)
class Sequences:
    """N landmark sequences (N, T, 68, 2) with emotions (N,), indices into `EMOTIONS`, and intensities (N,)."""

    landmarks: Tensor
    emotion: Tensor
    intensity: Tensor

    @classmethod
    def of(cls, dataset: SyntheticMotions) -> Sequences:
        """All sequences of a dataset."""
        parts = [dataset.faces(rows) for rows in torch.arange(len(dataset)).split(_BATCH)]
        landmarks, emotion, level = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("landmarks", "emotion", "intensity")
        )
        return cls(landmarks, emotion, level[:, -1])


@dataclass(frozen=True)
class MotionBenchmark:
    """What a model of motion is measured by.

    real      the sequences of held-out people, whose first frames, emotions and intensities a model is given
    others    those of other held-out people
    training  those that the rivals are made from
    apexes    (N, K, 68, 2) the apex of the faces of `real` if they showed the emotion as K others do
    """

    real: Sequences
    others: Sequences
    training: Sequences
    apexes: Tensor


def motion_benchmark(people: int = FACES, frames: int = 32, split: str = "test") -> MotionBenchmark:
    """The benchmark on all emotions of held-out drawn people.

    frames  of each sequence, as the model makes them
    split   "test", or "valid" while hyperparameters are still being chosen
    """
    options = {"frames": frames, "size": _SIZE}
    dataset = SyntheticMotions(split, people=people, **options)
    others = SyntheticMotions(split, people=people, first_person=people, **options)
    training = SyntheticMotions("train", people=_TRAINING_PEOPLE, **options)
    real, rest = Sequences.of(dataset), Sequences.of(others)
    return MotionBenchmark(real, rest, Sequences.of(training), _apexes(dataset, others, real, rest))


def _apexes(dataset: SyntheticMotions, others: SyntheticMotions, real: Sequences, rest: Sequences) -> Tensor:
    """The apex of each face with the action units of other people who show the emotion, at the face's intensity."""
    units = others.motion(torch.arange(len(others))).action_units[:, -1] / rest.intensity[:, None]
    found = []
    for rows in torch.arange(len(dataset)).split(_BATCH // _OTHERS):
        same = [(rest.emotion == emotion).nonzero()[:, 0] for emotion in real.emotion[rows].tolist()]
        chosen = torch.stack([each[(torch.arange(_OTHERS) * 7 + row) % len(each)] for row, each in enumerate(same)])
        wanted = (units[chosen] * real.intensity[rows, None, None]).clamp(0, 1).flatten(0, 1)
        faces = dataset.counterfactual(rows.repeat_interleave(_OTHERS), Expression(action_units=wanted))
        found.append(faces.landmarks.unflatten(0, (-1, _OTHERS)))
    return torch.cat(found)


@dataclass(frozen=True)
class MotionScores:
    """What `evaluate_motion` measures.

    accuracy  share of motions in which a classifier of landmark sequences finds the emotion
    nearest   mean distance to the nearest real motion of the same emotion, by that of real motions
    frechet   Fréchet distance of tangent vectors to real ones, averaged over emotions
    variety   mean distance between two motions of an emotion, by that of real ones
    jerk      by that of real motions
    apex      mean error (NME) of the last frame to the nearest of the true apexes of other people's expressions
    """

    accuracy: float
    nearest: float
    frechet: float
    variety: float
    jerk: float
    apex: float


def evaluate_motion(
    models: dict[str, MotionModel], benchmark: MotionBenchmark, classifier: MotionClassifier
) -> dict[str, MotionScores]:
    """The scores of models by name, of the rivals, and of the real motions themselves."""
    rivals = Rivals(benchmark.training)
    sources: dict[str, Callable[[], Tensor]] = {
        "real motions": lambda: benchmark.real.landmarks,
        "mean of the emotion": lambda: rivals.mean(benchmark.real),
        "Gaussian of the emotion": lambda: rivals.gaussian(benchmark.real),
        "replay of a training motion": lambda: rivals.replay(benchmark.real),
    }
    for name, model in models.items():
        sources[name] = lambda model=model: generated(model, benchmark.real)
    scale = _Scale(benchmark)
    return {name: scale.scores(make(), classifier) for name, make in sources.items()}


def generated(model: MotionModel, like: Sequences) -> Tensor:
    """Motions (N, T, 68, 2) of a model with the first frames, emotions and intensities of sequences."""
    request = Expression.from_labels(like.emotion, like.intensity)
    made = model.sample(request, first=like.landmarks[:, 0], seed=list(range(len(like.emotion))))
    return made.landmarks.to(like.landmarks)


class Rivals:
    """Motions that need no network, from training sequences."""

    def __init__(self, training: Sequences) -> None:
        self.training = training
        self.points, self.length = to_sphere(to_curves(training.landmarks))
        self.means = {int(e): karcher_mean(self.points[training.emotion == e]) for e in training.emotion.unique()}

    def mean(self, like: Sequences) -> Tensor:
        """The Karcher mean of the emotion's motions, at the mean length per intensity."""
        return self._from(torch.stack([self.means[int(e)] for e in like.emotion]), like)

    def gaussian(self, like: Sequences) -> Tensor:
        """Draws from a Gaussian of the first principal components of the tangent vectors at the emotion's mean."""
        drawn = torch.empty(len(like.emotion), self.points.shape[1])
        generator = torch.Generator().manual_seed(0)
        for emotion, mean in self.means.items():
            tangents = logarithm(mean, self.points[self.training.emotion == emotion])
            middle = tangents.mean(0)
            _, sizes, directions = torch.linalg.svd(tangents - middle, full_matrices=False)
            deviation = sizes[:_COMPONENTS] / len(tangents) ** 0.5
            rows = like.emotion == emotion
            noise = torch.randn(int(rows.sum()), len(deviation), generator=generator)
            drawn[rows] = exponential(mean, middle + (noise * deviation) @ directions[:_COMPONENTS])
        return self._from(drawn, like)

    def replay(self, like: Sequences) -> Tensor:
        """A random training motion of the emotion."""
        generator = torch.Generator().manual_seed(0)
        chosen = torch.empty(len(like.emotion), dtype=torch.long)
        for emotion in self.means:
            rows, known = like.emotion == emotion, (self.training.emotion == emotion).nonzero()[:, 0]
            chosen[rows] = known[torch.randint(len(known), (int(rows.sum()),), generator=generator)]
        return self._from(self.points[chosen], like)

    def _from(self, points: Tensor, like: Sequences) -> Tensor:
        length = torch.empty(len(points))
        for emotion in self.means:
            rows, known = like.emotion == emotion, self.training.emotion == emotion
            length[rows] = like.intensity[rows] * (self.length[known] / self.training.intensity[known]).median()
        first = like.landmarks[:, 0]
        return from_curves(from_sphere(points, length, to_curves(first[:, None])[:, 0]), first)


class _Scale:
    """The numbers of the real motions, by which others are divided."""

    def __init__(self, benchmark: MotionBenchmark) -> None:
        self.benchmark = benchmark
        real, others = benchmark.real, benchmark.others
        curves = to_curves(real.landmarks)
        self.points, self.others = to_sphere(curves)[0], to_sphere(to_curves(others.landmarks))[0]
        self.jerk = jerk(curves)
        self.variety = variety(self.points, real.emotion)
        self.nearest = nearest_distance(self.points, real.emotion, self.others, others.emotion)
        mean = karcher_mean(self.others)
        tangents = logarithm(mean, self.others)
        _, _, directions = torch.linalg.svd(tangents, full_matrices=False)
        self.mean, self.directions = mean, directions[:_COMPONENTS]

    def scores(self, landmarks: Tensor, classifier: MotionClassifier) -> MotionScores:
        real, others = self.benchmark.real, self.benchmark.others
        curves = to_curves(landmarks)
        points, _ = to_sphere(curves)
        names = [EMOTIONS.index(name) for name in classifier.preset.emotions]
        found = torch.tensor(names)[classifier.predict(landmarks).argmax(1)]
        return MotionScores(
            accuracy=(found == real.emotion).float().mean().item(),
            nearest=nearest_distance(points, real.emotion, self.others, others.emotion) / self.nearest,
            frechet=self._frechet(points),
            variety=variety(points, real.emotion) / self.variety,
            jerk=jerk(curves) / self.jerk,
            apex=self._apex_error(landmarks[:, -1]),
        )

    def _frechet(self, points: Tensor) -> float:
        real, others = self.benchmark.real, self.benchmark.others
        known, made = (logarithm(self.mean, each) @ self.directions.T for each in (self.others, points))
        by_emotion = [fid(known[others.emotion == e], made[real.emotion == e]) for e in real.emotion.unique()]
        return sum(by_emotion) / len(by_emotion)

    def _apex_error(self, landmarks: Tensor) -> float:
        """Movements of the head do not count: faces are compared in the coordinates of their eyes."""
        made = EyeFrame.of(landmarks).to_frame(landmarks)
        errors = []
        for other in self.benchmark.apexes.unbind(1):
            true = EyeFrame.of(other).to_frame(other)
            errors.append(normalised_offsets(made, true).norm(dim=-1).mean(1))
        return torch.stack(errors).amin(0).mean().item()
