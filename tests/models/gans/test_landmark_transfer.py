"""Landmark transfer: what it learns from, whose landmarks it uses, and what it refuses."""

import dataclasses

import pytest
import torch

from facekit.datasets import open_dataset
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.layers.landmarks import draw_landmarks
from facekit.models.gans.landmark_transfer import LandmarkTransfer
from facekit.models.judges.landmarks import LandmarkNet
from facekit.models.system import CannotTrain, Clock

TINY = {"batch": 8, "rendered": 4, "converter_steps": 2}


def build(profile="smoke", **fields):
    torch.manual_seed(0)
    system = LandmarkTransfer(dataclasses.replace(LandmarkTransfer.presets[profile], **TINY | fields))
    system._guidance["estimator"] = LandmarkNet(LandmarkNet.presets["smoke"]).eval()
    torch.nn.init.normal_(system.converter.decoder[-1].weight, std=0.05)
    torch.nn.init.normal_(system.renderer.unet.head.weight, std=0.05)
    return system


@pytest.fixture(scope="module")
def triples():
    return open_dataset("synthetic_transfers", "valid", people=8, faces_per_person=2, size=48).faces(range(8))


@pytest.fixture(scope="module")
def people():
    return SyntheticFaces("valid", people=4, faces_per_person=1, size=48).faces(range(4))


@pytest.mark.parametrize("profile", ["laptop", "gpu"])
def test_weights_take_less_than_4_megabytes(profile):
    system = LandmarkTransfer(LandmarkTransfer.presets[profile])
    assert sum(2 * value.numel() for value in system.weights().values()) <= 3.95e6


@pytest.mark.parametrize("channels", [1, 3])
def test_an_edit_uses_the_drivers_landmarks(people, channels):
    torch.manual_seed(0)
    system = LandmarkTransfer(LandmarkTransfer.presets["smoke"], channels=channels)
    torch.nn.init.normal_(system.converter.decoder[-1].weight, std=0.05)
    torch.nn.init.normal_(system.renderer.unet.head.weight, std=0.05)
    faces = people if channels == 3 else people.gray()
    driver = Expression.from_faces(people[[1, 2, 3, 0]]).only("landmarks")
    source = Expression(landmarks=people.landmarks)
    edited = system.edit(faces, driver, source=source)
    assert edited.shape == faces.images.shape
    assert not torch.allclose(edited, system.edit(faces, driver[[1, 2, 3, 0]], source=source), atol=1e-4)


def test_the_faces_own_landmarks_are_given_known_or_estimated(people):
    system, driver = build(), Expression(landmarks=people.landmarks[:1])
    plain = Faces(people.images)
    estimated = system.guidance_network("estimator").predict(people.images)
    torch.testing.assert_close(system.target(plain, driver)[0], estimated)
    torch.testing.assert_close(system.target(people, driver)[0], estimated)  # annotations are not used unasked
    own, wanted = system.target(plain, driver, Expression(landmarks=people.landmarks))
    torch.testing.assert_close(own, people.landmarks)
    torch.testing.assert_close(wanted, system.converter(own, people.landmarks[:1].expand(4, -1, -1)))


def test_drivers_have_any_size_and_their_landmarks_are_annotated_or_estimated(people):
    system = build()
    assert system.driving(people.resized(64)).landmarks is people.landmarks
    assert system.driving(Faces(people.images).resized(32).gray()).landmarks.shape == (4, 68, 2)


def test_the_landmarks_of_an_edit_can_be_inspected(people):
    system, driver = build(), Expression(landmarks=people.landmarks[:1])
    maps = system.inspect(people[:2], driver)
    own, wanted = system.target(people[:2], driver)
    assert [m.shape for m in maps.values()] == [(2, 1, 48, 48)] * 2
    torch.testing.assert_close(maps["own landmarks"], draw_landmarks(own, 48).amax(1, keepdim=True))
    torch.testing.assert_close(maps["wanted landmarks"], draw_landmarks(wanted, 48).amax(1, keepdim=True))


def test_it_takes_the_time_axis_of_a_moving_driver(people):
    system = build()
    path = Expression.path([Expression(landmarks=people.landmarks[[i]]) for i in (0, 1)], frames=3)
    video = system.edit(people[:2], path)
    assert video.shape == (2, 3, 3, 48, 48)
    torch.testing.assert_close(video[:, 0], system.edit(people[:2], path.at(0)), atol=1e-4, rtol=0)


def test_converter_discriminator_and_renderer_learn_in_turn(triples):
    system = build()
    optimisers, order = system.optimisers(), []
    before = {name: value.clone() for name, value in system.state_dict().items()}
    for name, loss, _ in system.training_step(triples, Clock(0, 10)):
        parameters = [p for group in optimisers[name].param_groups for p in group["params"]]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimisers[name].step()
        order.append(name)
    assert order == ["converter", "converter", "discriminator", "renderer"]
    for part in ("converter", "renderer", "discriminator"):
        changed = [name for name, value in system.state_dict().items() if not torch.equal(value, before[name])]
        assert any(name.startswith(part) for name in changed)


def test_the_discriminator_has_spectral_norm(triples):
    system = build()
    for _ in range(20):
        list(system.training_step(triples, Clock(0, 10)))
    for layer in (*system.discriminator.layers, system.discriminator.source):
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.15)


def test_without_disturbance_and_converter_errors_the_renderer_sees_the_truth(triples, monkeypatch):
    system, seen = build(disturbance=0.0), []
    goal = triples.landmarks[:, 2]
    exact = lambda own, driver: goal[: len(own)].clone().requires_grad_()  # noqa: E731
    monkeypatch.setattr(system.converter, "forward", exact)
    forward = system.renderer.forward
    monkeypatch.setattr(system.renderer, "forward", lambda *given: (seen.append(given), forward(*given))[1])
    list(system.training_step(triples, Clock(0, 10)))
    images, own, wanted = seen[0]
    assert len(images) == 4
    torch.testing.assert_close(own, triples.landmarks[:4, 0])
    torch.testing.assert_close(wanted, goal[:4])


def test_it_refuses_single_faces_and_emotions(people, triples):
    system = build()
    with pytest.raises(CannotTrain, match="--data synthetic_transfers"):
        list(system.training_step(people, Clock(0, 10)))
    with pytest.raises(CannotTrain, match="with landmarks"):
        list(system.training_step(dataclasses.replace(triples, landmarks=None), Clock(0, 10)))
    with pytest.raises(UnsupportedExpression, match="understands landmarks"):
        system.edit(people, Expression.of("happy"))
