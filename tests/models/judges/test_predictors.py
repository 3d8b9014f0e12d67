"""What holds for every system that reads faces."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.action_units import mirrored_columns
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.load import load_system
from facekit.models.system import Clock, system_class
from facekit.weights.store import WeightsCard, save_weights

READERS = ("emotion_cnn", "emotion_resnet", "identity", "action_units")


@pytest.fixture(params=READERS)
def kind(request):
    return system_class(request.param)


@pytest.fixture
def classifier(kind):
    torch.manual_seed(0)
    classifier = kind(kind.presets["smoke"])
    with torch.no_grad():  # running statistics and heads that are no longer as they started
        for parameter in classifier.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        classifier(torch.randn(16, 3, 48, 48))
    return classifier


def test_smoke_training_learns(kind, drawn):
    torch.manual_seed(0)
    system = kind(kind.presets["smoke"])
    optimisers = system.optimisers()
    faces = drawn.faces(range(28))
    losses = []
    for step in range(25):
        for name, loss, _ in system.training_step(faces, Clock(step, 25)):
            optimisers[name].zero_grad()
            loss.backward()
            optimisers[name].step()
            losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("name", ["emotion_cnn", "emotion_resnet"])
def test_faces_without_an_emotion_are_left_out_or_refused(name, drawn):
    system = system_class(name)(system_class(name).presets["smoke"]).eval()  # running statistics: each face for itself
    faces = drawn.faces(range(14))
    some = dataclasses.replace(faces, emotion=torch.where(torch.arange(14) % 2 == 0, faces.emotion, -1))
    [(_, loss, told)] = system.training_step(some, Clock(0, 1))
    [(_, expected, told_of_known)] = system.training_step(faces[::2], Clock(0, 1))
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    assert told["accuracy"] == told_of_known["accuracy"]
    with pytest.raises(ValueError, match="labelled faces"):
        next(system.training_step(dataclasses.replace(faces, emotion=torch.full((14,), -1)), Clock(0, 1)))


def test_what_ships_is_small(kind):
    for profile in ("laptop", "gpu"):
        state = kind(kind.presets[profile]).state_dict().values()
        assert sum(2 * value.numel() for value in state) <= 4e6


def test_pictures_of_any_size_and_colour_are_taken(classifier):
    grey = torch.rand(3, 1, 64, 64) * 2 - 1
    said = classifier.read(grey)
    assert said.shape[0] == 3
    assert torch.isfinite(said).all()
    torch.testing.assert_close(classifier.read(grey.expand(-1, 3, -1, -1)), said, rtol=1e-3, atol=1e-4)
    assert classifier.prepare(grey).shape == (3, classifier.sees, classifier.preset.size, classifier.preset.size)


def test_a_reading_does_not_depend_on_the_batch(classifier, drawn):
    images = drawn.faces(range(10)).images
    torch.testing.assert_close(classifier.read(images, batch=3), classifier.read(images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(classifier.read(images[4:5])[0], classifier.read(images)[4], rtol=1e-4, atol=1e-5)


def test_reading_leaves_the_system_as_it_was(classifier, drawn):
    classifier.train()
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    said = classifier.read(drawn.faces(range(4)).images)
    assert classifier.training
    assert not said.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())


def test_a_mirror_changes_nothing_but_the_sides(classifier, drawn):
    images = drawn.faces(range(4)).images
    said, mirrored = classifier.read(images), classifier.read(images.flip(-1))
    if classifier.name == "action_units":
        mirrored = mirrored[:, mirrored_columns()]
    torch.testing.assert_close(mirrored, said, rtol=1e-3, atol=1e-4)


def test_gradients_reach_the_picture(classifier, drawn):
    images = drawn.faces([0]).images.requires_grad_()
    classifier.eval()(images).square().sum().backward()
    assert images.grad.abs().sum() > 0


def test_weights_come_back_from_disk(classifier, drawn, tmp_path):
    card = WeightsCard(
        system=classifier.name,
        profile="smoke",
        preset=dataclasses.asdict(classifier.preset),
        channels=3,
        data={},
        steps=0,
    )
    save_weights(tmp_path / "classifier.safetensors", classifier.state_dict(), card)
    images = drawn.faces(range(4)).images
    again = load_system(tmp_path / "classifier.safetensors")
    torch.testing.assert_close(again.read(images), classifier.read(images), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", ["emotion_cnn", "emotion_resnet", "action_units"])
def test_grey_readers_do_not_see_brightness_and_contrast(name):
    kind = system_class(name)
    torch.manual_seed(0)
    classifier = kind(kind.presets["smoke"])
    images = torch.rand(2, 1, 48, 48) * 2 - 1
    torch.testing.assert_close(classifier.read(0.4 * images - 0.3), classifier.read(images), rtol=1e-3, atol=1e-4)


def test_sequences_are_read_frame_by_frame(classifier):
    class Film:
        def __len__(self):
            return 3

        def faces(self, indices):
            return Faces(torch.rand(len(indices), 2, 1, 48, 48))

    shapes = [(said.shape[0], len(faces)) for said, faces in classifier.readings(Film(), batch=2)]
    assert shapes == [(4, 4), (2, 2)]


def test_embeddings_have_length_one(drawn):
    kind = system_class("identity")
    embedded = kind(kind.presets["smoke"]).embed(drawn.faces(range(5)).images)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(5))


def test_the_encoding_of_p1_is_the_second_last_layer(drawn):
    kind = system_class("emotion_cnn")
    system = kind(kind.presets["smoke"]).eval()
    images = drawn.faces(range(3)).images
    encoding = system.features(images)
    assert encoding.shape == (3, 128)
    torch.testing.assert_close(F.linear(encoding, system.head.weight, system.head.bias), system(images))


def test_the_reading_loss_is_small_where_faces_are_read_as_asked_whatever_their_size_and_colour():
    classifier = load_system("emotion_cnn-synthetic")
    shown = SyntheticFaces("test", people=16, faces_per_person=1, size=classifier.preset.size).faces(range(16))
    own, other = shown.expression.only("emotion"), Expression.from_labels((shown.emotion + 1) % 7)
    for pictures in (shown.images, shown.resized(40).gray().images):
        torch.manual_seed(0)
        pictures.requires_grad_()
        as_asked, not_so = (classifier.classification_loss(pictures, asked) for asked in (own, other))
        assert as_asked < 0.5 * not_so
        assert torch.autograd.grad(not_so, pictures)[0].abs().max() > 0
