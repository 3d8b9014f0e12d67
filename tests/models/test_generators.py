"""What holds for every system that edits: the contract of `Generator`."""

import copy
import dataclasses
import itertools

import pytest
import torch

from facekit.datasets import open_dataset
from facekit.evaluation.metrics.reference import psnr
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.models.editors import diffusion_editor
from facekit.models.label import label_weights
from facekit.models.load import initialise_from, load_system
from facekit.models.system import Clock, system_class
from facekit.training import train
from facekit.training.run import BadRun
from facekit.weights.store import WeightsCard, WeightsError, find_weights, load_weights, read_card, save_weights

DIFFUSION = ("label_diffusion", "cnn_diffusion", "vae_diffusion", "diffusion_autoencoder")
EDITORS = ("completion_editor", "diffusion_editor")
GENERATORS = (*DIFFUSION, *EDITORS, "conditional_vae", "paired_oracle", "stargan", "mma_gan")


def saved(folder, system):
    """The path of a system's weights, written as a run writes them."""
    requires = {name: read_card(find_weights(name)).sha256 for name in system.requires.values()}
    preset = dataclasses.asdict(system.preset)
    card = WeightsCard(system.name, "smoke", preset, channels=system.channels, data={}, steps=0, requires=requires)
    save_weights(folder / f"{system.name}.safetensors", system.state_dict(), card, half=False)
    return folder / f"{system.name}.safetensors"


def untrained(name):
    """A smoke system whose every weight does something."""
    torch.manual_seed(0)
    kind = system_class(name)
    system = kind(kind.presets["smoke"])
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return system


@pytest.fixture(scope="module")
def stood_on(tmp_path_factory):
    """Weights of systems that others stand on, by the field of the preset that names them."""
    folder = tmp_path_factory.mktemp("stood-on")
    vae, conditional = (saved(folder, untrained(name)) for name in ("vae", "conditional_vae"))
    completing = {"proposal": str(conditional), "size": 48}
    kind = system_class("completion_editor")
    teacher = saved(folder, kind(dataclasses.replace(kind.presets["smoke"], **completing)))
    return {
        "vae_diffusion": {"encoder": str(vae)},
        "completion_editor": completing,
        "diffusion_editor": {"teacher": str(teacher), "size": 48},
    }


@pytest.fixture(params=GENERATORS)
def generator(request, stood_on):
    name = request.param
    kind = system_class(name)
    torch.manual_seed(0)
    system = kind(dataclasses.replace(kind.presets["smoke"], **stood_on.get(name, {})))
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return system


@pytest.fixture(scope="module")
def faces(drawn):
    return drawn.faces(range(6))


def test_an_edit_is_a_picture_and_belongs_to_its_face(generator, faces):
    seeds = [5, 6, 7, 8, 9, 10]
    asked = Expression.of(["happy", "sad", "fear", "angry", "neutral", "disgust"], 0.7)
    together = generator.edit(faces, asked, seed=seeds)
    assert together.shape == faces.images.shape
    assert together.abs().max() <= 1
    alone = generator.edit(faces[[3]], asked[3], seed=[8])
    torch.testing.assert_close(alone, together[[3]], atol=1e-4, rtol=0)
    assert generator.training  # as it was
    assert torch.equal(together, generator.edit(faces, asked, seed=seeds))


def test_expression_over_time_gives_sequences(generator, faces):
    path = Expression.path([Expression.neutral(), Expression.of("happy")], frames=3)
    edited = generator.edit(faces[:2], path, seed=1)
    assert edited.shape == (2, 3, *faces.images.shape[1:])
    torch.testing.assert_close(edited[:, 2], generator.edit(faces[:2], path.at(2), seed=1), atol=1e-4, rtol=0)


def test_what_is_asked_for_matters(generator, faces):
    happy, sad, half = (generator.edit(faces, Expression.of(*how)) for how in (("happy",), ("sad",), ("happy", 0.5)))
    assert not torch.allclose(happy, sad, atol=1e-4)
    assert not torch.allclose(happy, half, atol=1e-4)


def test_what_is_not_understood_is_refused(generator, faces):
    points = Expression(landmarks=torch.full((1, 68, 2), 0.5))
    with pytest.raises(UnsupportedExpression, match="understands"):
        generator.edit(faces, points)
    if "action_units" not in generator.understands:
        with pytest.raises(UnsupportedExpression, match="understands"):
            generator.edit(faces, Expression.from_action_units({"AU12": 1.0}))
    with pytest.raises(ValueError, match=r"resized\(48\)"):
        generator.edit(faces.resized(32), Expression.of("happy"))


def test_weights_come_back(generator, faces, tmp_path):
    again = load_system(saved(tmp_path, generator.eval()))
    asked = Expression.of("surprise")
    torch.testing.assert_close(again.edit(faces, asked), generator.edit(faces, asked), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [*DIFFUSION, *EDITORS, "paired_oracle"])
def test_smoke_training_learns(name, drawn, stood_on):
    kind = system_class(name)
    preset = dataclasses.replace(kind.presets["smoke"], **stood_on.get(name, {}))
    torch.manual_seed(0)
    system = kind(preset)
    optimisers = system.optimisers()
    data = open_dataset("synthetic_pairs", people=8, size=48) if name == "paired_oracle" else drawn
    faces = data.faces(range(56))

    def losses(step, seed, learn=False):
        torch.manual_seed(seed)
        found = {}
        for key, loss, _ in system.training_step(faces, Clock(step, 30)):
            found[key] = loss.item()
            if learn:
                optimisers[key].zero_grad()
                loss.backward()
                optimisers[key].step()
        return found

    before = losses(0, 0)
    assert set(before) == set(optimisers)
    for step in range(30):
        losses(step, step + 1, learn=True)
    after = losses(30, 0)
    assert all(after[key] < 0.8 * before[key] for key in before)


def test_what_a_system_stands_on_is_not_trained_not_saved_and_must_be_the_same(stood_on, drawn, tmp_path, monkeypatch):
    kind = system_class("vae_diffusion")
    encoder = tmp_path / "mine.safetensors"
    for suffix in (".safetensors", ".json"):
        source = stood_on["vae_diffusion"]["encoder"]
        encoder.with_suffix(suffix).write_bytes(find_weights(source).with_suffix(suffix).read_bytes())
    system = kind(dataclasses.replace(kind.presets["smoke"], encoder=str(encoder)))
    assert not any("encoder" in name for name in system.state_dict())
    assert not any(parameter.requires_grad for parameter in system.encoder.network.parameters())
    assert not system.train().encoder.network.training
    path = saved(tmp_path, system)
    load_system(path)
    torch.manual_seed(1)
    other = system_class("vae")(system_class("vae").presets["smoke"])
    card = read_card(encoder)
    save_weights(encoder, other.state_dict(), card)
    with pytest.raises(WeightsError, match="were trained with"):
        load_system(path)


def labels(*columns):
    return torch.eye(7)[list(columns)]


@pytest.fixture(scope="module")
def completing(stood_on):
    kind = system_class("completion_editor")
    return kind(dataclasses.replace(kind.presets["smoke"], **stood_on["completion_editor"], sample_steps=1))


def test_faces_are_hidden_where_the_proposals_differ_and_nothing_of_them_is_told_from_there(completing, faces):
    images, source = faces.images[:2], Expression.of(["angry", "neutral"])
    visible, coarse, mask = completing.show(images, labels(3, 6), source)
    hidden = mask.bool()
    assert hidden[0].any()
    assert not hidden[0].all()
    assert not hidden[1].any()  # what is asked for is shown already
    assert torch.equal(visible[~hidden], images[~hidden])
    assert not visible[hidden].any()
    torch.testing.assert_close(coarse, completing.proposer(images, labels(0, 6), labels(3, 6))[1])


def test_faces_are_completed_from_a_picture_that_has_come_back_from_an_edit(completing, faces, monkeypatch):
    learned = []
    monkeypatch.setattr(completing, "denoising", lambda *given: learned.append(given) or torch.zeros(()))
    list(completing.training_step(faces, Clock(0, 1)))
    [(images, told, visible, coarse, mask)] = learned
    own = label_weights(faces.expression, completing.preset.emotions, "a test")
    assert torch.equal(images, faces.images)
    assert torch.equal(told, own)
    assert not visible[mask.bool()].any()
    direct = completing.proposer(faces.images, own, own)[0]
    assert not torch.allclose(coarse, direct, atol=1e-2)
    asked = []
    monkeypatch.setattr(completing.proposer.network, "propose", lambda *given: asked.append(given) or given[:1] * 2)
    list(completing.training_step(faces, Clock(0, 1)))
    (_, before, other), (_, after, back) = asked
    assert torch.equal(before, own)
    assert torch.equal(after, other)
    assert torch.equal(back, own)


def test_an_untrained_completing_editor_gives_the_proposal(completing, faces):
    """The network's answer is 0, and one step from noise leads to what the preconditioning expects."""
    asked, shown = Expression.of("happy"), faces.expression.only("emotion", "intensity")
    edited = completing.edit(faces, asked, source=shown)
    pictures = completing.show(faces.images, labels(3).expand(len(faces), 7), shown)
    torch.testing.assert_close(edited, completing.expected(*pictures).clamp(-1, 1), atol=0.06, rtol=0)


def test_the_editor_learns_the_way_back_from_its_teachers_pictures(stood_on, faces, monkeypatch):
    kind = system_class("diffusion_editor")
    system = kind(dataclasses.replace(kind.presets["smoke"], **stood_on["diffusion_editor"]))
    torch.manual_seed(0)
    turned = system.turned(faces)
    assert turned.shape == faces.images.shape
    assert not torch.allclose(turned, faces.images, atol=1e-2)
    learned = []
    monkeypatch.setattr(system, "denoising", lambda *given: learned.append(given) or torch.zeros(()))
    torch.manual_seed(0)
    list(system.training_step(faces, Clock(0, 1)))
    [(images, told, shown)] = learned
    assert torch.equal(images, faces.images)
    assert torch.equal(told, faces.action_units)
    assert not torch.equal(shown, faces.images)
    assert not any("teacher" in name for name in system.state_dict())


def test_the_editor_becomes_its_own_teacher_and_the_teacher_then_stays(stood_on, faces, monkeypatch):
    kind = system_class("diffusion_editor")
    chosen = {**stood_on["diffusion_editor"], "self_training_from": 0.5, "varied": False}
    system = kind(dataclasses.replace(kind.presets["smoke"], **chosen))
    with torch.no_grad():  # untrained, it answers 0 whatever it is told
        for parameter in system.denoiser.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    optimiser, denoising = system.optimisers()["denoiser"], system.denoising
    learned, teachers = [], []
    monkeypatch.setattr(system, "denoising", lambda *given: learned.append(given) or denoising(*given))
    for step in range(4):
        torch.manual_seed(step)
        for _, loss, _ in system.training_step(faces, Clock(step, 4)):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        teachers.append({name: value.clone() for name, value in system.predecessor.state_dict().items()})
    moved = [any(not torch.equal(a[k], b[k]) for k in a) for a, b in itertools.pairwise(teachers)]
    assert moved == [True, False, False]
    assert not any(parameter.requires_grad for parameter in system.predecessor.parameters())
    for step in (2, 3):
        torch.manual_seed(step)
        images, told, shown = learned[step]
        assert torch.equal(images, faces.images)
        assert torch.equal(told, faces.action_units)
        torch.testing.assert_close(shown, system.turned_by_itself(faces))
    assert not any(name.startswith("predecessor.") for name in system.weights())


def test_varied_the_teachers_take_turns_in_disguise(stood_on, faces, monkeypatch):
    kind = system_class("diffusion_editor")
    chosen = {**stood_on["diffusion_editor"], "self_training_from": 0.0, "label_guidance": 3.0}
    system = kind(dataclasses.replace(kind.presets["smoke"], **chosen))
    with torch.no_grad():  # as weights that the training begins with
        for parameter in system.denoiser.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    asked, disguised = [], []
    by_teacher, by_itself, disguise = system.turned, system._by_predecessor, diffusion_editor.augment

    def note(images, wanted, guidance):
        asked.append(guidance)
        return by_itself(images, wanted, guidance)

    monkeypatch.setattr(system, "turned", lambda given: asked.append("teacher") or by_teacher(given))
    monkeypatch.setattr(system, "_by_predecessor", note)
    monkeypatch.setattr(
        diffusion_editor, "augment", lambda *given: disguised.append(given[0].images) or disguise(*given)
    )
    ways, shown = set(), []
    monkeypatch.setattr(system, "denoising", lambda *given: shown.append(given[2]) or torch.zeros(()))
    for step in range(12):
        asked.clear()
        torch.manual_seed(step)
        list(system.training_step(faces, Clock(step, 12)))
        ways.add(tuple("itself" if isinstance(who, float) else who for who in asked))
        assert all(who == "teacher" or 0.64 <= who / system.preset.label_guidance <= 1.36 for who in asked)
        apart = (shown[-1] - disguised[-1]).abs().mean()
        assert 0.001 < apart < 0.1
    assert ways == {("teacher",), ("teacher", "itself"), ("itself", "itself")}
    for name, value in system.denoiser.state_dict().items():
        assert torch.equal(system.predecessor.denoiser.state_dict()[name], value)


def test_the_editor_is_told_action_units_and_prototypes_where_they_are_not_known(stood_on, faces):
    kind = system_class("diffusion_editor")
    system = kind(dataclasses.replace(kind.presets["smoke"], **stood_on["diffusion_editor"]))
    happy = Expression.of("happy", 0.5)
    assert torch.equal(system.label(happy), happy.to_action_units().action_units)
    assert torch.equal(system.label(faces.expression), faces.action_units)
    photographs = dataclasses.replace(faces, action_units=None, intensity=None)
    prototypes = Expression.from_labels(faces.emotion).to_action_units().action_units
    assert torch.equal(system.label(photographs.expression), prototypes)
    with torch.no_grad():  # untrained, it answers 0 whatever it is told
        for parameter in system.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    smile = system.edit(faces, Expression.from_action_units({"AU12": 1.0}))
    assert not torch.allclose(smile, system.edit(faces, Expression.neutral()), atol=1e-3)


@pytest.fixture
def drawn_editor(stood_on, tmp_path):
    """The path of weights of an editor of colour pictures that answers something."""
    kind = system_class("diffusion_editor")
    torch.manual_seed(0)
    system = kind(dataclasses.replace(kind.presets["smoke"], **stood_on["diffusion_editor"]))
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return saved(tmp_path, system)


def test_a_grey_editor_begins_as_the_colour_one_of_the_same_weights(drawn_editor, stood_on, faces):
    colour, kind = load_system(drawn_editor), system_class("diffusion_editor")
    grey = kind(colour.preset, channels=1)
    assert initialise_from(grey, drawn_editor) == len(load_weights(drawn_editor)[0])
    pictures = faces.gray().images
    noise, step = torch.randn(pictures.shape), torch.full((len(faces),), 500)
    told, label = torch.ones(len(faces), dtype=torch.bool), colour.label(Expression.of("happy"))
    seen = {}
    for system in (colour, grey):
        repeated = (x.expand(-1, system.channels, -1, -1) for x in (noise, pictures))
        noisy, shown = repeated
        seen[system.channels] = system.denoiser(noisy, step, told, label.expand(len(faces), -1), shown)
    torch.testing.assert_close(seen[1], seen[3].mean(1, keepdim=True), atol=1e-5, rtol=1e-4)


def test_with_a_reader_edits_are_to_be_read_as_asked_and_to_stay_as_they_were(
    drawn_editor, stood_on, faces, tmp_path, monkeypatch
):
    kind = system_class("diffusion_editor")
    classifier = saved(tmp_path, untrained("emotion_cnn"))
    chosen = {**stood_on["diffusion_editor"], "classifier": str(classifier)}
    system = kind(dataclasses.replace(kind.presets["smoke"], **chosen))
    assert system.requires == {"classifier": str(classifier)}
    with pytest.raises(ValueError, match="--start-from"):
        next(system.training_step(faces, Clock(0, 4)))
    initialise_from(system, drawn_editor)
    photographs = dataclasses.replace(faces, action_units=None, intensity=None)
    learned, denoising = [], system.denoising
    monkeypatch.setattr(system, "denoising", lambda *given: learned.append(given) or denoising(*given))
    optimiser, before = system.optimisers()["denoiser"], load_system(drawn_editor)
    for step in range(2):
        torch.manual_seed(step)
        [(name, loss, scalars)] = system.training_step(photographs, Clock(step, 4))
        assert name == "denoiser"
        torch.testing.assert_close(loss, scalars["near"] + system.preset.classifier_weight * scalars["read"])
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert all(parameter.grad is None for parameter in system.guidance_networks[0].parameters())
    for images, _, shown in learned:
        assert torch.equal(shown, photographs.images)
        assert not torch.allclose(images, shown, atol=1e-2)
    for name, value in before.denoiser.state_dict().items():  # what edits are to stay near to stays
        assert torch.equal(system.predecessor.denoiser.state_dict()[name], value)
    assert not torch.equal(system.denoiser.unet.stem.weight, before.denoiser.unet.stem.weight)
    path = saved(tmp_path, system)
    for suffix in (".safetensors", ".json"):
        classifier.with_suffix(suffix).unlink()
    assert load_system(path).card.requires.keys() == {str(classifier)}  # only training asks it


def test_what_a_system_stands_on_can_be_trained_first_on_the_same_faces(tmp_path):
    small = {"profile.people": 16, "profile.faces_per_person": 7, "data.channels": 1}
    fields = {"steps": 2, "checkpoint_every": 2, "teacher.proposal.steps": 3}

    def run(**changes):
        overrides = small | fields
        return train("diffusion_editor", profile="smoke", out=tmp_path, overrides=overrides, progress=False, **changes)

    written = run(from_scratch=True)
    editor = load_system(written)
    assert editor.preset.teacher == str(tmp_path / "teacher" / "weights.safetensors")
    [teacher] = editor.guidance_networks
    assert teacher.preset.proposal == str(tmp_path / "teacher" / "proposal" / "weights.safetensors")
    assert (editor.channels, teacher.channels, teacher.proposer.network.channels) == (1, 1, 1)
    assert teacher.preset.steps > 2  # its own fields are its preset's
    assert teacher.proposer.network.preset.steps == 3
    before = written.stat().st_mtime_ns
    assert run(from_scratch=True) == written
    assert written.stat().st_mtime_ns == before


def test_what_is_trained_first_is_like_what_the_preset_names(tmp_path):
    few = {"profile.people": 16, "profile.faces_per_person": 7, "steps": 1, "teacher.steps": 1}

    def run(**changes):
        return train("diffusion_editor", profile="smoke", out=tmp_path, progress=False, **changes)

    with pytest.raises(BadRun, match=r"'teacher\.steps' sets nothing"):
        run(overrides=few)
    with pytest.raises(BadRun, match="this stargan has no teacher"):
        train("stargan", out=tmp_path, overrides={"teacher.steps": 1}, from_scratch=True)
    named = few | {"teacher": "stargan-synthetic"}
    [teacher] = load_system(run(overrides=named, from_scratch=True)).guidance_networks
    assert (teacher.name, teacher.preset.steps, teacher.preset.size) == ("stargan", 1, 64)


def test_the_oracle_asks_for_pairs(drawn):
    kind = system_class("paired_oracle")
    with pytest.raises(ValueError, match="synthetic_pairs"):
        next(kind(kind.presets["smoke"]).training_step(drawn.faces(range(4)), Clock(0, 1)))


@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_g14_goes_from_one_reconstruction_to_the_other(strength, faces, drawn):
    g14 = untrained("diffusion_autoencoder").eval()
    g14.preset = dataclasses.replace(g14.preset, strength=strength, sample_steps=4)
    ways = g14.interpolate(faces.images[:2], faces.images[2:4], 3)
    ends = g14.reconstruct(faces.images[:4])
    assert ways.shape[:2] == (2, 3)
    assert torch.allclose(torch.cat([ways[:, 0], ways[:, -1]]), ends, atol=1e-4)
    measured = g14.evaluate(drawn)["reconstruction_psnr"]
    images = drawn.faces(range(len(drawn))).images
    assert measured == pytest.approx(psnr(g14.reconstruct(images), images).mean().item(), abs=0.01)


def test_what_a_label_means_alone_is_counted_from_what_the_face_shows(faces):
    plain = untrained("diffusion_autoencoder").eval()
    plain.preset = dataclasses.replace(plain.preset, sample_steps=2)
    follows = copy.deepcopy(plain)
    follows.preset = dataclasses.replace(plain.preset, label_only_guidance=2.0)
    shown, asked = Expression.of(["sad"] * 6), Expression.of(["happy"] * 6)
    torch.testing.assert_close(follows.edit(faces, shown, source=shown), plain.edit(faces, shown, source=shown))
    edits = [system.edit(faces, asked, source=source) for system in (plain, follows) for source in (shown, None)]
    assert all((one - other).abs().mean() > 1e-3 for one, other in itertools.combinations(edits, 2))
    torch.testing.assert_close(follows.reconstruct(faces.images), plain.reconstruct(faces.images))
    torch.testing.assert_close(follows.invert(faces.images), plain.invert(faces.images))


def test_a_label_models_denoiser_starts_one_with_codes(stood_on, tmp_path):
    """P1 §7: a DDPM that was trained on other faces, then told an encoder's code."""
    first = saved(tmp_path, untrained("label_diffusion"))
    kind = system_class("vae_diffusion")
    system = kind(dataclasses.replace(kind.presets["smoke"], **stood_on["vae_diffusion"]))
    initialise_from(system, first)
    learned = load_system(first).denoiser.state_dict()
    own = system.denoiser.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in learned.items())
    assert {name.partition(".")[0] for name in set(own) - set(learned)} == {"code"}
