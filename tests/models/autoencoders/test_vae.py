"""The unconditional VAE and the conditional one."""

import dataclasses
import itertools

import pytest
import torch

from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.layers.codes import CodeClassifier
from facekit.models.load import load_system
from facekit.models.system import CannotTrain, Clock, system_class
from facekit.weights.store import WeightsCard, save_weights

SYSTEMS = ("vae", "conditional_vae")


def build(name, **fields):
    torch.manual_seed(0)
    kind = system_class(name)
    return kind(dataclasses.replace(kind.presets["smoke"], **fields))


def train(system, faces, steps):
    """Train on a fixed batch; returns the losses of encoder and decoder."""
    optimisers, losses = system.optimisers(), []
    system.train()
    for step in range(steps):
        for name, loss, scalars in system.training_step(faces, Clock(step, steps)):
            optimisers[name].zero_grad()
            loss.backward()
            optimisers[name].step()
            if name != "classifier":
                bound = scalars["mse"] + system.preset.beta * scalars["kl"]
                assert "adversary" in scalars or bound == pytest.approx(loss.item(), rel=1e-4)
                losses.append(loss.item())
    return losses


@pytest.fixture(scope="module")
def faces(drawn):
    return drawn.faces(range(28))  # four people, each with the seven emotions


@pytest.fixture(scope="module", params=SYSTEMS)
def trained(request, faces):
    system = build(request.param)
    losses = train(system, faces, 100)
    assert losses[-1] < 0.5 * losses[0]
    return system


@pytest.fixture(scope="module")
def editor(faces):
    """A conditional VAE trained on a few faces, with a large beta, so that codes are small and the label is needed."""
    system = build("conditional_vae", beta=1e-3, detail=False)
    train(system, faces, 120)
    return system


# ------------------------------------------------------------------------------------------------------ both VAEs


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("profile", ["smoke", "laptop", "gpu", "paper"])
def test_every_preset_encodes_and_decodes_with_the_right_shapes(name, profile):
    kind = system_class(name)
    system = kind(kind.presets[profile], channels=1)
    images = torch.rand(2, 1, system.preset.size, system.preset.size)
    labels = torch.zeros(2, system.labels)
    mu, logvar = system.posterior(images, labels)
    assert mu.shape == logvar.shape == (2, system.preset.latent)
    assert system.decode_with_labels(mu, labels).shape == images.shape


@pytest.mark.parametrize("name", SYSTEMS)
def test_weights_take_less_than_4_megabytes(name):
    kind = system_class(name)
    for profile in ("laptop", "gpu"):
        state = kind(kind.presets[profile]).weights().values()
        assert sum(2 * value.numel() for value in state) <= 3.95e6


def test_reconstructions_are_nearest_to_faces_of_the_same_person(trained, faces):
    reconstructed = trained.reconstruct(faces.images)
    errors = torch.cdist(reconstructed.flatten(1), faces.images.flatten(1))
    assert (errors.argmin(1) // 7 == torch.arange(28) // 7).float().mean() > 0.7


def test_reconstruction_changes_neither_mode_nor_state(trained, faces):
    trained.train()
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    reconstructed = trained.reconstruct(faces.images[:4])
    assert trained.training
    assert not reconstructed.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_a_code_does_not_depend_on_the_batch(trained, faces):
    codes = trained.encode(faces.images)
    torch.testing.assert_close(trained.encode(faces.images[5:6])[0], codes[5], rtol=1e-3, atol=1e-4)


def test_evaluation_reports_consistent_metrics(trained, drawn):
    metrics = trained.evaluate(drawn)
    assert metrics["psnr"] == pytest.approx(10 * torch.tensor(4 / metrics["mse"]).log10().item(), abs=1.5)
    assert metrics["kl"] > 0
    assert 0 < metrics["active"] <= trained.preset.latent


def test_loaded_weights_give_the_same_reconstructions(trained, faces, tmp_path):
    card = WeightsCard(
        system=trained.name, profile="smoke", preset=dataclasses.asdict(trained.preset), channels=3, data={}, steps=0
    )
    save_weights(tmp_path / "vae.safetensors", trained.weights(), card)
    loaded = load_system(tmp_path / "vae.safetensors")
    torch.testing.assert_close(
        loaded.reconstruct(faces.images[:4]), trained.reconstruct(faces.images[:4]), rtol=0.05, atol=0.05
    )


@pytest.mark.parametrize("name", SYSTEMS)
def test_images_of_a_wrong_size_raise_with_advice(name):
    system = build(name)
    with pytest.raises(ValueError, match=r"resized\(48\)"):
        system.encode(torch.zeros(2, 3, 64, 64))
    with pytest.raises(ValueError, match="size is 40; it must be a multiple of 16, such as 32 or 48"):
        build(name, size=40)


# --------------------------------------------------------------------------------------------- unconditional VAE


def test_an_interpolation_starts_and_ends_with_the_reconstructions(faces):
    vae = build("vae").eval()
    frames = vae.interpolate(faces.images[:3], faces.images[7:10], frames=5)
    assert frames.shape == (3, 5, 3, 48, 48)
    torch.testing.assert_close(frames[:, 0], vae.reconstruct(faces.images[:3]), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(frames[:, -1], vae.reconstruct(faces.images[7:10]), rtol=1e-3, atol=1e-4)


def test_a_sample_depends_only_on_its_own_seed():
    vae = build("vae").eval()
    torch.testing.assert_close(vae.sample([3, 5])[1], vae.sample(5)[0], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(vae.sample(3), vae.sample(5))


# ----------------------------------------------------------------------------------------------- conditional VAE


def test_the_label_of_an_intensity_is_a_blend_with_neutral():
    label = build("conditional_vae").label(Expression.of(["happy", "neutral"], [0.25, 1.0]))
    assert label[0].tolist() == pytest.approx([0, 0, 0, 0.25, 0, 0, 0.75])
    assert label[1].tolist() == [0, 0, 0, 0, 0, 0, 1]


def test_an_emotion_outside_the_preset_raises():
    seven = build("conditional_vae")
    with pytest.raises(UnsupportedExpression, match="not on contempt"):
        seven.label(Expression.blend({"happy": 1, "contempt": 1}))
    assert build("conditional_vae", emotions=EMOTIONS).label(Expression.of("contempt"))[0].argmax() == 7


def test_action_units_raise_as_target_and_as_source(faces):
    with pytest.raises(UnsupportedExpression, match="action_units"):
        build("conditional_vae").edit(faces[:1], Expression.from_action_units({12: 1}))
    with pytest.raises(UnsupportedExpression, match="needs an emotion"):
        build("conditional_vae").edit(faces[:1], Expression.of("happy"), source=Expression.from_action_units({12: 1}))


def test_training_ignores_unlabelled_faces_and_raises_without_labelled_ones(faces):
    system = build("conditional_vae").eval()
    partly_labelled = dataclasses.replace(faces, emotion=torch.where(torch.arange(28) % 2 == 0, faces.emotion, -1))
    images, labels = system.images_and_labels(partly_labelled)
    torch.testing.assert_close(images, faces.images[::2])
    torch.testing.assert_close(labels, system.label(faces[::2].expression))
    for unlabelled in (torch.full((28,), -1), None):
        with pytest.raises(CannotTrain, match="labelled faces"):
            system.images_and_labels(dataclasses.replace(faces, emotion=unlabelled))


def bars(shades, emotions):
    """Toy faces of 16 x 16 pixels: the identity is the shade of the background, the emotion the height of a bar."""
    images = shades[:, None, None, None].expand(-1, 1, 16, 16).clone()
    for image, emotion in zip(images, emotions.tolist(), strict=True):
        image[:, 2 * emotion : 2 * emotion + 2] = 1
    return Faces(images, emotion=emotions)


def test_edits_of_toy_faces_are_close_to_the_ground_truth():
    shades, emotions = torch.linspace(-1, 0.5, 8).repeat_interleave(7), torch.arange(7).repeat(8)
    torch.manual_seed(0)
    kind = system_class("conditional_vae")
    fields = {"size": 16, "widths": (16, 32), "latent": 4, "beta": 1e-2}
    system = kind(dataclasses.replace(kind.presets["smoke"], **fields), channels=1)
    train(system, bars(shades, emotions), 300)
    unseen = bars(shades[::7] + 0.1, torch.arange(8) % 7)  # shades between those of the training set
    for emotion in (0, 3, 6):
        target = Expression.from_labels(torch.tensor([emotion]))
        ground_truth = bars(shades[::7] + 0.1, torch.full((8,), emotion)).images
        edited = system.edit(unseen, target, source=unseen.expression)
        assert (edited - ground_truth).square().mean() < 0.3 * (unseen.images - ground_truth).square().mean()


def test_half_the_intensity_changes_the_face_by_an_intermediate_amount(editor, faces):
    neutral_faces, source = faces[faces.emotion == EMOTIONS.index("neutral")], Expression.neutral()
    edits = [editor.edit(neutral_faces, Expression.of("surprise", level), source=source) for level in (0.5, 1.0)]
    unchanged = editor.edit(neutral_faces, source, source=source)
    half, full = ((edited - unchanged).square().mean((1, 2, 3)).sqrt() for edited in edits)
    assert (half > 0.15 * full).all()
    assert (half < 0.85 * full).all()


def test_with_detail_an_edit_adds_the_change_of_the_decoded_image_to_the_face(editor, faces):
    source = faces.expression.only("emotion", "intensity")
    with_detail = build("conditional_vae", beta=1e-3, detail=True)
    with_detail.load_state_dict(editor.state_dict())
    torch.testing.assert_close(with_detail.edit(faces, source, source=source), faces.images, rtol=0, atol=1e-5)
    sad = Expression.of("sad")
    change = editor.edit(faces, sad, source=source) - editor.reconstruct(faces.images, source)
    expected = (faces.images + change).clamp(-1, 1)
    torch.testing.assert_close(with_detail.edit(faces, sad, source=source), expected, rtol=0, atol=1e-5)


def test_a_missing_source_expression_is_estimated(editor, faces):
    estimated = editor.estimate(faces.images)
    accuracy = (estimated.emotion.argmax(1) == faces.emotion).float().mean()
    assert accuracy > 0.5  # 1 / 7 by chance
    target = Expression.of("happy")
    torch.testing.assert_close(editor.edit(faces, target), editor.edit(faces, target, source=estimated))


def test_an_expression_over_time_is_edited_frame_by_frame(editor, faces):
    path = Expression.path([Expression.neutral(), Expression.of("happy")], frames=4)
    source = faces[:2].expression.only("emotion", "intensity")
    edited = editor.edit(faces[:2], path, source=source)
    assert edited.shape == (2, 4, 3, 48, 48)
    for t in range(4):
        frame = editor.edit(faces[:2], path.at(t), source=source)
        torch.testing.assert_close(edited[:, t], frame, rtol=1e-3, atol=1e-4)


def test_an_edit_does_not_depend_on_batch_or_seed(editor, faces):
    target = Expression.of(["sad", "fear", "happy"])
    batch = editor.edit(faces[:3], target, seed=1)
    torch.testing.assert_close(editor.edit(faces[1:2], target[1], seed=2), batch[1:2], rtol=1e-3, atol=1e-4)


def test_samples_with_the_same_seed_share_an_identity_code(editor):
    expressions = Expression.of(["happy", "sad"])
    samples = editor.sample(expressions, seed=4)
    torch.testing.assert_close(editor.sample(expressions[1], seed=[4]), samples[1:], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(editor.sample(expressions, seed=[4, 5])[1], samples[1])


def test_an_interpolation_between_identities_has_one_expression(editor, faces):
    expression = Expression.of("happy")
    frames = editor.interpolate(faces.images[:2], faces.images[7:9], 3, expression)
    assert frames.shape == (2, 3, 3, 48, 48)
    codes = editor.encode(faces.images[:2])
    torch.testing.assert_close(frames[:, 0], editor.decode(codes, expression), rtol=1e-3, atol=1e-4)


# ----------------------------------------------------------------------- removing the label from codes, self-training


def test_the_adversary_removes_label_information_from_codes(faces):
    labels = torch.eye(7)[faces.emotion]

    def probe_loss(adversary: float) -> float:
        """Loss of a probe, a classifier of the label that is trained on codes for too few steps to memorise them."""
        system = build("conditional_vae", erase=False, beta=1e-6, adversary=adversary, latent=8)
        train(system, faces, 100)
        codes = system.posterior(faces.images, labels)[0]
        probe = CodeClassifier(8, 7)
        optimiser = torch.optim.Adam(probe.parameters(), 1e-2)
        for _ in range(20):
            loss = torch.nn.functional.cross_entropy(probe(codes / codes.std(0)), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return loss.item()

    assert probe_loss(1.0) > probe_loss(1e-6) + 0.3


def test_self_training_starts_on_time_with_a_fixed_teacher(faces):
    system = build("conditional_vae", self_training_from=0.5)
    optimisers, inputs, teachers = system.optimisers(), [], []
    system.encoder.register_forward_pre_hook(lambda _, args: inputs.append(args) if system.training else None)
    system.train()
    for step in range(4):
        for name, loss, _ in system.training_step(faces, Clock(step, 4)):
            optimisers[name].zero_grad()
            loss.backward()
            optimisers[name].step()
        teachers.append({name: value.clone() for name, value in system.teacher.state_dict().items()})

    labels = system.label(faces.expression)
    for images, input_labels in inputs[:2]:
        assert torch.equal(images, faces.images)
        assert torch.equal(input_labels, labels)
    for images, input_labels in inputs[2:]:  # the first half are the teacher's edits, with their target labels
        edited = system.teacher.propose(faces.images[:14], labels[:14], input_labels[:14])[1]
        torch.testing.assert_close(images[:14], edited)
        assert not torch.allclose(input_labels[:14], labels[:14])
        assert torch.equal(images[14:], faces.images[14:])
        assert torch.equal(input_labels[14:], labels[14:])
    changed = [any(not torch.equal(a[k], b[k]) for k in a) for a, b in itertools.pairwise(teachers)]
    assert changed == [True, False, False]
    assert not any(parameter.requires_grad for parameter in system.teacher.parameters())


def test_self_training_makes_edits_follow_the_label():
    """With codes large enough for shade and emotion, edits without self-training change little."""
    shades, emotions = torch.linspace(-1, 0.5, 8).repeat_interleave(7), torch.arange(7).repeat(8)
    faces, ground_truth = bars(shades, emotions), bars(shades, (emotions + 2) % 7).images
    target = Expression.from_labels((emotions + 2) % 7)

    def error(self_training_from: float | None) -> float:
        torch.manual_seed(0)
        kind = system_class("conditional_vae")
        fields = {"size": 16, "widths": (16, 32), "latent": 16, "beta": 1e-5, "erase": False}
        preset = dataclasses.replace(kind.presets["smoke"], **fields, self_training_from=self_training_from)
        system = kind(preset, channels=1)
        train(system, faces, 300)
        return (system.edit(faces, target, source=faces.expression) - ground_truth).square().mean().item()

    assert error(0.5) < 0.8 * error(None)


def test_adversary_and_teacher_are_not_saved_with_the_weights(tmp_path, faces):
    system = build("conditional_vae", adversary=0.1, self_training_from=0.5)
    card = WeightsCard(system.name, "smoke", dataclasses.asdict(system.preset), channels=3, data={}, steps=0)
    training_only = ("classifier.", "teacher.")
    assert {name.partition(".")[0] + "." for name in system.state_dict()} >= set(training_only)
    assert not any(name.startswith(training_only) for name in system.weights())
    save_weights(tmp_path / "vae.safetensors", system.weights(), card, half=False)
    loaded = load_system(tmp_path / "vae.safetensors")
    torch.testing.assert_close(loaded.reconstruct(faces.images[:2]), system.reconstruct(faces.images[:2]))
