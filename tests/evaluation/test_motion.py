"""Evaluation of generated motions: real ones, rivals that need no network, and models."""

import dataclasses

import pytest
import torch

from facekit.evaluation.metrics.sequences import jerk
from facekit.evaluation.motion import Rivals, evaluate_motion, generated, motion_benchmark
from facekit.faces.faces import Faces
from facekit.faces.trajectories import geodesic_distances, to_curves, to_sphere
from facekit.models.judges.motion import MotionClassifier
from facekit.models.system import Clock
from facekit.models.video.motion_gan import MotionGAN

RIVALS = ("mean of the emotion", "Gaussian of the emotion", "replay of a training motion")


@pytest.fixture(scope="module")
def benchmark(monkeypatch_module):
    monkeypatch_module.setattr("facekit.evaluation.motion._TRAINING_PEOPLE", 40)
    return motion_benchmark(people=12, frames=8, split="valid")


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def scores(benchmark):
    torch.manual_seed(0)
    model = MotionGAN(dataclasses.replace(MotionGAN.presets["smoke"], frames=8))
    faces = benchmark.training
    images = torch.zeros(len(faces.emotion), 8, 3, 16, 16)
    next(model.training_step(Faces(images, emotion=faces.emotion, landmarks=faces.landmarks), Clock(0, 10)))
    classifier = MotionClassifier(MotionClassifier.presets["smoke"])
    return evaluate_motion({"model": model.eval()}, benchmark, classifier)


def test_the_benchmark_has_other_people_and_true_apexes(benchmark):
    assert len(benchmark.real.emotion) == len(benchmark.others.emotion) == 72
    assert benchmark.apexes.shape == (72, 16, 68, 2)
    assert not torch.equal(benchmark.real.landmarks, benchmark.others.landmarks)
    # Same face, same view as the first frame, another person's way to show the emotion
    nose = benchmark.apexes[:, :, 27] - benchmark.real.landmarks[:, :1, 27]
    assert nose.abs().max() < 0.05
    assert benchmark.apexes.std(1).amax((1, 2)).min() > 0.005


def test_real_motions_are_the_measure(scores):
    real = scores["real motions"]
    assert real.nearest == pytest.approx(1)
    assert real.variety == pytest.approx(1)
    assert real.jerk == pytest.approx(1)
    assert 0 < real.apex < 0.06


def test_the_mean_has_no_variety_and_a_replay_all_of_it(scores):
    mean, gaussian, replay = (scores[name] for name in RIVALS)
    assert mean.variety < 0.05
    assert mean.jerk < 0.95
    assert replay.variety == pytest.approx(1, abs=0.15)
    assert replay.nearest == pytest.approx(1, abs=0.15)
    assert replay.frechet < mean.frechet
    assert 0.5 < gaussian.variety < 1.1
    assert scores["model"].frechet > replay.frechet


def test_rivals_start_at_the_face_and_have_the_length_of_its_intensity(benchmark):
    rivals, real = Rivals(benchmark.training), benchmark.real
    for made in (rivals.mean(real), rivals.gaussian(real), rivals.replay(real)):
        assert made.shape == real.landmarks.shape
        torch.testing.assert_close(made[:, 0], real.landmarks[:, 0], atol=1e-5, rtol=0)
        _, length = to_sphere(to_curves(made))
        weak, strong = real.intensity < 0.55, real.intensity > 0.85
        assert length[weak].mean() < 0.8 * length[strong].mean()


def test_a_replay_is_a_training_motion(benchmark):
    rivals = Rivals(benchmark.training)
    points, _ = to_sphere(to_curves(rivals.replay(benchmark.real)))
    assert geodesic_distances(points, rivals.points).amin(1).max() < 0.01


def test_a_model_is_asked_for_the_same_faces_emotions_and_intensities(benchmark):
    class Recorder:
        def sample(self, expression, *, first, seed):
            self.asked = (expression, first, seed)
            return expression.__class__(landmarks=first[:, None].expand(-1, 8, -1, -1))

    recorder, real = Recorder(), benchmark.real
    made = generated(recorder, real)
    expression, first, seed = recorder.asked
    assert torch.equal(expression.emotion.argmax(1), real.emotion)
    assert torch.equal(expression.intensity, real.intensity)
    assert torch.equal(first, real.landmarks[:, 0])
    assert len(set(seed)) == len(seed)
    assert jerk(to_curves(made)) < 1e-3
