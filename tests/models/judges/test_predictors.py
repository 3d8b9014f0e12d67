"""The contract of `FacePredictor`, tested for every judge."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.action_units import mirrored_columns
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.load import load_system
from facekit.models.system import CannotTrain, Clock, system_class
from facekit.weights.store import WeightsCard, save_weights

PREDICTORS = ("emotion_cnn", "emotion_resnet", "identity", "action_units")


@pytest.fixture(params=PREDICTORS)
def kind(request):
    return system_class(request.param)


@pytest.fixture
def predictor(kind):
    torch.manual_seed(0)
    predictor = kind(kind.presets["smoke"])
    with torch.no_grad():  # so that running statistics and heads differ from their initial values
        for parameter in predictor.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        predictor(torch.randn(16, 3, 48, 48))
    return predictor


def test_training_lowers_the_loss_on_a_fixed_batch(kind, drawn):
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
def test_unlabelled_faces_are_ignored_and_a_batch_of_them_raises(name, drawn):
    system = system_class(name)(
        system_class(name).presets["smoke"]
    ).eval()  # running statistics, so that faces are independent
    faces = drawn.faces(range(14))
    some = dataclasses.replace(faces, emotion=torch.where(torch.arange(14) % 2 == 0, faces.emotion, -1))
    [(_, loss, scalars)] = system.training_step(some, Clock(0, 1))
    [(_, expected, expected_scalars)] = system.training_step(faces[::2], Clock(0, 1))
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    assert scalars["accuracy"] == expected_scalars["accuracy"]
    with pytest.raises(CannotTrain, match="labelled faces"):
        next(system.training_step(dataclasses.replace(faces, emotion=torch.full((14,), -1)), Clock(0, 1)))


def test_weights_are_at_most_4_megabytes_in_half_precision(kind):
    for profile in ("laptop", "gpu"):
        state = kind(kind.presets[profile]).state_dict().values()
        assert sum(2 * value.numel() for value in state) <= 4e6


def test_images_may_have_any_size_and_colour(predictor):
    grey = torch.rand(3, 1, 64, 64) * 2 - 1
    predicted = predictor.predict(grey)
    assert predicted.shape[0] == 3
    assert torch.isfinite(predicted).all()
    torch.testing.assert_close(predictor.predict(grey.expand(-1, 3, -1, -1)), predicted, rtol=1e-3, atol=1e-4)
    size = predictor.preset.size
    assert predictor.prepare(grey).shape == (3, predictor.input_channels, size, size)


def test_a_prediction_does_not_depend_on_the_batch(predictor, drawn):
    images = drawn.faces(range(10)).images
    torch.testing.assert_close(predictor.predict(images, batch=3), predictor.predict(images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(predictor.predict(images[4:5])[0], predictor.predict(images)[4], rtol=1e-4, atol=1e-5)


def test_predicting_does_not_change_the_system(predictor, drawn):
    predictor.train()
    before = {name: value.clone() for name, value in predictor.state_dict().items()}
    predicted = predictor.predict(drawn.faces(range(4)).images)
    assert predictor.training
    assert not predicted.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in predictor.state_dict().items())


def test_predictions_are_equivariant_under_mirroring(predictor, drawn):
    images = drawn.faces(range(4)).images
    predicted, mirrored = predictor.predict(images), predictor.predict(images.flip(-1))
    if predictor.name == "action_units":
        mirrored = mirrored[:, mirrored_columns()]
    torch.testing.assert_close(mirrored, predicted, rtol=1e-3, atol=1e-4)


def test_predictions_are_differentiable_in_the_image(predictor, drawn):
    images = drawn.faces([0]).images.requires_grad_()
    predictor.eval()(images).square().sum().backward()
    assert images.grad.abs().sum() > 0


def test_loaded_weights_give_the_same_predictions(predictor, drawn, tmp_path):
    card = WeightsCard(
        system=predictor.name,
        profile="smoke",
        preset=dataclasses.asdict(predictor.preset),
        channels=3,
        data={},
        steps=0,
    )
    save_weights(tmp_path / "predictor.safetensors", predictor.state_dict(), card)
    images = drawn.faces(range(4)).images
    loaded = load_system(tmp_path / "predictor.safetensors")
    torch.testing.assert_close(loaded.predict(images), predictor.predict(images), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", ["emotion_cnn", "emotion_resnet", "action_units"])
def test_predictors_of_grey_images_are_invariant_to_brightness_and_contrast(name):
    kind = system_class(name)
    torch.manual_seed(0)
    predictor = kind(kind.presets["smoke"])
    images = torch.rand(2, 1, 48, 48) * 2 - 1
    torch.testing.assert_close(predictor.predict(0.4 * images - 0.3), predictor.predict(images), rtol=1e-3, atol=1e-4)


def test_predictions_for_sequences_are_frame_by_frame(predictor):
    class Sequences:
        def __len__(self):
            return 3

        def faces(self, indices):
            return Faces(torch.rand(len(indices), 2, 1, 48, 48))

    shapes = [(predicted.shape[0], len(faces)) for predicted, faces in predictor.predictions(Sequences(), batch=2)]
    assert shapes == [(4, 4), (2, 2)]


def test_embeddings_have_unit_length(drawn):
    kind = system_class("identity")
    embedded = kind(kind.presets["smoke"]).embed(drawn.faces(range(5)).images)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(5))


def test_the_encoding_of_p1_is_the_penultimate_layer(drawn):
    kind = system_class("emotion_cnn")
    system = kind(kind.presets["smoke"]).eval()
    images = drawn.faces(range(3)).images
    encoding = system.features(images)
    assert encoding.shape == (3, 128)
    torch.testing.assert_close(F.linear(encoding, system.head.weight, system.head.bias), system(images))


def test_the_classification_loss_is_small_for_the_present_expression_at_any_size_and_colour():
    classifier = load_system("emotion_cnn-synthetic")
    faces = SyntheticFaces("test", people=16, faces_per_person=1, size=classifier.preset.size).faces(range(16))
    present, other = faces.expression.only("emotion"), Expression.from_labels((faces.emotion + 1) % 7)
    for images in (faces.images, faces.resized(40).gray().images):
        torch.manual_seed(0)
        images.requires_grad_()
        low, high = (classifier.classification_loss(images, target) for target in (present, other))
        assert low < 0.5 * high
        assert torch.autograd.grad(high, images)[0].abs().max() > 0
