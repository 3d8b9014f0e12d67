"""Videos with the ground truth of every frame: error, sharpness, identity over time, flicker.

Held-out drawn people move from neutral to an emotion and back. A generator sees the first frame and is asked for every
frame by what it understands: the true landmarks, the true action units, or the emotion with its intensity. A renderer
of landmarks is also asked for landmarks that a model of motion generated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from facekit.datasets.synthetic.motions import SyntheticMotions
from facekit.evaluation.benchmark.benchmarks import FACES, CannotEvaluate
from facekit.evaluation.judges import ActionUnitJudge, EmotionJudge, IdentityJudge, LandmarkJudge
from facekit.evaluation.metrics.identity import acd, acd_i
from facekit.evaluation.metrics.motion import action_unit_error
from facekit.evaluation.metrics.sequences import flicker, video_distance
from facekit.evaluation.metrics.sharpness import sharpness
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.faces.landmarks import normalised_offsets
from facekit.models.system import Generator
from facekit.models.video.motion import MotionModel

FRAMES = 16
FEATURES = "emotion_resnet-synthetic"
"""The network in whose features the Fréchet distance of videos is measured."""

_TOGETHER = 4  # videos that are edited at once


class VideoBenchmark(NamedTuple):
    """N videos: the sequences themselves, which are the ground truth, with all annotations by frame; and the
    intensity (N,) at the apex."""

    truth: Faces
    peak: Tensor

    @property
    def first(self) -> Faces:
        """The first frames, without annotations: the input of every edit."""
        return Faces(self.truth.images[:, 0])


def video_benchmark(
    faces: int = FACES, size: int = 64, channels: int = 3, split: str = "test", frames: int = FRAMES
) -> VideoBenchmark:
    """The benchmark on one video each of held-out drawn people; the emotions alternate.

    size, channels  of the images, as the generators take them
    split           "test", or "valid" while hyperparameters are still being chosen
    frames          of each video, from neutral to the apex and back
    """
    dataset = SyntheticMotions(
        split, people=faces, faces_per_person=1, frames=frames, until="end", size=size, channels=channels
    )
    videos = [dataset.faces(rows) for rows in torch.arange(faces).split(32)]
    truth = Faces.cat(videos)
    return VideoBenchmark(truth, truth.intensity.amax(1))


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
    video_distance    Fréchet distance of videos in the features of `FEATURES`
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
    motion: MotionModel,
    log: Callable[[str], None] = print,
) -> dict[str, VideoScores]:
    """The scores of generators by name, of the ground truth, and of a frozen video and a shuffled one.

    motion  generates landmarks for the generators that understand them
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
    }
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
    generator: Generator, benchmark: VideoBenchmark, motion: MotionModel
) -> list[tuple[str, Expression, Expression | None]]:
    """What a generator is asked for: a name, the expression with a time axis, and the present one of the first frame,
    if it is given."""
    truth, understands = benchmark.truth, generator.understands
    if "landmarks" in understands:
        first = truth.landmarks[:, 0]
        sampled = motion.sample(Expression.from_labels(truth.emotion, benchmark.peak), first=first).landmarks.to(first)
        share = truth.intensity / benchmark.peak[:, None].clamp(min=1e-6)
        step = (share.clamp(0, 1) * (sampled.shape[1] - 1)).round().long()
        played = sampled[torch.arange(len(step))[:, None], step]
        source = Expression(landmarks=first)
        return [
            ("true landmarks", Expression(landmarks=truth.landmarks), source),
            ("generated landmarks", Expression(landmarks=played), source),
        ]
    if "action_units" in understands:
        return [("true action units", Expression(action_units=truth.action_units), None)]
    if {"emotion", "intensity"} <= understands:
        labels = truth.emotion[:, None].expand(-1, truth.frames)
        return [("emotion and intensity", Expression.from_labels(labels, truth.intensity), None)]
    raise CannotEvaluate(f"{generator.name} cannot be asked for a video: it takes no landmarks, units or intensities")


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
            video_distance=video_distance(self.features, self._features(frames)),
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

    def _features(self, images: Tensor) -> Tensor:
        features = self.judges.features.features(Faces(images.flatten(0, 1)))
        return features.unflatten(0, images.shape[:2])
