"""G15, fine-tuned against a discriminator: how it starts, what its losses compare, and what its weights contain."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from facekit.datasets.base import open_dataset
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.editors.adversarial_editor import AdversarialEditor
from facekit.models.editors.diffusion_editor import DiffusionEditor
from facekit.models.judges.action_units import ActionUnitNet
from facekit.models.judges.emotion_cnn import EmotionCNN
from facekit.models.system import CannotTrain, Clock

ONLY_RECOVERY = dict.fromkeys(("adversarial", "adversarial_features", "action_units", "features", "distillation"), 0.0)
SMALL = {"size": 48, "widths": (16, 24), "attention": (False, False), "condition": 16}


@pytest.fixture(scope="module")
def teacher():
    """An editor with random weights instead of a trained one."""
    torch.manual_seed(0)
    preset = dataclasses.replace(DiffusionEditor.presets["smoke"], **SMALL, self_training_from=None, label_guidance=1.0)
    system = DiffusionEditor(preset)
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
        unet = system.denoiser.unet  # like a trained editor, it ignores pure noise
        unet.stem.weight[:, : 3 * preset.factor**2] = 0
        unet.through.weight[0], unet.through.bias[0] = 0, 0
    return system.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def estimator():
    torch.manual_seed(0)
    system = ActionUnitNet(ActionUnitNet.presets["smoke"])
    torch.nn.init.normal_(system.head.weight, std=0.1)
    return system.eval().requires_grad_(False)


@pytest.fixture
def editor(teacher, estimator):
    def build(**fields):
        preset = dataclasses.replace(AdversarialEditor.presets["smoke"], **SMALL | {"discriminator_alone": 0} | fields)
        torch.manual_seed(0)
        system = AdversarialEditor(preset)
        system._guidance |= {"teacher": teacher, "estimator": estimator}
        return system

    return build


def run_step(system, faces, step=0, total=100, learn=True):
    """Losses of one training step by optimiser, and its scalars."""
    optimisers, losses, scalars = system.optimisers(), {}, {}
    for name, loss, values in system.training_step(faces, Clock(step, total)):
        losses[name] = loss.item()
        scalars |= {key: value.item() for key, value in values.items()}
        if learn:
            optimisers[name].zero_grad()
            loss.backward(inputs=[p for g in optimisers[name].param_groups for p in g["params"]])
            optimisers[name].step()
    return losses, scalars


def test_it_starts_as_a_copy_of_the_teacher(editor, teacher, drawn):
    system, faces = editor(), drawn.faces(range(4))
    run_step(system, faces, learn=False)
    target = Expression.of("happy")
    torch.testing.assert_close(system.edit(faces, target, seed=3), teacher.edit(faces, target, seed=3))


def test_at_twice_the_size_it_starts_as_the_teacher_on_reduced_images(editor, teacher, drawn):
    system, small = editor(size=96, factor=4), drawn.faces(range(4))
    images = small.images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    large = dataclasses.replace(small, images=images, landmarks=None, mask=None)
    run_step(system, large, learn=False)
    target = Expression.of("surprise")
    reduced = F.avg_pool2d(system.edit(large, target), 2)
    torch.testing.assert_close(reduced, teacher.edit(small, target), atol=0.01, rtol=0)


def test_an_editor_of_another_architecture_starts_from_random_weights(editor, teacher, drawn):
    system, faces = editor(widths=(8, 16)), drawn.faces(range(4))
    before = system.denoiser.unet.stem.weight.clone()
    with pytest.warns(UserWarning, match="starts from random weights"):
        run_step(system, faces, learn=False)
    assert torch.equal(system.denoiser.unet.stem.weight, before)


def test_the_discriminator_learns_to_separate_edits_from_real_faces(editor, teacher, drawn):
    system, faces = editor(), drawn.faces(range(28))
    optimiser = system.optimisers()["discriminators"]
    losses = []
    for step in range(15):
        torch.manual_seed(step)
        _, loss, _ = next(system.training_step(faces, Clock(step, 100)))
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward(inputs=optimiser.param_groups[0]["params"])
        optimiser.step()
    assert losses[-1] < 0.7 * losses[0]


def test_the_generator_learns_to_recover_faces(editor, teacher, drawn):
    system = editor(**ONLY_RECOVERY, learning_rate=5e-3)
    faces = drawn.faces(range(28))
    optimiser, errors = system.optimisers()["generator"], []
    for step in range(12):
        torch.manual_seed(0)
        [(_, loss, scalars)] = system.training_step(faces, Clock(step, 100))
        errors.append(scalars["generator/squared"].item())
        optimiser.zero_grad()
        loss.backward(inputs=list(system.denoiser.parameters()))
        optimiser.step()
    assert errors[-1] < 0.8 * errors[0]


def test_with_ground_truth_it_learns_the_last_frame_from_the_first(editor):
    system = editor(**ONLY_RECOVERY | {"absolute": 0.0, "squared": 1.0})
    triples = open_dataset("synthetic_transfers", people=4, faces_per_person=2, size=48).faces(range(8))
    face, _, truth = triples.images.unbind(1)

    def error(**changed):
        torch.manual_seed(0)
        _, scalars = run_step(system, dataclasses.replace(triples, **changed), step=60, learn=False)
        return scalars["generator/squared"]

    wanted = system.label(Expression(action_units=triples.action_units[:, 2]))
    torch.manual_seed(0)
    torch.randperm(8)
    expected = F.mse_loss(system._one_step(system.denoiser, face, wanted), truth).item()
    assert error() == pytest.approx(expected, rel=1e-4)
    noise = torch.rand_like(face)
    assert error(images=torch.stack([face, noise, truth], 1)) == error()
    assert error(images=torch.stack([noise, face, truth], 1)) != pytest.approx(error(), rel=0.1)


@pytest.mark.parametrize("local", [0.0, 1.0])
def test_with_ground_truth_discriminators_can_see_the_input_beside_the_edit(editor, drawn, local):
    """Their gradients at the true edits, which R1 penalises, then depend on the faces that were edited."""
    triples = open_dataset("synthetic_transfers", people=4, faces_per_person=2, size=48).faces(range(8))
    face, between, truth = triples.images.unbind(1)

    def penalties(system, first):
        torch.manual_seed(0)
        images = torch.stack([first, between, truth], 1)
        _, scalars = run_step(system, dataclasses.replace(triples, images=images), step=16, learn=False)
        return torch.tensor([value for name, value in scalars.items() if "penalty" in name])

    seeing, blind = (editor(local=local, local_layers=2, r1=1.0, sees_input=sees) for sees in (True, False))
    own, others = penalties(seeing, face), penalties(seeing, face.roll(2, 0))
    assert len(own) == (3 if local else 1)
    assert ((own - others).abs() > 1e-3 * own).all()
    assert torch.equal(penalties(blind, face), penalties(blind, face.roll(2, 0)))
    with pytest.raises(CannotTrain, match="needs faces with ground truth"):
        run_step(seeing, drawn.faces(range(8)), learn=False)


def test_distillation_compares_edits_with_the_teachers_and_fades(editor, teacher, drawn):
    faces = drawn.faces(range(8))
    _, at_start = run_step(editor(), faces, learn=False)
    assert at_start["generator/distillation"] < 0.01  # a copy
    system = editor(widths=(8, 16))
    with pytest.warns(UserWarning, match="starts from random weights"):
        run_step(system, faces, learn=False)
    weights = []
    for step in (1, 26, 50):
        torch.manual_seed(1)
        weights.append(run_step(system, faces, step, learn=False)[1].get("generator/distillation"))
    assert weights[1] == pytest.approx(0.48 / 0.98 * weights[0], rel=0.05)
    assert weights[2] is None


def test_the_discriminators_first_learn_alone(editor, drawn):
    system, faces = editor(discriminator_alone=2), drawn.faces(range(8))
    before = system.denoiser.unet.stem.weight.clone()
    assert set(run_step(system, faces, 0)[0]) == set(run_step(system, faces, 1)[0]) == {"discriminators"}
    assert not torch.equal(system.denoiser.unet.stem.weight, before)  # the teacher's
    before = system.denoiser.unet.stem.weight.clone()
    run_step(system, faces, 1)
    assert torch.equal(system.denoiser.unet.stem.weight, before)
    assert set(run_step(system, faces, 2)[0]) == {"discriminators", "generator"}
    assert not torch.equal(system.denoiser.unet.stem.weight, before)


def test_edits_learn_the_action_units_that_the_estimator_finds_in_real_faces(editor, drawn):
    system = editor(**ONLY_RECOVERY | {"action_units": 1.0, "absolute": 0.0, "squared": 0.0}, learning_rate=5e-3)
    faces = drawn.faces(range(28))
    optimiser, errors = system.optimisers()["generator"], []
    for step in range(20):
        torch.manual_seed(0)
        [(_, loss, scalars)] = system.training_step(faces, Clock(step, 100))
        errors.append(scalars["generator/action_units"].item())
        optimiser.zero_grad()
        loss.backward(inputs=list(system.denoiser.parameters()))
        optimiser.step()
    assert errors[-1] < 0.9 * errors[0]


def test_a_classifier_can_take_the_estimators_place_for_photographs(editor, drawn):
    classifier = EmotionCNN(EmotionCNN.presets["smoke"], channels=1).eval().requires_grad_(False)
    system = editor(estimator=None, classifier="a classifier", classification=2.0)
    system._guidance["classifier"] = classifier
    faces = drawn.faces(range(8))
    photographs = Faces(faces.images, emotion=faces.emotion)  # labelled with emotions alone
    _, scalars = run_step(system, photographs, learn=False)
    assert len(system.feature_discriminator.heads) == len(classifier.preset.widths)
    assert scalars["generator/classification"] > 0.5
    assert "generator/action_units" not in scalars
    with pytest.raises(CannotTrain, match="name the weights of an emotion classifier"):
        run_step(editor(), photographs)
    with pytest.raises(CannotTrain, match="--start-from"):
        run_step(editor(teacher=None), faces)
    with pytest.raises(ValueError, match="needs an estimator of action units, a classifier of emotions, or both"):
        editor(estimator=None)


def test_the_second_discriminator_can_see_the_features_of_two_networks(editor, estimator):
    system = editor(classifier="a classifier")
    system._guidance["classifier"] = classifier = EmotionCNN(EmotionCNN.presets["smoke"]).requires_grad_(False)
    system.optimisers()
    assert len(system.feature_discriminator.heads) == len(classifier.preset.widths) + len(estimator.preset.widths)


def test_discriminators_of_the_eyes_and_of_the_mouth_see_nothing_else(editor, drawn):
    system, faces = editor(local=0.5, local_layers=2), drawn.faces(range(4))
    losses, scalars = run_step(system, faces)
    whole, eyes, mouth = (scalars[f"discriminators/adversarial{name}"] for name in ("", "_eyes", "_mouth"))
    assert losses["discriminators"] == pytest.approx(
        whole + eyes + mouth + scalars["discriminators/features"] + sum(v for k, v in scalars.items() if "penalty" in k)
    )
    images = faces.images.clone().requires_grad_()
    views = list(system._judged(None))
    sum(seen(images).sum() for _, _, _, seen in views[1:]).backward()
    landmarks = ((faces.landmarks + 1) * 24).long().clamp(0, 47)
    rows, columns = landmarks[:, [37, 44, 57], 1], landmarks[:, [37, 44, 57], 0]  # both upper lids, the lower lip
    assert (images.grad[torch.arange(4)[:, None], 0, rows, columns] == 1).all()
    assert 0.1 < images.grad.mean() < 0.5
    assert [weight for _, weight, _, _ in views] == [1.0, 0.5, 0.5]
    assert not editor()._boxes


def test_weights_contain_neither_the_discriminators_nor_the_average(editor):
    system = editor()
    system.optimisers()
    assert {name.partition(".")[0] for name in system.weights()} == {"denoiser"}
