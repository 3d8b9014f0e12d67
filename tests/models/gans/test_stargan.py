"""StarGAN: the papers' sizes and steps, labels of two domains, P2's variants, and what training does."""

import dataclasses
import shutil
from functools import partial

import pytest
import torch
from tiny_gans import awake
from torch import nn

from facekit.faces.emotions import NEUTRAL, PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.losses.perceptual import feature_distance
from facekit.models.gans import stargan as module
from facekit.models.gans.adversarial import Collapsed
from facekit.models.gans.joint_label import JointLabels
from facekit.models.gans.stargan import VARIANTS, StarGAN
from facekit.models.label import label_weights
from facekit.models.load import load_system, start_from
from facekit.models.system import Clock
from facekit.training import fit, train
from facekit.training.accelerator import ForwardPrecision
from facekit.weights.store import WeightsCard, read_card, save_weights

TINY = {"width": 4, "groups": 4, "blocks": 1, "discriminator_width": 4, "batch": 8}


def build(profile="smoke", **fields):
    torch.manual_seed(0)
    return StarGAN(dataclasses.replace(StarGAN.presets[profile], **TINY | fields))


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def noise(n, size=48, **known):
    """Pictures of nothing, for what does not look at them."""
    torch.manual_seed(2)
    return Faces(torch.rand(n, 3, size, size) * 2 - 1, emotion=torch.arange(n) % 7, **known)


# ---------------------------------------------------------------------------------------------- the papers' numbers


def test_the_papers_sizes():
    preset = StarGAN.presets["paper"]
    system = StarGAN(preset)
    assert round(count(system.generator) / 1e6, 2) == 8.44
    assert round(count(system.discriminator) / 1e6, 2) == 11.18
    assert system.labels.width == 7
    assert preset.batch == 16 * preset.discriminator_steps
    assert preset.steps * preset.discriminator_steps == 200_000
    rates = {name: optimiser.param_groups[0] for name, optimiser in system.optimisers().items()}
    assert all((group["lr"], group["betas"]) == (1e-4, (0.5, 0.999)) for group in rates.values())
    assert (preset.classes, preset.reconstruction, preset.gradient_penalty) == (1, 10, 10)


@pytest.mark.parametrize("profile", ["laptop", "gpu"])
def test_what_ships_is_small(profile):
    system = StarGAN(StarGAN.presets[profile])
    assert sum(2 * value.numel() for value in system.weights().values()) <= 3.95e6


@pytest.mark.parametrize("initialisation", ["uniform", "he"])
def test_both_networks_start_as_the_preset_says(initialisation):
    system = build(initialisation=initialisation)
    bias = system.discriminator.layers[0].bias
    assert bool(bias.any()) == (initialisation == "uniform")
    weight = system.generator.down[0].conv.weight
    bound = weight[0].numel() ** -0.5
    assert bool((weight.abs() > bound).any()) == (initialisation == "he")


# ------------------------------------------------------------------------------------------------------- training


def test_the_discriminator_steps_on_shares_of_the_batch_and_then_the_generator():
    system = build(discriminator_steps=3, adversarial="wasserstein", gradient_penalty=10.0, r1=0.0, targets="permuted")
    shares = []
    system.discriminator.register_forward_hook(lambda _, args, __: shares.append(len(args[0])))
    steps = list(system.training_step(noise(9), Clock(0, 1)))
    assert [name for name, _, _ in steps] == ["discriminator"] * 3 + ["generator"]
    assert shares == [6, 6, 6, 3]  # real and made ones, then the made ones of the last share
    for name, loss, _ in steps:
        loss.backward(inputs=list(system.get_submodule(name).parameters()))
        # but for the last bias: scores and classes are of all, and Wasserstein's loss does not see the level
        assert all(p.grad is not None for p in system.get_submodule(name).parameters())


def test_losses_are_weighed_as_the_preset_says():
    system = build(classes=2.0, classes_in_generator=5.0, reconstruction=7.0, residual=3.0, r1=0.4, r1_every=5)
    (_, critic, told), (_, maker, terms) = system.training_step(noise(8), Clock(5, 10))
    assert told["discriminator/penalty"] > 0
    expected = told["discriminator/adversarial"] + 2 * told["discriminator/classes"] + told["discriminator/penalty"]
    torch.testing.assert_close(critic, expected)
    name = "generator/{}".format
    expected = terms[name("adversarial")] + 5 * terms[name("classes")]
    expected = expected + 7 * terms[name("reconstruction")] + 3 * terms[name("change")]
    torch.testing.assert_close(maker, expected)


def test_a_face_is_judged_with_its_label_where_the_preset_says_so():
    faces, asked = noise(8), []
    for conditional in (True, False):
        system = build(conditional=conditional)
        system.discriminator.register_forward_hook(lambda _, args, __: asked.append(args[1]))
        list(system.training_step(faces, Clock(1, 10)))
        together, of_made = asked[-2:]
        if not conditional:
            assert together is None
            assert of_made is None
            continue
        assert torch.equal(together[:8], system.told(system.labels.of_faces(faces)[:2]))
        assert torch.equal(together[8:], of_made)
        other = system.discriminator.scores(faces.images, together[:8].roll(1, 0))
        assert not torch.allclose(other, system.discriminator.scores(faces.images, together[:8]))


def test_r1_is_lazy_and_as_many_times_as_heavy():
    system = build(r1=0.4, r1_every=5)
    real = noise(4).images
    penalties = [
        system.slope_penalty(system.discriminator.scores, real, real, Clock(step, 10)).item() for step in range(6)
    ]
    assert [penalty > 0 for penalty in penalties] == [True, False, False, False, False, True]
    often = build(r1=0.4, r1_every=1)
    assert penalties[0] == pytest.approx(
        5 * often.slope_penalty(often.discriminator.scores, real, real, Clock(0, 10)).item(), rel=1e-5
    )


def test_penalties_are_computed_in_single_precision():
    system = build(r1=1.0, gradient_penalty=10.0)
    real, made = noise(8).images.split(4)

    def both():
        torch.manual_seed(0)
        penalty = system.slope_penalty(system.discriminator.scores, real, made, Clock(0, 1))
        slopes = torch.autograd.grad(penalty, system.discriminator.layers[0].weight)[0]
        return penalty, slopes, system.discriminator(real)[0]

    penalty, slopes, scores = both()
    with ForwardPrecision([system], torch.device("cpu"), torch.bfloat16):
        again, again_slopes, half = both()
    assert torch.equal(penalty, again)
    assert torch.equal(slopes, again_slopes)
    assert not torch.equal(scores, half)


def test_features_take_the_pixels_place_part_of_the_way():
    system = build(features_from=0.4)
    images = noise(4).images
    back = (images + 0.1).requires_grad_()
    pixels, before = system._reconstruction(images, back, Clock(39, 100))
    assert torch.equal(pixels, before)
    same, after = system._reconstruction(images, back, Clock(40, 100))
    assert torch.equal(pixels, same)
    expected = feature_distance(system.discriminator.maps(images, 4), system.discriminator.maps(back, 4))
    torch.testing.assert_close(after, expected)
    assert torch.autograd.grad(after, back)[0].any()
    never = build(features_from=None)
    assert torch.equal(*never._reconstruction(images, back, Clock(99, 100)))


def test_what_is_seen_is_augmented_and_gradients_pass():
    images = noise(4).images.requires_grad_()
    assert build().seen(images) is images
    system = build(discriminator_augment="affine_erase")
    torch.manual_seed(0)
    one = system.seen(images)
    torch.manual_seed(0)
    assert torch.equal(one, system.seen(images))  # drawn from the global generator, which the loop seeds
    assert not torch.allclose(one, images)
    assert torch.autograd.grad(one.sum(), images)[0].abs().sum() > 0
    with pytest.raises(ValueError, match="seen is 'blurred'; known are"):
        build(discriminator_augment="blurred")


def test_faces_without_a_label_are_left_out():
    faces = noise(8)
    hidden = dataclasses.replace(faces, emotion=torch.tensor([-1, -1, 0, 1, 2, 3, -1, 7]))
    system, sizes = build(), []
    system.generator.register_forward_hook(lambda _, args, __: sizes.append(len(args[0])))
    list(system.training_step(hidden, Clock(0, 1)))
    assert sizes == [4, 4]  # there and back
    with pytest.raises(ValueError, match="labelled faces"):
        list(system.training_step(Faces(faces.images), Clock(0, 1)))


def test_a_residual_generator_starts_by_changing_nothing():
    faces = noise(2)
    assert torch.equal(build().edit(faces, Expression.of("happy")), faces.images)
    assert not torch.allclose(build(skips="none").edit(faces, Expression.of("happy")), faces.images, atol=0.1)


def test_it_learns(drawn):
    preset = dataclasses.replace(StarGAN.presets["smoke"], steps=30, skips="none", reconstruction=10.0)
    system = StarGAN(preset)
    records = list(fit(system, drawn, profile="smoke"))

    def mean(name, part):
        return sum(record.scalars[name] for record in part) / len(part)

    assert mean("discriminator/classes", records[-5:]) < 0.9 * mean("discriminator/classes", records[:3])
    assert mean("generator/reconstruction", records[-5:]) < 0.75 * mean("generator/reconstruction", records[:3])


@pytest.mark.parametrize("how", ["ours", "paper"])
def test_a_resumed_run_ends_in_the_same_bits(how, resumed_in_the_same_bits):
    fields = {"steps": 4, "checkpoint_every": 2, "discriminator_augment": "affine_erase"}
    if how == "paper":
        fields |= {"adversarial": "wasserstein", "gradient_penalty": 10.0, "discriminator_steps": 2, "dropout": "ends"}
    # Dropout's draws, too, are those of the step.
    resumed_in_the_same_bits(partial(build, **fields))


# ------------------------------------------------------------------------------------------------------- collapse


def test_it_stops_where_every_face_gets_the_same_picture():
    system = build(skips="none")
    nn.init.zeros_(system.generator.last.weight)
    for step in range(148):
        next(system.training_step(noise(8), Clock(step, 200)))
    with pytest.raises(Collapsed, match=r"step 149 of stargan: the generator has collapsed"):  # 0.98^149 < 1 / 20
        next(system.training_step(noise(8), Clock(148, 200)))


def test_it_goes_on_where_faces_differ():
    system = build()
    for step in range(200):
        system.watch.observe(noise(8).images, 0.2 * noise(8).images, torch.randn(16), Clock(step, 200), "stargan")
    assert system.watch.variety.item() == pytest.approx(0.2, abs=0.02)


def test_it_stops_where_the_discriminator_says_the_same_of_all():
    system = build()
    nn.init.zeros_(system.discriminator.source.weight)
    system.watch.spread.fill_(1.01e-3)
    next(build().training_step(noise(8), Clock(0, 1)))  # an honest one goes on
    with pytest.raises(Collapsed, match="the discriminator has collapsed"):
        next(system.training_step(noise(8), Clock(0, 1)))


# ------------------------------------------------------------------------------------------------ labels and edits


def test_intensity_is_a_blend_with_neutral():
    system, faces = awake(build()), noise(2)
    half = system.edit(faces, Expression.of("happy", 0.5))
    blend = system.edit(faces, Expression.blend({"happy": 1, "neutral": 1}))
    torch.testing.assert_close(half, blend)
    assert not torch.allclose(half, system.edit(faces, Expression.of("happy")), atol=1e-4)


@pytest.fixture(scope="module")
def joint():
    return awake(build(cartoon_emotions=PROTOCOL_EMOTIONS, cross_domain=True))


def test_fourteen_answers_a_face(joint):
    assert joint.labels.width == 7 + 7 + 2
    asked = [Expression.of(name).with_domain(domain) for domain in ("photo", "cartoon") for name in PROTOCOL_EMOTIONS]
    answers = joint.edit(noise(1)[[0] * 14], Expression.cat(asked)).flatten(1)
    apart = torch.cdist(answers, answers) + torch.eye(14)
    assert apart.min() > 1e-3
    with pytest.raises(UnsupportedExpression, match="domain"):
        build().edit(noise(1), Expression.of("happy").with_domain("cartoon"))


def test_without_a_domain_a_faces_own_is_meant(joint):
    faces = noise(2, domain=torch.tensor([0, 1]))
    edited = joint.edit(faces, Expression.of("happy"))
    asked = Expression.cat([Expression.of("happy").with_domain(domain) for domain in ("photo", "cartoon")])
    assert torch.equal(edited, joint.edit(faces, asked))


def test_the_mask_says_which_label_counts():
    labels = JointLabels([("happy", "neutral"), ("fear", "neutral", "sad")])
    assert labels.emotions == ("happy", "neutral", "fear", "sad")
    weights = torch.tensor([[0.5, 0.5, 0, 0], [0, 0.25, 0.75, 0]])
    vector = labels.vector(weights, torch.tensor([0, 1]))
    assert vector.tolist() == [[0.5, 0.5, 0, 0, 0, 1, 0], [0, 0, 0.75, 0.25, 0, 0, 1]]
    assert JointLabels([("happy", "sad")]).vector(weights[:, :2], torch.tensor([0, 0])).shape == (2, 2)


def test_partly_different_labels():
    labels = JointLabels([("happy", "neutral"), ("fear", "neutral")])
    photo, cartoon = (Faces(torch.zeros(1, 3, 8, 8), domain=torch.tensor([d])) for d in (0, 1))
    # An emotion that the face's own domain has not learned is taken from the one that has.
    assert labels.of_expression(Expression.of("fear"), photo, "it")[1].tolist() == [1]
    assert labels.of_expression(Expression.of("happy"), cartoon, "it")[1].tolist() == [0]
    assert labels.of_expression(Expression.neutral(), cartoon, "it")[1].tolist() == [1]
    with pytest.raises(UnsupportedExpression, match=r"it has learned happy, neutral of photo faces.* asked for fear"):
        labels.of_expression(Expression.of("fear").with_domain("photo"), photo, "it")
    with pytest.raises(UnsupportedExpression, match="happy, fear"):
        labels.of_expression(Expression.blend({"happy": 1, "fear": 1}), photo, "it")
    # Known are only faces whose label belongs to their domain.
    emotion = torch.tensor([3, 2, 3, 2])
    faces = Faces(torch.zeros(4, 3, 8, 8), emotion=emotion, domain=torch.tensor([0, 0, 1, 1]))
    assert labels.of_faces(faces)[2].tolist() == [True, False, False, True]


def test_only_emotions_of_the_domain_compete():
    labels = JointLabels([("happy", "neutral"), ("fear", "neutral")])  # happy, neutral, fear
    logits = torch.tensor([[0.0, 0.0, 9.0]])
    happy = torch.tensor([[1.0, 0, 0]])
    assert labels.loss(logits, happy, torch.tensor([0])).item() == pytest.approx(torch.tensor(2.0).log().item())
    blend = torch.tensor([[0.25, 0.75, 0]])
    best = torch.cat([blend[:, :2].log(), torch.zeros(1, 1)], 1).requires_grad_()
    loss = labels.loss(best, blend, torch.tensor([0]))
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert torch.autograd.grad(loss, best)[0].abs().max() < 1e-6


def test_targets():
    labels = JointLabels([PROTOCOL_EMOTIONS, ("happy", "neutral")])
    torch.manual_seed(0)
    domain = torch.arange(400) % 2
    weights, same = labels.drawn(domain, partial=0.5)
    assert torch.equal(same, domain)
    torch.testing.assert_close(weights.sum(1), torch.ones(400))
    known = labels.known()[domain]
    assert not (weights[~known] > 0).any()
    happy = weights[domain == 1][:, labels.emotions.index("happy")]
    assert 0.3 < (happy > 0).float().mean() < 0.7
    assert 0.05 < ((weights > 0).sum(1) == 2).float().mean() < 0.6  # some are blended with neutral
    assert labels.drawn(domain, partial=0.0)[0].max(1).values.eq(1).all()
    often = labels.drawn(domain[::2], 0.0, neutral=0.5)[0][:, labels.emotions.index("neutral")]
    assert 0.4 < often.mean() < 0.6
    assert 0.3 < (labels.drawn(domain, 0.5, cross=True)[1] != domain).float().mean() < 0.7
    permuted, same = labels.permuted(weights, domain)
    for i in (0, 1):  # the same labels, in another order
        rows = [sorted(w[domain == i].tolist()) for w in (weights, permuted)]
        assert rows[0] == rows[1]
    assert not torch.equal(weights, permuted)


def test_the_domain_is_told_apart_where_faces_cross_over(joint):
    assert joint.discriminator.classes.out_channels == 7 + 2
    faces = noise(8, domain=torch.arange(8) % 2)
    [_, (_, _, told)] = joint.training_step(faces, Clock(1, 10))
    assert told["generator/classes"] > 0
    with pytest.raises(ValueError, match="cross_domain needs cartoon_emotions"):
        build(cross_domain=True)


# ------------------------------------------------------------------------------------------------------- a teacher


class Darkener(StarGAN):
    """Knows grey faces of 32 pixels, and darkens them as strongly as they are to show something."""

    def _edit(self, faces, expression, source, seed):
        self.asked = expression
        strength = 1 - expression.intensity_to_weights().emotion[:, NEUTRAL]
        return faces.images - strength[:, None, None, None]


@pytest.fixture
def darkener(monkeypatch):
    teacher = Darkener(dataclasses.replace(StarGAN.presets["smoke"], **TINY | {"size": 32}), channels=1)
    monkeypatch.setattr(module, "load_system", lambda name: {"a darkener": teacher}[name])
    return teacher


def test_a_teacher_is_asked_for_the_targets_in_its_own_size_and_colour(darkener):
    system = build(teacher="a darkener", distillation=2.0)
    images = torch.full((3, 3, 48, 48), 0.5)
    asked = Expression.of(["happy", "sad", "neutral"], [1.0, 0.4, 1.0])
    taught = system.taught(
        images, (label_weights(asked, PROTOCOL_EMOTIONS, "a test"), torch.zeros(3, dtype=torch.long))
    )
    assert taught.shape == images.shape
    torch.testing.assert_close(taught[:, 0, 0, 0], torch.tensor([-0.5, 0.1, 0.5]), atol=1e-5, rtol=0)
    assert darkener.asked.intensity.tolist() == pytest.approx([1.0, 0.4, 1.0])


def test_what_the_teacher_makes_is_learned(drawn, darkener):
    system = build(teacher="a darkener", distillation=100.0, width=8, batch=16, steps=60)
    missed = [record.scalars["generator/imitation"] for record in fit(system, drawn, profile="smoke")]
    assert sum(missed[-5:]) < 0.5 * sum(missed[:5])
    assert not any("guidance_networks" in name for name in system.state_dict())


def test_imitation_is_weighed_as_the_preset_says(darkener):
    losses, told = [], []
    for weight in (1.0, 3.0):
        system = build(teacher="a darkener", distillation=weight)
        torch.manual_seed(3)
        *_, (_, loss, terms) = system.training_step(noise(8), Clock(1, 10))
        losses.append(loss)
        told.append(terms["generator/imitation"])
    torch.testing.assert_close(told[1], 3 * told[0])
    torch.testing.assert_close(losses[1] - losses[0], told[1] - told[0])


def test_weights_name_their_teacher_and_do_without_it(tmp_path):
    shared = {"profile": "smoke", "progress": False}
    path = train("stargan", **shared, out=tmp_path / "teacher", overrides=TINY | {"steps": 1})
    taught = TINY | {"steps": 1, "teacher": str(path), "imitation": 1.0}
    learned = train("stargan", **shared, out=tmp_path / "pupil", overrides=taught)
    assert read_card(learned).requires == {str(path): read_card(path).sha256}
    shutil.rmtree(path.parent)
    load_system(learned)


def test_a_reader_says_how_far_edits_are_from_being_read_as_asked(tmp_path):
    shared = {"profile": "smoke", "progress": False}
    path = train("emotion_cnn", **shared, out=tmp_path, overrides={"steps": 1})
    losses, told = [], []
    for weight in (1.0, 3.0):
        system = awake(build(classifier=str(path), classifier_weight=weight))
        torch.manual_seed(3)
        *_, (_, loss, terms) = system.training_step(noise(8), Clock(1, 10))
        losses.append(loss)
        told.append(terms["generator/reading"])
    torch.testing.assert_close(told[1], 3 * told[0])
    torch.testing.assert_close(losses[1] - losses[0], told[1] - told[0])
    told[0].backward()
    assert system.guidance_network("classifier").name == "emotion_cnn"
    assert not any("guidance_networks" in name for name in system.state_dict())


def test_a_grey_generator_begins_as_the_colour_one_of_the_same_weights(tmp_path):
    colour = awake(build())
    path, preset = tmp_path / "weights.safetensors", dataclasses.asdict(colour.preset)
    card = WeightsCard(colour.name, "smoke", preset, channels=3, data={}, steps=0)
    save_weights(path, colour.weights(), card, half=False)
    grey = StarGAN(colour.preset, channels=1)
    assert start_from(grey, path) == len(colour.weights())
    faces, label = noise(3).gray(), torch.eye(7)[:3]
    with torch.no_grad():
        change = grey.generator(faces.images, label) - faces.images
        by_channel = colour.generator(faces.rgb().images, label) - faces.rgb().images
    torch.testing.assert_close(change.atanh(), by_channel.atanh().mean(1, keepdim=True), atol=1e-5, rtol=1e-3)


def test_from_nothing_trains_no_teacher_that_nobody_asked_for(tmp_path):
    overrides = TINY | {"steps": 1}
    train("stargan", profile="smoke", progress=False, from_scratch=True, out=tmp_path, overrides=overrides)
    assert not (tmp_path / "teacher").exists()
    assert read_card(tmp_path / "weights.safetensors").requires == {}


# ------------------------------------------------------------------------------------------------- P2's six variants


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_edit_and_a_face_does_not_depend_on_its_batch(name):
    system, faces = awake(build(**VARIANTS[name])), noise(3)
    edited = system.edit(faces, Expression.of("sad"), seed=[4, 5, 6])
    torch.testing.assert_close(system.edit(faces[[1]], Expression.of("sad"), seed=[5]), edited[[1]], atol=1e-4, rtol=0)
    other = system.edit(faces, Expression.of("sad"), seed=[7, 8, 9])
    assert torch.equal(edited, other) == (VARIANTS[name].get("dropout", "none") == "none")
    assert [name for name, _, _ in system.training_step(noise(8), Clock(9, 10))] == ["discriminator", "generator"]


def test_the_variants_are_those_of_table_2():
    presets = {name: dataclasses.replace(StarGAN.presets["paper"], **fields) for name, fields in VARIANTS.items()}
    assert len({(p.skips, p.dropout, p.slope, p.features_from) for p in presets.values()}) == 6
    assert presets["stargan"] == StarGAN.presets["paper"]
    assert all((p.slope > 0) == (p.dropout != "none") for p in presets.values())
    # 40 epochs of FER-2013's 28,709 faces
    assert presets["features"].features_from == pytest.approx(40 * 28_709 / 16 / 200_000, abs=0.005)


def test_dropout_drops_half_and_keeps_the_mean():
    system = build(dropout="ends", drop=0.5)
    drop = system._dropping([1, 2], 2)
    dropped = drop(torch.ones(2, 8, 16, 16))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)
    assert not torch.equal(dropped[0], dropped[1])
    assert not torch.equal(dropped, drop(torch.ones(2, 8, 16, 16)))  # the next layer draws anew
