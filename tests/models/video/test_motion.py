"""Models of motion: the tangent space, what they are conditioned on, seeds, and what they refuse."""

import dataclasses
import math

import pytest
import torch

from facekit.datasets import open_dataset
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.emotions import MOVING_EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.trajectories import geodesic_distances, karcher_mean, to_curves, to_sphere
from facekit.models.judges.landmarks import LandmarkNet
from facekit.models.system import CannotTrain, Clock
from facekit.models.video.motion import MotionMLP
from facekit.models.video.motion_flow import MotionFlow
from facekit.models.video.motion_gan import MotionGAN
from facekit.training import fit

KINDS = (MotionGAN, MotionFlow)


def smoke(kind, **fields):
    return dataclasses.replace(kind.presets["smoke"], **{"frames": 8} | fields)


@pytest.fixture(scope="module")
def data():
    return open_dataset("synthetic_motions", "train", people=20, frames=8, size=16)


@pytest.fixture(scope="module")
def sequences(data):
    return data.faces(range(len(data)))


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def model(request, sequences):
    """With mean and components, but hardly trained."""
    torch.manual_seed(0)
    system = request.param(smoke(request.param))
    next(system.training_step(sequences, Clock(0, 10)))
    for parameter in system.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return system.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_weights_take_less_than_a_megabyte(kind):
    system = kind(kind.presets["gpu"])
    assert sum(2 * value.numel() for value in system.weights().values()) <= 1e6


def test_the_first_batch_gives_mean_components_and_lengths(model, sequences):
    points, length = to_sphere(to_curves(sequences.landmarks.double()))
    torch.testing.assert_close(model.mean.double(), karcher_mean(points), atol=1e-4, rtol=0)
    assert (model.components @ model.mean).abs().max() < 1e-4  # tangent
    known = model.coordinates(points.float())
    torch.testing.assert_close(known.var(0), torch.ones(8), atol=0.05, rtol=0)
    motions = model._motions(
        to_curves(sequences.landmarks),
        (sequences.emotion[:, None] == torch.tensor([0, 1, 2, 3, 4, 5])).long().argmax(1),
    )
    happy = sequences.emotion == 3
    assert motions.coordinates[happy].mean(0).abs().max() < 1e-3
    torch.testing.assert_close(motions.coordinates[happy].std(0), torch.ones(8), atol=0.01, rtol=0)
    expected = length[happy].float().quantile(0.9)
    torch.testing.assert_close(model.lengths[MOVING_EMOTIONS.index("happy")], expected)


def test_coordinates_are_exact_for_what_the_components_span(model):
    coordinates = 0.3 * torch.randn(5, 8)
    points = model.points(coordinates)
    torch.testing.assert_close(points.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(model.coordinates(points), coordinates, atol=1e-3, rtol=0)


def test_no_tangent_vector_reaches_the_antipode(model):
    points = model.points(1e4 * torch.randn(5, 8))
    assert (geodesic_distances(model.mean[None], points) < math.pi - 0.05).all()


def test_a_sample_starts_at_the_face_and_is_as_long_as_its_intensity(model, sequences):
    first = sequences.landmarks[:3, 0]
    full = model.sample(Expression.of("happy", n=3), first=first, seed=[5, 6, 7])
    assert full.parts == {"landmarks"}
    assert full.landmarks.shape == (3, 8, 68, 2)
    torch.testing.assert_close(full.landmarks[:, 0], first, atol=1e-5, rtol=0)
    length = to_curves(full.landmarks).diff(dim=1).norm(dim=-1).sum(1)
    torch.testing.assert_close(length, model.lengths[MOVING_EMOTIONS.index("happy")].expand(3), atol=1e-4, rtol=0)
    half = model.sample(Expression.of("happy", 0.5, n=3), first=first, seed=[5, 6, 7])
    torch.testing.assert_close(to_curves(half.landmarks).diff(dim=1).norm(dim=-1).sum(1), length / 2, atol=1e-4, rtol=0)


def test_neutral_is_still(model, sequences):
    still = model.sample(Expression.neutral(2), first=sequences.landmarks[:2, 0]).landmarks
    torch.testing.assert_close(still, sequences.landmarks[:2, :1].expand(-1, 8, -1, -1), atol=1e-5, rtol=0)


def test_seeds_give_variety_and_rows_do_not_depend_on_the_batch(model):
    both = model.sample(Expression.of(["sad", "sad", "fear"]), seed=[1, 2, 1]).landmarks
    assert not torch.allclose(both[0], both[1], atol=1e-4)
    alone = model.sample(Expression.of("fear"), seed=1).landmarks
    torch.testing.assert_close(both[2:], alone, atol=1e-5, rtol=0)


def test_without_a_face_the_average_one_moves_in_the_middle(model):
    points = model.sample(Expression.of("sad")).landmarks[0, 0]
    assert points.abs().max() < 1.1
    torch.testing.assert_close(points[36:48].mean(0), torch.tensor([0.0, -0.32]), atol=1e-3, rtol=0)


def test_blends_lie_between(model):
    blend = Expression.blend({"happy": 1, "surprise": 1})
    made = model.sample(blend).landmarks
    length = to_curves(made).diff(dim=1).norm(dim=-1).sum()
    lengths = [model.lengths[MOVING_EMOTIONS.index(name)].item() for name in ("happy", "surprise")]
    assert length.item() == pytest.approx(sum(lengths) / 2, abs=1e-3)


def test_what_it_cannot_do_is_named(model):
    with pytest.raises(UnsupportedExpression, match="not on contempt"):
        model.sample(Expression.of("contempt"))
    with pytest.raises(UnsupportedExpression, match="understands emotion, intensity"):
        model.sample(Expression.from_action_units({"AU12": 1}))
    with pytest.raises(ValueError, match="makes the time axis itself"):
        model.sample(Expression.path([Expression.neutral(), Expression.of("sad")], 4))


@pytest.mark.parametrize("kind", KINDS)
def test_training_refuses_what_it_cannot_learn_from(kind, sequences):
    system = kind(smoke(kind))

    def step(faces):
        return list(system.training_step(faces, Clock(0, 10)))

    stills = SyntheticFaces("train", people=1, size=16).faces(range(4))
    with pytest.raises(CannotTrain, match="these are stills: use --data synthetic_motions"):
        step(stills)
    with pytest.raises(CannotTrain, match="name an estimator"):
        step(dataclasses.replace(sequences, landmarks=None))
    with pytest.raises(CannotTrain, match="fewer than two of angry"):
        step(sequences[sequences.emotion == 3])
    with pytest.raises(CannotTrain, match="a label that move"):
        step(dataclasses.replace(sequences, emotion=torch.full_like(sequences.emotion, -1)))
    two_of_each = [int(row) for e in range(6) for row in (sequences.emotion == e).nonzero()[:2]]
    wide = kind(smoke(kind, components=13))
    with pytest.raises(CannotTrain, match="12 for 13 components"):
        list(wide.training_step(sequences[two_of_each], Clock(0, 10)))


def test_landmarks_are_estimated_where_there_are_none(sequences):
    system = MotionGAN(smoke(MotionGAN, estimator="landmarks-of-a-test"))
    system._guidance["estimator"] = LandmarkNet(LandmarkNet.presets["smoke"]).eval()
    plain = dataclasses.replace(sequences, landmarks=None)
    expected = system._guidance["estimator"].predict(sequences.images[:2].flatten(0, 1)).unflatten(0, (2, 8))
    torch.testing.assert_close(system._landmarks(plain[:2]), expected)


def test_still_sequences_are_left_out(sequences):
    system = MotionGAN(smoke(MotionGAN))
    frozen = dataclasses.replace(sequences, landmarks=sequences.landmarks.clone())
    frozen.landmarks[0] = frozen.landmarks[0, :1]
    curves, labels = system._moving(frozen)
    assert len(curves) == len(labels) == len(sequences) - 1


def test_the_flow_learns_what_it_is_conditioned_on(data):
    preset = smoke(MotionFlow, steps=60, width=64, blocks=2, batch=120, learning_rate=3e-3)
    torch.manual_seed(0)
    flow = MotionFlow(preset)
    records = list(fit(flow, data, profile="smoke"))
    losses = [record.scalars["loss/velocity"] for record in records]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    faces = data.faces(range(len(data)))
    points, _ = to_sphere(to_curves(faces.landmarks))
    made = flow.sample(Expression.from_labels(faces.emotion), first=faces.landmarks[:, 0], seed=list(range(len(data))))
    distance = geodesic_distances(to_sphere(to_curves(made.landmarks))[0], points)
    same = faces.emotion[:, None] == faces.emotion
    assert distance[same].mean() < 0.9 * distance[~same].mean()


def test_the_critic_takes_its_steps_before_the_generator(sequences):
    system = MotionGAN(smoke(MotionGAN))
    order = [name for name, _, _ in system.training_step(sequences, Clock(0, 10))]
    assert order == (["critic"] * 5 + ["generator"]) * MotionGAN.rounds


def test_the_paper_adds_the_absolute_distance(sequences):
    losses = []
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        system = MotionGAN(smoke(MotionGAN, absolute=weight))
        torch.manual_seed(1)
        steps = [loss for name, loss, _ in system.training_step(sequences, Clock(0, 10)) if name == "generator"]
        losses.append(steps[0].item())
    assert losses[1] > losses[0] + 0.1


def test_a_perceptron_starts_as_a_linear_map_and_uses_its_condition():
    net = MotionMLP(4, 3, 1, 2, width=8, blocks=2)
    x, label, number = torch.randn(5, 4), torch.eye(3)[[0, 1, 2, 0, 1]], torch.rand(5, 1)
    assert net.outputs(x, label, number).shape == (5, 2)
    assert not torch.allclose(net.outputs(x, label, number), net.outputs(x, label.roll(1, 0), number))
    assert not torch.allclose(net.outputs(x, label, number), net.outputs(x, label, 1 - number))
