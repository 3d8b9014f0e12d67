"""TextureGAN: which landmarks it is trained with, and videos from them."""

import dataclasses

import pytest
import torch

from facekit.datasets import open_dataset
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.models.judges.identity import IdentityNet
from facekit.models.judges.landmarks import LandmarkNet
from facekit.models.system import CannotTrain, Clock
from facekit.models.video.motion_gan import MotionGAN
from facekit.models.video.texture_gan import TextureGAN


@pytest.fixture(scope="module")
def sequences():
    return open_dataset("synthetic_motions", "train", people=16, frames=8, size=48).faces(range(96))


@pytest.fixture(scope="module")
def motion(sequences):
    system = MotionGAN(dataclasses.replace(MotionGAN.presets["smoke"], frames=8))
    next(system.training_step(sequences, Clock(0, 10)))
    return system.eval()


@pytest.fixture
def build(motion):
    def built(**fields):
        torch.manual_seed(0)
        system = TextureGAN(dataclasses.replace(TextureGAN.presets["smoke"], **fields))
        identity = IdentityNet(IdentityNet.presets["smoke"]).eval()
        landmarks = LandmarkNet(LandmarkNet.presets["smoke"]).eval()
        known = {"estimator": landmarks, "motion": motion, "identity": identity}
        system._guidance.update({name: each for name, each in known.items() if getattr(system.preset, name)})
        torch.nn.init.normal_(system.renderer.unet.head.weight, std=0.05)
        return system

    return built


def test_weights_take_less_than_4_megabytes():
    system = TextureGAN(TextureGAN.presets["gpu"])
    assert sum(2 * value.numel() for value in system.weights().values()) <= 3.95e6


def test_landmarks_with_a_time_axis_make_a_video(build, sequences):
    system = build()
    faces = Faces(sequences.images[:2, 0])
    request, source = Expression(landmarks=sequences.landmarks[:2]), Expression(landmarks=sequences.landmarks[:2, 0])
    video = system.edit(faces, request, source=source)
    assert video.shape == (2, 8, 3, 48, 48)
    torch.testing.assert_close(video[:, 3], system.edit(faces, request.at(3), source=source), atol=1e-4, rtol=0)
    assert not torch.allclose(video, system.edit(faces, request), atol=1e-4)  # its own landmarks, estimated
    maps = system.inspect(faces, request.at(7))
    assert [m.shape for m in maps.values()] == [(2, 1, 48, 48)] * 2


def test_discriminator_and_renderer_learn_in_turn(build, sequences):
    system = build()
    optimisers, order = system.optimisers(), []
    before = {name: value.clone() for name, value in system.state_dict().items()}
    for name, loss, _ in system.training_step(sequences[:8], Clock(0, 10)):
        parameters = [p for group in optimisers[name].param_groups for p in group["params"]]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimisers[name].step()
        order.append(name)
    assert order == ["discriminator", "renderer"]
    *_, (_, _, scalars) = system.training_step(sequences[:8], Clock(0, 10))
    assert {"renderer/generated", "renderer/identity", "renderer/absolute"} <= set(scalars)
    for part in ("renderer", "discriminator"):
        changed = [name for name, value in system.state_dict().items() if not torch.equal(value, before[name])]
        assert any(name.startswith(part) for name in changed)


def test_half_of_the_inputs_are_neutral_and_no_frame_is_rendered_from_itself(build, sequences):
    system = build()
    torch.manual_seed(0)
    first, shown = system._pairs(sequences)
    assert 0.4 < (first == 0).float().mean() < 0.75
    assert (first != shown).all()
    assert set(shown.tolist()) == set(range(8))


def test_generated_landmarks_are_moved_from_the_faces_own(build, sequences, monkeypatch):
    system, seen = build(generated=3), []
    forward = system.renderer.forward
    monkeypatch.setattr(system.renderer, "forward", lambda *given: (seen.append(given), forward(*given))[1])
    list(system.training_step(sequences[:8], Clock(0, 10)))
    (_, _, _), (images, own, wanted) = seen
    torch.testing.assert_close(images, sequences.images[:3, 0])
    torch.testing.assert_close(own, sequences.landmarks[:3, 0])
    assert (wanted - own).abs().amax((1, 2)).max() > 0.01


def test_without_motion_and_identity_it_learns_from_true_frames_alone(build, sequences):
    system = build(motion=None, identity=None)
    *_, (_, _, scalars) = system.training_step(sequences[:4], Clock(0, 10))
    assert set(scalars) == {f"renderer/{name}" for name in ("absolute", "squared", "features", "adversarial")}
    assert system.requires == {"estimator": "landmarks-synthetic_estimator"}


def test_it_refuses_stills_and_emotions(build):
    system, stills = build(), SyntheticFaces("train", people=2, size=48).faces(range(4))
    with pytest.raises(CannotTrain, match="--data synthetic_motions"):
        list(system.training_step(stills, Clock(0, 10)))
    with pytest.raises(UnsupportedExpression, match="understands landmarks"):
        system.edit(stills, Expression.of("happy"))
