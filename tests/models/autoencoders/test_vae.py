"""The label-free VAE and the conditional one."""

import dataclasses
import itertools

import pytest
import torch

from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.layers.codes import CodeClassifier
from facekit.models.load import load_system
from facekit.models.system import Clock, system_class
from facekit.weights.store import WeightsCard, save_weights

SYSTEMS = ("vae", "conditional_vae")


def build(name, **fields):
    torch.manual_seed(0)
    kind = system_class(name)
    return kind(dataclasses.replace(kind.presets["smoke"], **fields))


def train(system, faces, steps):
    """Train on a fixed batch; returns the losses."""
    optimisers, losses = system.optimisers(), []
    system.train()
    for step in range(steps):
        for name, loss, told in system.training_step(faces, Clock(step, steps)):
            optimisers[name].zero_grad()
            loss.backward()
            optimisers[name].step()
            if name != "classifier":
                bound = told["mse"] + system.preset.beta * told["kl"]
                assert "told" in told or bound == pytest.approx(loss.item(), rel=1e-4)
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
    """A conditional VAE that has learned a few faces: a narrow code, so that the label is needed."""
    system = build("conditional_vae", beta=1e-3, detail=False)
    train(system, faces, 120)
    return system


# -------------------------------------------------------------------------------------------------- both of them


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("profile", ["smoke", "laptop", "gpu", "paper"])
def test_every_preset_goes_through_the_code_and_back(name, profile):
    kind = system_class(name)
    system = kind(kind.presets[profile], channels=1)
    images = torch.rand(2, 1, system.preset.size, system.preset.size)
    labels = torch.zeros(2, system.labels)
    mu, logvar = system.posterior(images, labels)
    assert mu.shape == logvar.shape == (2, system.preset.latent)
    assert system.decoded(mu, labels).shape == images.shape


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_ships_is_small(name):
    kind = system_class(name)
    for profile in ("laptop", "gpu"):
        state = kind(kind.presets[profile]).weights().values()
        assert sum(2 * value.numel() for value in state) <= 3.95e6


def test_reconstructions_are_nearer_than_other_faces(trained, faces):
    shown = trained.reconstruct(faces.images)
    errors = torch.cdist(shown.flatten(1), faces.images.flatten(1))
    assert (errors.argmin(1) // 7 == torch.arange(28) // 7).float().mean() > 0.7  # of the same person


def test_using_it_leaves_it_as_it_was(trained, faces):
    trained.train()
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    shown = trained.reconstruct(faces.images[:4])
    assert trained.training
    assert not shown.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_a_code_does_not_depend_on_the_batch(trained, faces):
    codes = trained.encode(faces.images)
    torch.testing.assert_close(trained.encode(faces.images[5:6])[0], codes[5], rtol=1e-3, atol=1e-4)


def test_evaluation_says_how_much_is_lost(trained, drawn):
    measured = trained.evaluate(drawn)
    assert measured["psnr"] == pytest.approx(10 * torch.tensor(4 / measured["mse"]).log10().item(), abs=1.5)
    assert measured["kl"] > 0
    assert 0 < measured["active"] <= trained.preset.latent


def test_weights_come_back_from_disk(trained, faces, tmp_path):
    card = WeightsCard(
        system=trained.name, profile="smoke", preset=dataclasses.asdict(trained.preset), channels=3, data={}, steps=0
    )
    save_weights(tmp_path / "vae.safetensors", trained.weights(), card)
    again = load_system(tmp_path / "vae.safetensors")
    torch.testing.assert_close(
        again.reconstruct(faces.images[:4]), trained.reconstruct(faces.images[:4]), rtol=0.05, atol=0.05
    )


@pytest.mark.parametrize("name", SYSTEMS)
def test_pictures_that_do_not_fit_are_refused_with_advice(name):
    system = build(name)
    with pytest.raises(ValueError, match=r"resized\(48\)"):
        system.encode(torch.zeros(2, 3, 64, 64))
    with pytest.raises(ValueError, match="cannot be made 16 times smaller"):
        build(name, size=40)


# ------------------------------------------------------------------------------------------------- without label


def test_a_way_between_people_begins_and_ends_with_them(faces):
    vae = build("vae").eval()
    ways = vae.interpolate(faces.images[:3], faces.images[7:10], frames=5)
    assert ways.shape == (3, 5, 3, 48, 48)
    torch.testing.assert_close(ways[:, 0], vae.reconstruct(faces.images[:3]), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ways[:, -1], vae.reconstruct(faces.images[7:10]), rtol=1e-3, atol=1e-4)


def test_a_sample_belongs_to_its_seed():
    vae = build("vae").eval()
    torch.testing.assert_close(vae.sample([3, 5])[1], vae.sample(5)[0], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(vae.sample(3), vae.sample(5))


# --------------------------------------------------------------------------------------------------- conditional


def test_the_label_is_a_blend_with_intensity_as_a_share_of_neutral():
    label = build("conditional_vae").label(Expression.of(["happy", "neutral"], [0.25, 1.0]))
    assert label[0].tolist() == pytest.approx([0, 0, 0, 0.25, 0, 0, 0.75])
    assert label[1].tolist() == [0, 0, 0, 0, 0, 0, 1]


def test_an_emotion_that_was_not_learned_is_refused():
    seven = build("conditional_vae")
    with pytest.raises(UnsupportedExpression, match="asked for contempt"):
        seven.label(Expression.blend({"happy": 1, "contempt": 1}))
    assert build("conditional_vae", emotions=EMOTIONS).label(Expression.of("contempt"))[0].argmax() == 7


def test_other_parts_of_an_expression_are_refused(faces):
    with pytest.raises(UnsupportedExpression, match="action_units"):
        build("conditional_vae").edit(faces[:1], Expression.from_action_units({12: 1}))
    with pytest.raises(UnsupportedExpression, match="needs an emotion"):
        build("conditional_vae").edit(faces[:1], Expression.of("happy"), source=Expression.from_action_units({12: 1}))


def test_it_learns_from_labelled_faces_alone(faces):
    system = build("conditional_vae").eval()  # running statistics: each face for itself
    some = dataclasses.replace(faces, emotion=torch.where(torch.arange(28) % 2 == 0, faces.emotion, -1))
    images, labels = system.examples(some)
    torch.testing.assert_close(images, faces.images[::2])
    torch.testing.assert_close(labels, system.label(faces[::2].expression))
    for none in (torch.full((28,), -1), None):
        with pytest.raises(ValueError, match="labelled faces"):
            system.examples(dataclasses.replace(faces, emotion=none))


def bars(shades, emotions):
    """Pictures of a shade each, 16 x 16, with a bright bar as high up as the emotion's place in the list."""
    images = shades[:, None, None, None].expand(-1, 1, 16, 16).clone()
    for image, emotion in zip(images, emotions.tolist(), strict=True):
        image[:, 2 * emotion : 2 * emotion + 2] = 1
    return Faces(images, emotion=emotions)


def test_an_edit_keeps_who_it_is_and_changes_what_it_shows():
    shades, emotions = torch.linspace(-1, 0.5, 8).repeat_interleave(7), torch.arange(7).repeat(8)
    torch.manual_seed(0)
    kind = system_class("conditional_vae")
    fields = {"size": 16, "widths": (16, 32), "latent": 4, "beta": 1e-2}
    system = kind(dataclasses.replace(kind.presets["smoke"], **fields), channels=1)
    train(system, bars(shades, emotions), 300)
    unseen = bars(shades[::7] + 0.1, torch.arange(8) % 7)  # shades between those that it knows
    for emotion in (0, 3, 6):
        asked = Expression.from_labels(torch.tensor([emotion]))
        truth = bars(shades[::7] + 0.1, torch.full((8,), emotion)).images
        edited = system.edit(unseen, asked, source=unseen.expression)
        assert (edited - truth).square().mean() < 0.3 * (unseen.images - truth).square().mean()


def test_intensity_moves_the_edit_all_the_way(editor, faces):
    rest, own = faces[faces.emotion == EMOTIONS.index("neutral")], Expression.neutral()
    half, full = (editor.edit(rest, Expression.of("surprise", level), source=own) for level in (0.5, 1.0))
    still = editor.edit(rest, own, source=own)
    steps = [(shown - still).square().mean((1, 2, 3)).sqrt() for shown in (half, full)]
    assert (steps[0] > 0.15 * steps[1]).all()
    assert (steps[0] < 0.85 * steps[1]).all()


def test_detail_returns_the_face_itself_where_nothing_is_asked(editor, faces):
    own = faces.expression.only("emotion", "intensity")
    sharp = build("conditional_vae", beta=1e-3, detail=True)
    sharp.load_state_dict(editor.state_dict())
    torch.testing.assert_close(sharp.edit(faces, own, source=own), faces.images, rtol=0, atol=1e-5)
    difference = editor.edit(faces, Expression.of("sad"), source=own) - editor.reconstruct(faces.images, own)
    expected = (faces.images + difference).clamp(-1, 1)
    torch.testing.assert_close(sharp.edit(faces, Expression.of("sad"), source=own), expected, rtol=0, atol=1e-5)


def test_what_faces_show_is_estimated_where_nobody_says_it(editor, faces):
    estimated = editor.estimate(faces.images)
    share = (estimated.emotion.argmax(1) == faces.emotion).float().mean()
    assert share > 0.5  # 1 in 7 by chance
    asked = Expression.of("happy")
    torch.testing.assert_close(editor.edit(faces, asked), editor.edit(faces, asked, source=estimated))


def test_time_goes_through_the_moments_one_by_one(editor, faces):
    film = Expression.path([Expression.neutral(), Expression.of("happy")], frames=4)
    own = faces[:2].expression.only("emotion", "intensity")
    shown = editor.edit(faces[:2], film, source=own)
    assert shown.shape == (2, 4, 3, 48, 48)
    for t in range(4):
        torch.testing.assert_close(shown[:, t], editor.edit(faces[:2], film.at(t), source=own), rtol=1e-3, atol=1e-4)


def test_an_edit_does_not_depend_on_batch_or_seed(editor, faces):
    asked = Expression.of(["sad", "fear", "happy"])
    together = editor.edit(faces[:3], asked, seed=1)
    torch.testing.assert_close(editor.edit(faces[1:2], asked[1], seed=2), together[1:2], rtol=1e-3, atol=1e-4)


def test_one_seed_is_one_person_with_every_expression(editor):
    asked = Expression.of(["happy", "sad"])
    one = editor.sample(asked, seed=4)
    torch.testing.assert_close(editor.sample(asked[1], seed=[4]), one[1:], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(editor.sample(asked, seed=[4, 5])[1], one[1])


def test_a_way_between_people_shows_one_expression(editor, faces):
    asked = Expression.of("happy")
    ways = editor.interpolate(faces.images[:2], faces.images[7:9], 3, asked)
    assert ways.shape == (2, 3, 3, 48, 48)
    codes = editor.encode(faces.images[:2])
    torch.testing.assert_close(ways[:, 0], editor.decode(codes, asked), rtol=1e-3, atol=1e-4)


# ------------------------------------------------------------------------------------------ the label in the code


def test_the_adversary_takes_out_of_codes_what_they_say_of_the_label(faces):
    labels = torch.eye(7)[faces.emotion]

    def found(adversary: float) -> float:
        """How well the label can be told from codes: the loss of a classifier that is trained on them afterwards."""
        system = build("conditional_vae", erase=False, beta=1e-6, adversary=adversary, latent=8)
        train(system, faces, 150)
        codes = system.posterior(faces.images, labels)[0]
        classifier = CodeClassifier(8, 7)
        optimise = torch.optim.Adam(classifier.parameters(), 1e-2)
        for _ in range(60):
            loss = torch.nn.functional.cross_entropy(classifier(codes / codes.std(0)), labels)
            optimise.zero_grad()
            loss.backward()
            optimise.step()
        return loss.item()

    assert found(1.0) > found(1e-6) + 0.2


def test_it_becomes_its_own_teacher_and_then_stays_that(faces):
    system = build("conditional_vae", self_training_from=0.5)
    optimisers, seen, teachers = system.optimisers(), [], []
    system.encoder.register_forward_pre_hook(lambda _, given: seen.append(given) if system.training else None)
    system.train()
    for step in range(4):
        for name, loss, _ in system.training_step(faces, Clock(step, 4)):
            optimisers[name].zero_grad()
            loss.backward()
            optimisers[name].step()
        teachers.append({name: value.clone() for name, value in system.teacher.state_dict().items()})

    labels = system.label(faces.expression)
    for images, told in seen[:2]:
        assert torch.equal(images, faces.images)
        assert torch.equal(told, labels)
    for images, told in seen[2:]:  # half of the faces are its own edits, under the labels that they were given
        edited = system.teacher.propose(faces.images[:14], labels[:14], told[:14])[1]
        torch.testing.assert_close(images[:14], edited)
        assert not torch.allclose(told[:14], labels[:14])
        assert torch.equal(images[14:], faces.images[14:])
        assert torch.equal(told[14:], labels[14:])
    moved = [any(not torch.equal(a[k], b[k]) for k in a) for a, b in itertools.pairwise(teachers)]
    assert moved == [True, False, False]
    assert not any(parameter.requires_grad for parameter in system.teacher.parameters())


def test_the_way_back_from_its_own_edits_makes_it_follow_the_label():
    """Bars of a height by emotion on faces of a shade: the code could say both, and then an edit changes little."""
    shades, emotions = torch.linspace(-1, 0.5, 8).repeat_interleave(7), torch.arange(7).repeat(8)
    faces, answers = bars(shades, emotions), bars(shades, (emotions + 2) % 7).images
    asked = Expression.from_labels((emotions + 2) % 7)

    def error(self_training_from: float | None) -> float:
        torch.manual_seed(0)
        kind = system_class("conditional_vae")
        fields = {"size": 16, "widths": (16, 32), "latent": 16, "beta": 1e-5, "erase": False}
        preset = dataclasses.replace(kind.presets["smoke"], **fields, self_training_from=self_training_from)
        system = kind(preset, channels=1)
        train(system, faces, 300)
        return (system.edit(faces, asked, source=faces.expression) - answers).square().mean().item()

    assert error(0.5) < 0.8 * error(None)


def test_what_only_training_needs_does_not_ship(tmp_path, faces):
    system = build("conditional_vae", adversary=0.1, self_training_from=0.5)
    card = WeightsCard(system.name, "smoke", dataclasses.asdict(system.preset), channels=3, data={}, steps=0)
    training_only = ("classifier.", "teacher.")
    assert {name.partition(".")[0] + "." for name in system.state_dict()} >= set(training_only)
    assert not any(name.startswith(training_only) for name in system.weights())
    save_weights(tmp_path / "vae.safetensors", system.weights(), card, half=False)
    again = load_system(tmp_path / "vae.safetensors")
    torch.testing.assert_close(again.reconstruct(faces.images[:2]), system.reconstruct(faces.images[:2]))
