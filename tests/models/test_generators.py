"""The contract of `Generator`, tested for every system that edits, and the diffusion models and editors."""

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
from facekit.models.system import CannotTrain, Clock, system_class
from facekit.training import train
from facekit.training.run import BadRun
from facekit.weights.store import WeightsCard, WeightsError, find_weights, load_weights, read_card, save_weights

DIFFUSION = ("label_diffusion", "cnn_diffusion", "vae_diffusion", "diffusion_autoencoder")
EDITORS = ("completion_editor", "diffusion_editor")
GENERATORS = (*DIFFUSION, *EDITORS, "adversarial_editor", "conditional_vae", "paired_oracle", "stargan", "mma_gan")


def saved(folder, system):
    """The path of a system's weights, saved as a training run saves them."""
    requires = {name: read_card(find_weights(name)).sha256 for name in system.requires.values()}
    preset = dataclasses.asdict(system.preset)
    card = WeightsCard(system.name, "smoke", preset, channels=system.channels, data={}, steps=0, requires=requires)
    save_weights(folder / f"{system.name}.safetensors", system.state_dict(), card, half=False)
    return folder / f"{system.name}.safetensors"


def randomised(name):
    """An untrained smoke system in which no weight is 0, so that every one has an effect."""
    torch.manual_seed(0)
    kind = system_class(name)
    system = kind(kind.presets["smoke"])
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return system


@pytest.fixture(scope="module")
def dependencies(tmp_path_factory):
    """Fields of presets that name weights of small untrained systems, by the system that depends on them."""
    folder = tmp_path_factory.mktemp("dependencies")
    vae, conditional = (saved(folder, randomised(name)) for name in ("vae", "conditional_vae"))
    completion = {"proposal": str(conditional), "size": 48}
    kind = system_class("completion_editor")
    teacher = saved(folder, kind(dataclasses.replace(kind.presets["smoke"], **completion)))
    kind = system_class("diffusion_editor")
    editing = {"teacher": str(teacher), "size": 48}
    editor = saved(folder, kind(dataclasses.replace(kind.presets["smoke"], **editing)))
    return {
        "vae_diffusion": {"encoder": str(vae)},
        "completion_editor": completion,
        "diffusion_editor": editing,
        "adversarial_editor": {"teacher": str(editor), "size": 48, "widths": (16, 32), "attention": (False, False)},
    }


@pytest.fixture(params=GENERATORS)
def generator(request, dependencies):
    name = request.param
    kind = system_class(name)
    torch.manual_seed(0)
    system = kind(dataclasses.replace(kind.presets["smoke"], **dependencies.get(name, {})))
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return system


@pytest.fixture(scope="module")
def faces(drawn):
    return drawn.faces(range(6))


def test_an_edit_is_an_image_and_does_not_depend_on_its_batch(generator, faces):
    seeds = [5, 6, 7, 8, 9, 10]
    target = Expression.of(["happy", "sad", "fear", "angry", "neutral", "disgust"], 0.7)
    together = generator.edit(faces, target, seed=seeds)
    assert together.shape == faces.images.shape
    assert together.abs().max() <= 1
    alone = generator.edit(faces[[3]], target[3], seed=[8])
    torch.testing.assert_close(alone, together[[3]], atol=1e-4, rtol=0)
    assert generator.training  # the mode is restored
    assert torch.equal(together, generator.edit(faces, target, seed=seeds))


def test_an_expression_over_time_gives_sequences(generator, faces):
    path = Expression.path([Expression.neutral(), Expression.of("happy")], frames=3)
    edited = generator.edit(faces[:2], path, seed=1)
    assert edited.shape == (2, 3, *faces.images.shape[1:])
    torch.testing.assert_close(edited[:, 2], generator.edit(faces[:2], path.at(2), seed=1), atol=1e-4, rtol=0)


def test_edits_depend_on_emotion_and_intensity(generator, faces):
    happy, sad, half = (generator.edit(faces, Expression.of(*how)) for how in (("happy",), ("sad",), ("happy", 0.5)))
    assert not torch.allclose(happy, sad, atol=1e-4)
    assert not torch.allclose(happy, half, atol=1e-4)


def test_unsupported_expressions_and_image_sizes_raise(generator, faces):
    points = Expression(landmarks=torch.full((1, 68, 2), 0.5))
    with pytest.raises(UnsupportedExpression, match="understands"):
        generator.edit(faces, points)
    if "action_units" not in generator.understands:
        with pytest.raises(UnsupportedExpression, match="understands"):
            generator.edit(faces, Expression.from_action_units({"AU12": 1.0}))
    with pytest.raises(ValueError, match=r"resized\(48\)"):
        generator.edit(faces.resized(32), Expression.of("happy"))


def test_loaded_weights_give_the_same_edits(generator, faces, tmp_path):
    loaded = load_system(saved(tmp_path, generator.eval()))
    target = Expression.of("surprise")
    torch.testing.assert_close(loaded.edit(faces, target), generator.edit(faces, target), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [*DIFFUSION, *EDITORS, "paired_oracle"])
def test_training_lowers_the_loss_on_a_fixed_batch(name, drawn, dependencies):
    kind = system_class(name)
    preset = dataclasses.replace(kind.presets["smoke"], **dependencies.get(name, {}))
    torch.manual_seed(0)
    system = kind(preset)
    optimisers = system.optimisers()
    data = open_dataset("synthetic_pairs", people=8, size=48) if name == "paired_oracle" else drawn
    faces = data.faces(range(28))

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


def test_a_dependency_is_frozen_not_saved_and_must_be_the_one_of_training(dependencies, drawn, tmp_path, monkeypatch):
    kind = system_class("vae_diffusion")
    encoder = tmp_path / "encoder.safetensors"
    for suffix in (".safetensors", ".json"):
        source = dependencies["vae_diffusion"]["encoder"]
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
def completion(dependencies):
    kind = system_class("completion_editor")
    return kind(dataclasses.replace(kind.presets["smoke"], **dependencies["completion_editor"], sample_steps=1))


def test_faces_are_masked_where_the_proposals_differ(completion, faces):
    images, source = faces.images[:2], Expression.of(["angry", "neutral"])
    visible, proposal, mask = completion.context(images, labels(3, 6), source)
    masked = mask.bool()
    assert masked[0].any()
    assert not masked[0].all()
    assert not masked[1].any()  # source and target are equal
    assert torch.equal(visible[~masked], images[~masked])
    assert not visible[masked].any()
    torch.testing.assert_close(proposal, completion.proposer(images, labels(0, 6), labels(3, 6))[1])


def test_completion_is_trained_with_proposals_of_the_edit_back(completion, faces, monkeypatch):
    objectives = []
    monkeypatch.setattr(completion, "objective", lambda *given: objectives.append(given) or torch.zeros(()))
    list(completion.training_step(faces, Clock(0, 1)))
    [(images, label, visible, proposal, mask)] = objectives
    own = label_weights(faces.expression, completion.preset.emotions, "a test")
    assert torch.equal(images, faces.images)
    assert torch.equal(label, own)
    assert not visible[mask.bool()].any()
    direct = completion.proposer(faces.images, own, own)[0]
    assert not torch.allclose(proposal, direct, atol=1e-2)
    proposed = []
    monkeypatch.setattr(completion.proposer.network, "propose", lambda *given: proposed.append(given) or given[:1] * 2)
    list(completion.training_step(faces, Clock(0, 1)))
    (_, before, other), (_, after, back) = proposed
    assert torch.equal(before, own)
    assert torch.equal(after, other)
    assert torch.equal(back, own)


def test_an_untrained_completion_editor_returns_the_prior_mean(completion, faces):
    """The output of the network is 0, so that one sampling step returns the posterior mean of the preconditioning."""
    target, source = Expression.of("happy"), faces.expression.only("emotion", "intensity")
    edited = completion.edit(faces, target, source=source)
    context = completion.context(faces.images, labels(3).expand(len(faces), 7), source)
    torch.testing.assert_close(edited, completion.prior_mean(*context).clamp(-1, 1), atol=0.06, rtol=0)


def test_the_editor_is_trained_to_recover_faces_from_the_edits_of_its_teacher(dependencies, faces, monkeypatch):
    kind = system_class("diffusion_editor")
    system = kind(dataclasses.replace(kind.presets["smoke"], **dependencies["diffusion_editor"]))
    torch.manual_seed(0)
    inputs = system.teacher_inputs(faces)
    assert inputs.shape == faces.images.shape
    assert not torch.allclose(inputs, faces.images, atol=1e-2)
    objectives = []
    monkeypatch.setattr(system, "objective", lambda *given: objectives.append(given) or torch.zeros(()))
    torch.manual_seed(0)
    list(system.training_step(faces, Clock(0, 1)))
    [(images, label, context)] = objectives
    assert torch.equal(images, faces.images)
    assert torch.equal(label, faces.action_units)
    assert not torch.equal(context, faces.images)
    assert not any("teacher" in name for name in system.state_dict())


def test_in_self_training_the_predecessor_is_the_teacher_and_stays_fixed(dependencies, faces, monkeypatch):
    kind = system_class("diffusion_editor")
    chosen = {**dependencies["diffusion_editor"], "self_training_from": 0.5, "varied": False}
    system = kind(dataclasses.replace(kind.presets["smoke"], **chosen))
    with torch.no_grad():  # untrained, its output is 0 for every label
        for parameter in system.denoiser.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    optimiser, objective = system.optimisers()["denoiser"], system.objective
    objectives, predecessors = [], []
    monkeypatch.setattr(system, "objective", lambda *given: objectives.append(given) or objective(*given))
    for step in range(4):
        torch.manual_seed(step)
        for _, loss, _ in system.training_step(faces, Clock(step, 4)):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        predecessors.append({name: value.clone() for name, value in system.predecessor.state_dict().items()})
    changed = [any(not torch.equal(a[k], b[k]) for k in a) for a, b in itertools.pairwise(predecessors)]
    assert changed == [True, False, False]
    assert not any(parameter.requires_grad for parameter in system.predecessor.parameters())
    for step in (2, 3):
        torch.manual_seed(step)
        images, label, context = objectives[step]
        assert torch.equal(images, faces.images)
        assert torch.equal(label, faces.action_units)
        torch.testing.assert_close(context, system.self_training_inputs(faces))
    assert not any(name.startswith("predecessor.") for name in system.weights())


def test_varied_inputs_come_from_both_teachers_and_are_degraded(dependencies, faces, monkeypatch):
    kind = system_class("diffusion_editor")
    chosen = {**dependencies["diffusion_editor"], "self_training_from": 0.0, "label_guidance": 3.0}
    system = kind(dataclasses.replace(kind.presets["smoke"], **chosen))
    with torch.no_grad():  # as if initialised from trained weights
        for parameter in system.denoiser.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    edits, before = [], []
    by_teacher, by_predecessor, augment = system.teacher_inputs, system._predecessor_edits, diffusion_editor.augment

    def record(images, target, guidance):
        edits.append(guidance)
        return by_predecessor(images, target, guidance)

    monkeypatch.setattr(system, "teacher_inputs", lambda given: edits.append("teacher") or by_teacher(given))
    monkeypatch.setattr(system, "_predecessor_edits", record)
    monkeypatch.setattr(diffusion_editor, "augment", lambda *given: before.append(given[0].images) or augment(*given))
    sequences, inputs = set(), []
    monkeypatch.setattr(system, "objective", lambda *given: inputs.append(given[2]) or torch.zeros(()))
    for step in range(12):
        edits.clear()
        torch.manual_seed(step)
        list(system.training_step(faces, Clock(step, 12)))
        sequences.add(tuple("predecessor" if isinstance(edit, float) else edit for edit in edits))
        assert all(edit == "teacher" or 0.64 <= edit / system.preset.label_guidance <= 1.36 for edit in edits)
        degradation = (inputs[-1] - before[-1]).abs().mean()
        assert 0.001 < degradation < 0.1
    assert sequences == {("teacher",), ("teacher", "predecessor"), ("predecessor", "predecessor")}
    for name, value in system.denoiser.state_dict().items():
        assert torch.equal(system.predecessor.denoiser.state_dict()[name], value)


def test_the_label_is_the_action_units_or_the_prototype_of_the_emotion(dependencies, faces):
    kind = system_class("diffusion_editor")
    system = kind(dataclasses.replace(kind.presets["smoke"], **dependencies["diffusion_editor"]))
    happy = Expression.of("happy", 0.5)
    assert torch.equal(system.label(happy), happy.to_action_units().action_units)
    assert torch.equal(system.label(faces.expression), faces.action_units)
    photographs = dataclasses.replace(faces, action_units=None, intensity=None)
    prototypes = Expression.from_labels(faces.emotion).to_action_units().action_units
    assert torch.equal(system.label(photographs.expression), prototypes)
    with torch.no_grad():  # untrained, its output is 0 for every label
        for parameter in system.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    smile = system.edit(faces, Expression.from_action_units({"AU12": 1.0}))
    assert not torch.allclose(smile, system.edit(faces, Expression.neutral()), atol=1e-3)


@pytest.fixture
def trained_editor(dependencies, tmp_path):
    """The path of weights of an editor for colour images, in which no weight is 0."""
    kind = system_class("diffusion_editor")
    torch.manual_seed(0)
    system = kind(dataclasses.replace(kind.presets["smoke"], **dependencies["diffusion_editor"]))
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return saved(tmp_path, system)


def test_a_grey_editor_initialised_from_colour_weights_gives_the_same_outputs(trained_editor, dependencies, faces):
    colour, kind = load_system(trained_editor), system_class("diffusion_editor")
    grey = kind(colour.preset, channels=1)
    assert initialise_from(grey, trained_editor) == len(load_weights(trained_editor)[0])
    images = faces.gray().images
    noise, step = torch.randn(images.shape), torch.full((len(faces),), 500)
    keep, label = torch.ones(len(faces), dtype=torch.bool), colour.label(Expression.of("happy"))
    outputs = {}
    for system in (colour, grey):
        noisy, context = (x.expand(-1, system.channels, -1, -1) for x in (noise, images))
        outputs[system.channels] = system.denoiser(noisy, step, keep, label.expand(len(faces), -1), context)
    torch.testing.assert_close(outputs[1], outputs[3].mean(1, keepdim=True), atol=1e-5, rtol=1e-4)


def test_with_a_classifier_edits_are_trained_towards_the_target_and_the_initial_edits(
    trained_editor, dependencies, faces, tmp_path, monkeypatch
):
    kind = system_class("diffusion_editor")
    classifier = saved(tmp_path, randomised("emotion_cnn"))
    chosen = {**dependencies["diffusion_editor"], "classifier": str(classifier)}
    system = kind(dataclasses.replace(kind.presets["smoke"], **chosen))
    assert system.requires == {"classifier": str(classifier)}
    with pytest.raises(CannotTrain, match="--start-from"):
        next(system.training_step(faces, Clock(0, 4)))
    initialise_from(system, trained_editor)
    photographs = dataclasses.replace(faces, action_units=None, intensity=None)
    objectives, objective = [], system.objective
    monkeypatch.setattr(system, "objective", lambda *given: objectives.append(given) or objective(*given))
    optimiser, before = system.optimisers()["denoiser"], load_system(trained_editor)
    for step in range(2):
        torch.manual_seed(step)
        [(name, loss, scalars)] = system.training_step(photographs, Clock(step, 4))
        assert name == "denoiser"
        torch.testing.assert_close(
            loss, scalars["anchor"] + system.preset.classifier_weight * scalars["classification"]
        )
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert all(parameter.grad is None for parameter in system.guidance_networks[0].parameters())
    for images, _, context in objectives:
        assert torch.equal(context, photographs.images)
        assert not torch.allclose(images, context, atol=1e-2)
    for name, value in before.denoiser.state_dict().items():  # the initial weights are kept
        assert torch.equal(system.predecessor.denoiser.state_dict()[name], value)
    assert not torch.equal(system.denoiser.unet.stem.weight, before.denoiser.unet.stem.weight)
    path = saved(tmp_path, system)
    for suffix in (".safetensors", ".json"):
        classifier.with_suffix(suffix).unlink()
    assert load_system(path).card.requires.keys() == {str(classifier)}  # used in training only


def test_from_scratch_trains_all_dependencies_on_the_same_faces(tmp_path):
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
    assert teacher.preset.steps > 2  # fields that are not set keep the value of the preset
    assert teacher.proposer.network.preset.steps == 3
    before = written.stat().st_mtime_ns
    assert run(from_scratch=True) == written
    assert written.stat().st_mtime_ns == before


def test_from_scratch_trains_a_system_of_the_kind_that_the_preset_names(tmp_path):
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


def test_the_paired_oracle_requires_pairs(drawn):
    kind = system_class("paired_oracle")
    with pytest.raises(CannotTrain, match="synthetic_pairs"):
        next(kind(kind.presets["smoke"]).training_step(drawn.faces(range(4)), Clock(0, 1)))


@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_interpolations_of_g14_begin_and_end_at_the_reconstructions(strength, faces, drawn):
    g14 = randomised("diffusion_autoencoder").eval()
    g14.preset = dataclasses.replace(g14.preset, strength=strength, sample_steps=4)
    interpolated = g14.interpolate(faces.images[:2], faces.images[2:4], 3)
    ends = g14.reconstruct(faces.images[:4])
    assert interpolated.shape[:2] == (2, 3)
    assert torch.allclose(torch.cat([interpolated[:, 0], interpolated[:, -1]]), ends, atol=1e-4)
    reported = g14.evaluate(drawn)["reconstruction_psnr"]
    images = drawn.faces(range(len(drawn))).images
    assert reported == pytest.approx(psnr(g14.reconstruct(images), images).mean().item(), abs=0.01)


def test_label_only_guidance_is_relative_to_the_source_label(faces):
    plain = randomised("diffusion_autoencoder").eval()
    plain.preset = dataclasses.replace(plain.preset, sample_steps=2)
    guided = copy.deepcopy(plain)
    guided.preset = dataclasses.replace(plain.preset, label_only_guidance=2.0)
    sad, happy = Expression.of(["sad"] * 6), Expression.of(["happy"] * 6)
    torch.testing.assert_close(guided.edit(faces, sad, source=sad), plain.edit(faces, sad, source=sad))
    edits = [system.edit(faces, happy, source=source) for system in (plain, guided) for source in (sad, None)]
    assert all((one - other).abs().mean() > 1e-3 for one, other in itertools.combinations(edits, 2))
    torch.testing.assert_close(guided.reconstruct(faces.images), plain.reconstruct(faces.images))
    torch.testing.assert_close(guided.invert(faces.images), plain.invert(faces.images))


def test_a_denoiser_with_codes_can_be_initialised_from_one_without(dependencies, tmp_path):
    """P1 §7: a DDPM that was trained on other faces, then conditioned on the code of an encoder."""
    first = saved(tmp_path, randomised("label_diffusion"))
    kind = system_class("vae_diffusion")
    system = kind(dataclasses.replace(kind.presets["smoke"], **dependencies["vae_diffusion"]))
    initialise_from(system, first)
    pretrained = load_system(first).denoiser.state_dict()
    own = system.denoiser.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in pretrained.items())
    assert {name.partition(".")[0] for name in set(own) - set(pretrained)} == {"code"}
