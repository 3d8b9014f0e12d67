"""Videos with the ground truth of every frame: error, sharpness, identity over time, flicker.

Held-out drawn people move from neutral to an emotion and back. A generator sees the first frame and is asked for every
frame by what it understands: the true landmarks, the true action units, or the emotion with its intensity. A renderer
of landmarks is also asked for landmarks that a model of motion generated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from facekit.evaluation.benchmark.benchmarks import CannotEvaluate
from facekit.evaluation.benchmark.videos import VideoBenchmark
from facekit.evaluation.judges import ActionUnitJudge, EmotionJudge, IdentityJudge, LandmarkJudge
from facekit.evaluation.metrics.identity import acd, acd_i
from facekit.evaluation.metrics.motion import action_unit_error
from facekit.evaluation.metrics.sequences import LEAST_VIDEOS, flicker, video_distance
from facekit.evaluation.metrics.sharpness import sharpness
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.faces.landmarks import normalised_offsets
from facekit.faces.trajectories import moved
from facekit.models.system import Generator
from facekit.models.video.motion import MotionModel

FEATURES = "emotion_resnet-synthetic"
"""The network in whose features the Fréchet distance of videos is measured."""

_TOGETHER = 4  # videos that are edited at once


class VideoJudges(NamedTuple):
    """The networks that judge frames."""

    action_units: ActionUnitJudge
    landmarks: LandmarkJudge
    identity: IdentityJudge
    features: EmotionJudge


def video_judges() -> VideoJudges:
    """The suite's own judges."""
    return VideoJudges(
        ActionUnitJudge.load("action_units-synthetic"),
        LandmarkJudge.load("landmarks-synthetic"),
        IdentityJudge.load("identity-synthetic"),
        EmotionJudge.load(FEATURES),
    )


@dataclass(frozen=True)
class VideoScores:
    """What `evaluate_videos` measures. Errors and drifts are divided by those of the ground truth, by the same judges.

    relative_error    squared error of the frames by that of a frozen first frame
    sharpness         of the region that changes, by that of the ground truth
    landmark_error    error (NME) of a judge's landmarks to the true ones
    unit_error        error of a judge's action units to the true ones
    drift             ACD: how much the identity differs from frame to frame
    distance          ACD-I: how much the identity differs from the first frame's
    flicker           second difference in time outside the region that changes, in grey levels of 255
    video_distance    Fréchet distance of videos in the features of `FEATURES`; NaN for too few videos
    frames_a_second   with four videos at once
    """

    relative_error: float
    sharpness: float
    landmark_error: float
    unit_error: float
    drift: float
    distance: float
    flicker: float
    video_distance: float
    frames_a_second: float = float("nan")


def evaluate_videos(
    generators: dict[str, Generator],
    benchmark: VideoBenchmark,
    judges: VideoJudges,
    motion: MotionModel | None = None,
    edited: Mapping[str, Tensor] | None = None,
    log: Callable[[str], None] = print,
) -> dict[str, VideoScores]:
    """The scores of generators by name, of the ground truth, and of a frozen video and a shuffled one.

    motion  generates landmarks for the generators that understand them
    edited  videos (N, T, C, H, W) by name, which are measured as they are
    log     is called with the name of each row before it is measured

    Raises `CannotEvaluate` for a generator that understands neither landmarks, action units nor emotions.
    """
    truth = benchmark.truth.images
    scale = _Scale(benchmark, judges)
    order = torch.randperm(truth.shape[1], generator=torch.Generator().manual_seed(0))
    rows: dict[str, Callable[[], Tensor]] = {
        "ground truth": lambda: truth,
        "frozen first frame": lambda: truth[:, :1].expand_as(truth),
        "ground truth, shuffled": lambda: truth[:, order],
    } | {name: lambda frames=frames: frames for name, frames in (edited or {}).items()}
    for name, generator in generators.items():
        for what, request, source in requests(generator, benchmark, motion):
            label = f"{name}, {what}"
            rows[label] = lambda g=generator, r=request, s=source: _edited(g, benchmark.first, r, s)
    scores = {}
    for label, make in rows.items():
        log(label)
        began = time.perf_counter()
        frames = make()
        seconds = time.perf_counter() - began
        speed = len(truth) * truth.shape[1] / seconds if label.partition(",")[0] in generators else float("nan")
        scores[label] = scale.scores(frames, speed)
    return scores


def requests(
    generator: Generator, benchmark: VideoBenchmark, motion: MotionModel | None
) -> list[tuple[str, Expression, Expression | None]]:
    """What a generator is asked for: a name, the expression with a time axis, and the present one of the first frame,
    if it is given."""
    truth, understands = benchmark.truth, generator.understands
    if "landmarks" in understands:
        found = {"true landmarks": truth.landmarks, "another person's motion": _of_another_person(benchmark)}
        if motion is not None:
            found["generated landmarks"] = _generated(benchmark, motion)
        source = Expression(landmarks=truth.landmarks[:, 0])
        return [(name, Expression(landmarks=landmarks), source) for name, landmarks in found.items()]
    if "action_units" in understands:
        return [("true action units", Expression(action_units=truth.action_units), None)]
    if {"emotion", "intensity"} <= understands:
        labels = truth.emotion[:, None].expand(-1, truth.frames)
        return [("emotion and intensity", Expression.from_labels(labels, truth.intensity), None)]
    raise CannotEvaluate(f"{generator.name} cannot be asked for a video: it takes no landmarks, units or intensities")


def _generated(benchmark: VideoBenchmark, motion: MotionModel) -> Tensor:
    """Landmarks (N, T, 68, 2) that a model generates, played at the pace of the true motions."""
    truth = benchmark.truth
    first = truth.landmarks[:, 0]
    sampled = motion.sample(Expression.from_labels(truth.emotion, benchmark.peak), first=first).landmarks.to(first)
    step = (_levels(benchmark) * (sampled.shape[1] - 1)).round().long()
    return sampled[torch.arange(len(step))[:, None], step]


def _of_another_person(benchmark: VideoBenchmark) -> Tensor:
    """Landmarks (N, T, 68, 2) of the faces, moved as those of another person who shows the same emotion, at the pace of
    the true motions and without movements of the head: the error of a perfect model of motion, which cannot know how
    this person will move."""
    truth, levels = benchmark.truth, _levels(benchmark)
    n, frames = levels.shape
    same = (truth.emotion[:, None] == truth.emotion) & ~torch.eye(n, dtype=torch.bool)
    ahead = (torch.arange(n) - torch.arange(n)[:, None]) % n
    other = torch.where(same, ahead, n + 1).argmin(1)  # the next one with this emotion
    after = lambda level: torch.arange(frames) > level.argmax(1, keepdim=True)  # noqa: E731
    away = (levels[:, :, None] - levels[other][:, None]).abs()  # (N, frames, frames of the other one)
    away = away + (after(levels)[:, :, None] != after(levels[other])[:, None])
    chosen = truth.landmarks[other[:, None], away.argmin(2)]
    return moved(truth.landmarks[:, 0], torch.cat([truth.landmarks[other][:, :1], chosen], 1))[:, 1:]


def _levels(benchmark: VideoBenchmark) -> Tensor:
    """How much of its expression each frame (N, T) of the true videos shows, from 0 to 1."""
    return (benchmark.truth.intensity / benchmark.peak[:, None].clamp(min=1e-6)).clamp(0, 1)


def _edited(generator: Generator, faces: Faces, request: Expression, source: Expression | None) -> Tensor:
    parts = torch.arange(len(faces)).split(_TOGETHER)
    return torch.cat(
        [generator.edit(faces[p], request[p], source=source and source[p], seed=p.tolist()) for p in parts]
    )


class _Scale:
    """The judges' numbers on the ground truth, by which others are divided."""

    def __init__(self, benchmark: VideoBenchmark, judges: VideoJudges) -> None:
        self.truth, self.judges = benchmark.truth, judges
        self.features = self._features(self.truth.images)
        self.known = self._judged(self.truth.images)

    def scores(self, frames: Tensor, speed: float) -> VideoScores:
        truth = self.truth.images
        first = truth[:, :1].expand_as(truth)
        judged = self._judged(frames)
        every = [each.flatten(0, 1) for each in (frames, truth, first)]
        return VideoScores(
            relative_error=((frames - truth).square().mean() / (first - truth).square().mean()).item(),
            sharpness=sharpness(*every),
            flicker=127.5 * flicker(frames, truth),
            video_distance=self._distance(frames),
            frames_a_second=speed,
            **{name: judged[name] / self.known[name] for name in judged},
        )

    def _judged(self, images: Tensor) -> dict[str, float]:
        frames, (n, t) = Faces(images.flatten(0, 1)), images.shape[:2]
        embedded = self.judges.identity.embed(frames).unflatten(0, (n, t))
        points = self.judges.landmarks.landmarks(frames)
        offsets = normalised_offsets(points, self.truth.landmarks.flatten(0, 1))
        units = self.judges.action_units.action_units(frames)
        return {
            "landmark_error": offsets.norm(dim=-1).mean().item(),
            "unit_error": action_unit_error(units, self.truth.action_units.flatten(0, 1)).mean().item(),
            "drift": acd(embedded).mean().item(),
            "distance": acd_i(embedded, embedded[:, 0]).mean().item(),
        }

    def _distance(self, frames: Tensor) -> float:
        if len(frames) < LEAST_VIDEOS:
            return float("nan")
        return video_distance(self.features, self._features(frames))

    def _features(self, images: Tensor) -> Tensor:
        features = self.judges.features.features(Faces(images.flatten(0, 1)))
        return features.unflatten(0, images.shape[:2])
