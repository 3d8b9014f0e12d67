"""Evaluation of videos: the ground truth, videos that are wrong in a known way, and what generators are asked for."""

import pytest
import torch

from facekit.evaluation.benchmark.benchmarks import CannotEvaluate
from facekit.evaluation.benchmark.videos import FRAMES, video_benchmark
from facekit.evaluation.video import evaluate_videos, requests, video_judges
from facekit.faces.expression import Expression
from facekit.faces.trajectories import to_curves
from facekit.models.gans.stargan import StarGAN
from facekit.models.system import Generator

FACES = 40


class Stub(Generator):
    """Returns what it is told to; `parts` are what it understands."""

    def __init__(self, parts, frames=None):
        super().__init__(StarGAN.presets["smoke"])
        self.name, self.understands, self.frames_ = "stub", frozenset(parts), frames

    @property
    def device(self):
        return torch.device("cpu")

    def edit(self, faces, expression, *, source=None, seed=0):
        return self.frames_[: len(faces)] if len(faces) == len(self.frames_) else self._next(len(faces))

    def _next(self, n):
        start = getattr(self, "start", 0)
        self.start = (start + n) % len(self.frames_)
        return self.frames_[start : start + n]


class Motion:
    """Sampled landmarks that move to the right, step by step."""

    def sample(self, expression, *, first, seed=0):
        way = 0.1 * torch.linspace(0, 1, 5)[:, None, None] * torch.tensor([1.0, 0.0])
        return Expression(landmarks=first[:, None] + way)


@pytest.fixture(scope="module")
def benchmark():
    return video_benchmark(FACES, size=48, split="valid")


@pytest.fixture(scope="module")
def scores(benchmark):
    truth = benchmark.truth.images
    noise = 0.1 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    stubs = {
        "noisy": Stub({"landmarks"}, truth + noise),
        "still": Stub({"action_units"}, truth[:, :1].expand_as(truth)),
    }
    return evaluate_videos(stubs, benchmark, video_judges(), Motion(), log=lambda _: None)


def test_videos_go_from_neutral_to_an_emotion_and_back(benchmark):
    truth = benchmark.truth
    assert truth.images.shape == (FACES, FRAMES, 3, 48, 48)
    assert (truth.intensity[:, 0] == 0).all()
    assert (benchmark.peak > 0.3).all()
    assert len(set(truth.emotion.tolist())) == 6
    assert len(set(truth.person.tolist())) == FACES


def test_the_ground_truth_is_the_measure(scores):
    truth = scores["ground truth"]
    assert truth.relative_error == 0
    assert truth.sharpness == pytest.approx(1)
    assert (truth.landmark_error, truth.unit_error, truth.drift, truth.distance) == pytest.approx((1, 1, 1, 1))
    assert truth.video_distance == pytest.approx(0, abs=1e-6)


def test_a_frozen_video_keeps_the_identity_and_nothing_else(scores):
    frozen = scores["frozen first frame"]
    assert frozen.relative_error == pytest.approx(1)
    assert (frozen.drift, frozen.distance, frozen.flicker) == (0, 0, 0)
    assert frozen.landmark_error > 1.3
    assert frozen.unit_error > 1.3
    assert frozen.video_distance > 1
    assert scores["still, true action units"].relative_error == pytest.approx(1)


def test_a_shuffled_video_is_told_from_the_truth(scores):
    shuffled = scores["ground truth, shuffled"]
    assert shuffled.drift > 1.2
    assert shuffled.distance == pytest.approx(1, abs=0.25)  # from another first frame, else equal
    assert shuffled.video_distance > 1


def test_noise_flickers(scores):
    noisy = scores["noisy, true landmarks"]
    assert noisy.flicker > 5 * scores["ground truth"].flicker
    assert noisy.relative_error < 0.9
    assert noisy.frames_a_second > 0


def test_each_generator_is_asked_by_what_it_understands(benchmark):
    truth = benchmark.truth
    true, other, played = requests(Stub({"landmarks"}), benchmark, Motion())
    assert [each[0] for each in requests(Stub({"landmarks"}), benchmark, None)] == [true[0], other[0]]
    assert torch.equal(true[1].landmarks, truth.landmarks)
    assert torch.equal(true[2].landmarks, truth.landmarks[:, 0])
    moved = (played[1].landmarks - truth.landmarks[:, :1])[..., 0, 0]
    top = truth.intensity.argmax(1)
    torch.testing.assert_close(moved[torch.arange(FACES), top], torch.full((FACES,), 0.1))
    assert (moved[:, 0] == 0).all()
    torch.testing.assert_close(other[1].landmarks[:, 0], truth.landmarks[:, 0])  # its own shape, another's motion
    curves = [to_curves(each) for each in (other[1].landmarks, truth.landmarks)]
    moved = [(each - each[:, :1])[torch.arange(FACES), top] for each in curves]
    assert torch.cosine_similarity(*moved).mean() > 0.6  # the same emotion
    assert not torch.allclose(*moved, atol=0.01)
    [units] = requests(Stub({"emotion", "intensity", "action_units"}), benchmark, Motion())
    assert torch.equal(units[1].action_units, truth.action_units)
    [labels] = requests(Stub({"emotion", "intensity"}), benchmark, Motion())
    assert torch.equal(labels[1].intensity, truth.intensity)
    assert torch.equal(labels[1].emotion[:, 3].argmax(1), truth.emotion)
    with pytest.raises(CannotEvaluate, match="cannot be asked for a video"):
        requests(Stub({"domain"}), benchmark, Motion())


def test_edited_videos_are_measured_as_they_are(benchmark):
    truth = benchmark.truth.images
    scores = evaluate_videos({}, benchmark, video_judges(), edited={"mine": 0.5 * (truth + truth[:, :1])}, log=print)
    assert scores["mine"].relative_error == pytest.approx(0.25)
    assert list(scores) == ["ground truth", "frozen first frame", "ground truth, shuffled", "mine"]
