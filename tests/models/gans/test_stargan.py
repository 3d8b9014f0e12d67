"""StarGAN: the paper's sizes, training, collapse, labels of two domains, distillation, P2's variants."""

import dataclasses
import shutil
import warnings
from functools import partial

import pytest
import torch
from tiny_gans import randomised
from torch import nn

from facekit.faces.emotions import NEUTRAL, PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.losses.perceptual import feature_distance
from facekit.models.gans.adversarial import Collapsed
from facekit.models.gans.joint_label import JointLabels
from facekit.models.gans.stargan import StarGAN
from facekit.models.gans.stargan_variants import VARIANTS
from facekit.models.label import label_weights
from facekit.models.load import initialise_from, load_system
from facekit.models.precision import ForwardPrecision
from facekit.models.system import CannotTrain, Clock
from facekit.training import fit, train
from facekit.weights.store import WeightsCard, read_card, save_weights

TINY = {"width": 4, "groups": 4, "blocks": 1, "discriminator_width": 4, "batch": 8}


def build(profile="smoke", **fields):
    torch.manual_seed(0)
    return StarGAN(dataclasses.replace(StarGAN.presets[profile], **TINY | fields))


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def noise(n, size=48, **fields):
    """Random images with emotion labels, for tests in which the content does not matter."""
    torch.manual_seed(2)
    return Faces(torch.rand(n, 3, size, size) * 2 - 1, emotion=torch.arange(n) % 7, **fields)


# ------------------------------------------------------------------------------------------------ the paper's sizes


def test_paper_preset_has_the_papers_sizes_and_rates():
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
def test_weights_take_less_than_4_megabytes(profile):
    system = StarGAN(StarGAN.presets[profile])
    assert sum(2 * value.numel() for value in system.weights().values()) <= 3.95e6


@pytest.mark.parametrize("initialisation", ["uniform", "he"])
def test_both_networks_are_initialised_by_the_presets_scheme(initialisation):
    system = build(initialisation=initialisation)
    bias = system.discriminator.layers[0].bias
    assert bool(bias.any()) == (initialisation == "uniform")
    weight = system.generator.down[0].conv.weight
    bound = weight[0].numel() ** -0.5
    assert bool((weight.abs() > bound).any()) == (initialisation == "he")


# ------------------------------------------------------------------------------------------------------- training


def test_discriminator_steps_on_shares_of_the_batch_precede_the_generator_step():
    system = build(discriminator_steps=3, adversarial="wasserstein", gradient_penalty=10.0, r1=0.0, targets="permuted")
    shares = []
    system.discriminator.register_forward_hook(lambda _, args, __: shares.append(len(args[0])))
    steps = list(system.training_step(noise(9), Clock(0, 1)))
    assert [name for name, _, _ in steps] == ["discriminator"] * 3 + ["generator"]
    assert shares == [6, 6, 6, 3]  # real and generated images, then the generated ones of the last share
    for name, loss, _ in steps:
        loss.backward(inputs=list(system.get_submodule(name).parameters()))
        assert all(p.grad is not None for p in system.get_submodule(name).parameters())


def test_losses_are_the_weighted_sums_of_their_terms():
    system = build(classes=2.0, classes_in_generator=5.0, reconstruction=7.0, residual=3.0, r1=0.4, r1_every=5)
    (_, discriminator, d), (_, generator, g) = system.training_step(noise(8), Clock(5, 10))
    assert d["discriminator/penalty"] > 0
    expected = d["discriminator/adversarial"] + 2 * d["discriminator/classes"] + d["discriminator/penalty"]
    torch.testing.assert_close(discriminator, expected)
    expected = g["generator/adversarial"] + 5 * g["generator/classes"]
    expected = expected + 7 * g["generator/reconstruction"] + 3 * g["generator/change"]
    torch.testing.assert_close(generator, expected)


def test_a_conditional_discriminator_receives_source_and_target_labels():
    system, faces, labels = build(conditional=True), noise(8), []
    system.discriminator.register_forward_hook(lambda _, args, __: labels.append(args[1]))
    list(system.training_step(faces, Clock(1, 10)))
    in_discriminator_step, in_generator_step = labels
    source = in_discriminator_step[:8]
    assert torch.equal(source, system.condition_vector(system.labels.from_faces(faces)[:2]))
    assert torch.equal(in_discriminator_step[8:], in_generator_step)
    scores = system.discriminator.scores(faces.images, source)
    assert not torch.allclose(system.discriminator.scores(faces.images, source.roll(1, 0)), scores)


def test_an_unconditional_discriminator_receives_no_labels():
    system, labels = build(conditional=False), []
    system.discriminator.register_forward_hook(lambda _, args, __: labels.append(args[1]))
    list(system.training_step(noise(8), Clock(1, 10)))
    assert labels == [None, None]


def test_the_discriminator_can_receive_high_frequencies():
    channels = [
        build(discriminator_high_frequencies=given).discriminator.layers[0].in_channels for given in (False, True)
    ]
    assert channels == [3, 6]


def test_lazy_r1_is_computed_every_k_steps_with_k_times_the_weight():
    real = noise(4).images

    def penalty(system, step):
        return system.gradient_penalties(system.discriminator.scores, real, real, Clock(step, 10)).item()

    lazy, every_step = build(r1=0.4, r1_every=5), build(r1=0.4, r1_every=1)
    penalties = [penalty(lazy, step) for step in range(6)]
    assert [value > 0 for value in penalties] == [True, False, False, False, False, True]
    assert penalties[0] == pytest.approx(5 * penalty(every_step, 0), rel=1e-5)


def test_penalties_are_computed_in_single_precision():
    system = build(r1=1.0, gradient_penalty=10.0)
    real, generated = noise(8).images.split(4)

    def penalty_gradient_and_scores():
        torch.manual_seed(0)
        penalty = system.gradient_penalties(system.discriminator.scores, real, generated, Clock(0, 1))
        gradient = torch.autograd.grad(penalty, system.discriminator.layers[0].weight)[0]
        return penalty, gradient, system.discriminator(real)[0]

    penalty, gradient, scores = penalty_gradient_and_scores()
    with ForwardPrecision([system], torch.device("cpu"), torch.bfloat16):
        penalty_in_bf16, gradient_in_bf16, scores_in_bf16 = penalty_gradient_and_scores()
    assert torch.equal(penalty, penalty_in_bf16)
    assert torch.equal(gradient, gradient_in_bf16)
    assert not torch.equal(scores, scores_in_bf16)


def test_the_reconstruction_loss_switches_from_pixels_to_features():
    system = build(features_from=0.4)
    images = noise(4).images
    cycled = (images + 0.1).requires_grad_()
    pixels, loss_before = system._reconstruction(images, cycled, Clock(39, 100))
    assert torch.equal(pixels, loss_before)
    same_pixels, loss_after = system._reconstruction(images, cycled, Clock(40, 100))
    assert torch.equal(pixels, same_pixels)
    expected = feature_distance(system.discriminator.maps(images, 4), system.discriminator.maps(cycled, 4))
    torch.testing.assert_close(loss_after, expected)
    assert torch.autograd.grad(loss_after, cycled)[0].any()
    never = build(features_from=None)
    assert torch.equal(*never._reconstruction(images, cycled, Clock(99, 100)))


def test_discriminator_augmentation_is_differentiable_and_seeded():
    images = noise(4).images.requires_grad_()
    assert build().augmented(images) is images
    system = build(discriminator_augment="affine_erase")
    torch.manual_seed(0)
    augmented = system.augmented(images)
    torch.manual_seed(0)
    assert torch.equal(augmented, system.augmented(images))  # drawn from the global generator, which the loop seeds
    assert not torch.allclose(augmented, images)
    assert torch.autograd.grad(augmented.sum(), images)[0].abs().sum() > 0
    with pytest.raises(ValueError, match="discriminator_augment is 'blurred'; it must be one of none"):
        build(discriminator_augment="blurred")


def test_training_ignores_unlabelled_faces_and_raises_without_labelled_ones():
    faces = noise(8)
    partly_labelled = dataclasses.replace(faces, emotion=torch.tensor([-1, -1, 0, 1, 2, 3, -1, 7]))
    system, sizes = build(), []
    system.generator.register_forward_hook(lambda _, args, __: sizes.append(len(args[0])))
    list(system.training_step(partly_labelled, Clock(0, 1)))
    assert sizes == [4, 4]  # to the target and back
    with pytest.raises(CannotTrain, match="labelled faces"):
        list(system.training_step(Faces(faces.images), Clock(0, 1)))


def test_a_residual_generator_starts_as_the_identity():
    faces = noise(2)
    assert torch.equal(build().edit(faces, Expression.of("happy")), faces.images)
    assert not torch.allclose(build(skips="none").edit(faces, Expression.of("happy")), faces.images, atol=0.1)


def test_training_lowers_the_classification_and_reconstruction_losses(drawn):
    preset = dataclasses.replace(StarGAN.presets["smoke"], steps=30, skips="none", reconstruction=10.0)
    system = StarGAN(preset)
    records = list(fit(system, drawn, profile="smoke"))

    def mean(name, part):
        return sum(record.scalars[name] for record in part) / len(part)

    assert mean("discriminator/classes", records[-5:]) < 0.9 * mean("discriminator/classes", records[:3])
    assert mean("generator/reconstruction", records[-5:]) < 0.75 * mean("generator/reconstruction", records[:3])


@pytest.mark.parametrize("setting", ["ours", "paper"])
def test_a_resumed_run_is_bitwise_identical_to_an_uninterrupted_one(setting, resumed_in_the_same_bits):
    fields = {"steps": 4, "checkpoint_every": 2, "discriminator_augment": "affine_erase"}
    if setting == "paper":
        fields |= {"adversarial": "wasserstein", "gradient_penalty": 10.0, "discriminator_steps": 2, "dropout": "ends"}

    resumed_in_the_same_bits(partial(build, **fields))


# ------------------------------------------------------------------------------------------------------- collapse


def test_training_stops_when_all_generated_images_are_equal():
    system = build(skips="none")
    nn.init.zeros_(system.generator.last.weight)
    for step in range(148):
        next(system.training_step(noise(8), Clock(step, 200)))
    with pytest.raises(Collapsed, match=r"step 149 of stargan: the generator has collapsed"):  # 0.98^149 < 0.05
        next(system.training_step(noise(8), Clock(148, 200)))


def test_training_continues_while_generated_images_differ():
    system = build()
    for step in range(200):
        system.watch.observe(noise(8).images, 0.2 * noise(8).images, torch.randn(16), Clock(step, 200), "stargan")
    assert system.watch.diversity.item() == pytest.approx(0.2, abs=0.02)


def test_a_discriminator_at_chance_is_named_once():
    watch, images = build().watch, noise(8).images
    step = lambda: watch.observe(images, images, torch.tensor([1.0, -1.0] * 8), Clock(300, 900), "stargan")  # noqa: E731
    with pytest.warns(UserWarning, match="step 301 of stargan: the discriminator is at chance") as warned:
        [step() for _ in range(400)]
    assert len(warned) == 1
    better = build().watch
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(400):  # from better than chance to worse, which passes 0
            better.observe(images, images, torch.tensor([-1.0] * 8 + [1.0] * 8), Clock(300, 900), "stargan")


def test_training_stops_when_all_scores_of_the_discriminator_are_equal():
    system = build()
    nn.init.zeros_(system.discriminator.source.weight)
    system.watch.score_std.fill_(1.01e-3)
    next(build().training_step(noise(8), Clock(0, 1)))  # an intact discriminator does not stop the training
    with pytest.raises(Collapsed, match="the discriminator has collapsed"):
        next(system.training_step(noise(8), Clock(0, 1)))


# ------------------------------------------------------------------------------------------------ labels and edits


def test_an_intensity_is_edited_as_a_blend_with_neutral():
    system, faces = randomised(build()), noise(2)
    half = system.edit(faces, Expression.of("happy", 0.5))
    blend = system.edit(faces, Expression.blend({"happy": 1, "neutral": 1}))
    torch.testing.assert_close(half, blend)
    assert not torch.allclose(half, system.edit(faces, Expression.of("happy")), atol=1e-4)


@pytest.fixture(scope="module")
def joint():
    return randomised(build(cartoon_emotions=PROTOCOL_EMOTIONS, cross_domain=True))


def test_joint_training_gives_fourteen_different_edits_of_a_face(joint):
    assert joint.labels.width == 7 + 7 + 2
    targets = [Expression.of(name).with_domain(domain) for domain in ("photo", "cartoon") for name in PROTOCOL_EMOTIONS]
    edits = joint.edit(noise(1)[[0] * 14], Expression.cat(targets)).flatten(1)
    distances = torch.cdist(edits, edits) + torch.eye(14)
    assert distances.min() > 1e-3
    with pytest.raises(UnsupportedExpression, match="domain"):
        build().edit(noise(1), Expression.of("happy").with_domain("cartoon"))


def test_an_expression_without_a_domain_means_the_faces_own(joint):
    faces = noise(2, domain=torch.tensor([0, 1]))
    edited = joint.edit(faces, Expression.of("happy"))
    explicit = Expression.cat([Expression.of("happy").with_domain(domain) for domain in ("photo", "cartoon")])
    assert torch.equal(edited, joint.edit(faces, explicit))


def test_label_vectors_have_a_part_per_domain_and_a_mask():
    labels = JointLabels([("happy", "neutral"), ("fear", "neutral", "sad")])
    assert labels.emotions == ("happy", "neutral", "fear", "sad")
    weights = torch.tensor([[0.5, 0.5, 0, 0], [0, 0.25, 0.75, 0]])
    vector = labels.vector(weights, torch.tensor([0, 1]))
    assert vector.tolist() == [[0.5, 0.5, 0, 0, 0, 1, 0], [0, 0, 0.75, 0.25, 0, 0, 1]]
    assert JointLabels([("happy", "sad")]).vector(weights[:, :2], torch.tensor([0, 0])).shape == (2, 2)


def test_labels_of_domains_with_partly_different_emotions():
    labels = JointLabels([("happy", "neutral"), ("fear", "neutral")])
    photo, cartoon = (Faces(torch.zeros(1, 3, 8, 8), domain=torch.tensor([d])) for d in (0, 1))
    # An emotion that the face's own domain is not labelled with selects the domain that is.
    assert labels.from_expression(Expression.of("fear"), photo, "it")[1].tolist() == [1]
    assert labels.from_expression(Expression.of("happy"), cartoon, "it")[1].tolist() == [0]
    assert labels.from_expression(Expression.neutral(), cartoon, "it")[1].tolist() == [1]
    message = r"it was trained on happy, neutral for photo faces, but the target of face 0 is fear"
    with pytest.raises(UnsupportedExpression, match=message):
        labels.from_expression(Expression.of("fear").with_domain("photo"), photo, "it")
    with pytest.raises(UnsupportedExpression, match="happy, fear"):
        labels.from_expression(Expression.blend({"happy": 1, "fear": 1}), photo, "it")
    # Only faces whose label belongs to their domain count as labelled.
    emotion = torch.tensor([3, 2, 3, 2])
    faces = Faces(torch.zeros(4, 3, 8, 8), emotion=emotion, domain=torch.tensor([0, 0, 1, 1]))
    assert labels.from_faces(faces)[2].tolist() == [True, False, False, True]


def test_the_class_loss_is_a_softmax_over_the_emotions_of_the_domain():
    labels = JointLabels([("happy", "neutral"), ("fear", "neutral")])  # happy, neutral, fear
    logits = torch.tensor([[0.0, 0.0, 9.0]])
    happy = torch.tensor([[1.0, 0, 0]])
    assert labels.loss(logits, happy, torch.tensor([0])).item() == pytest.approx(torch.tensor(2.0).log().item())
    blend = torch.tensor([[0.25, 0.75, 0]])
    optimum = torch.cat([blend[:, :2].log(), torch.zeros(1, 1)], 1).requires_grad_()
    loss = labels.loss(optimum, blend, torch.tensor([0]))
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert torch.autograd.grad(loss, optimum)[0].abs().max() < 1e-6


def test_random_and_permuted_targets():
    labels = JointLabels([PROTOCOL_EMOTIONS, ("happy", "neutral")])
    torch.manual_seed(0)
    domain = torch.arange(400) % 2
    weights, target_domain = labels.random_targets(domain, partial=0.5)
    assert torch.equal(target_domain, domain)
    torch.testing.assert_close(weights.sum(1), torch.ones(400))
    mask = labels.emotion_mask()[domain]
    assert not (weights[~mask] > 0).any()
    happy = weights[domain == 1][:, labels.emotions.index("happy")]
    assert 0.3 < (happy > 0).float().mean() < 0.7
    assert 0.05 < ((weights > 0).sum(1) == 2).float().mean() < 0.6  # some are blended with neutral
    assert labels.random_targets(domain, partial=0.0)[0].max(1).values.eq(1).all()
    neutral = labels.random_targets(domain[::2], 0.0, neutral=0.5)[0][:, labels.emotions.index("neutral")]
    assert 0.4 < neutral.mean() < 0.6
    assert 0.3 < (labels.random_targets(domain, 0.5, cross_domain=True)[1] != domain).float().mean() < 0.7
    permuted, _ = labels.permuted_targets(weights, domain)
    for i in (0, 1):  # the same labels, in another order
        rows = [sorted(w[domain == i].tolist()) for w in (weights, permuted)]
        assert rows[0] == rows[1]
    assert not torch.equal(weights, permuted)


def test_the_discriminator_classifies_domains_in_cross_domain_training(joint):
    assert joint.discriminator.classes.out_channels == 7 + 2
    faces = noise(8, domain=torch.arange(8) % 2)
    [_, (_, _, scalars)] = joint.training_step(faces, Clock(1, 10))
    assert scalars["generator/classes"] > 0
    with pytest.raises(ValueError, match="cross_domain needs cartoon_emotions"):
        build(cross_domain=True)


# ---------------------------------------------------------------------------------- distillation and initialisation


class Darkener(StarGAN):
    """A teacher for grey faces of 32 pixels that darkens them in proportion to the target intensity."""

    def _edit(self, faces, expression, source, seed):
        self.last_target = expression
        intensity = 1 - expression.intensity_to_weights().emotion[:, NEUTRAL]
        return faces.images - intensity[:, None, None, None]


@pytest.fixture
def darkener(monkeypatch):
    teacher = Darkener(dataclasses.replace(StarGAN.presets["smoke"], **TINY | {"size": 32}), channels=1)
    monkeypatch.setattr("facekit.models.guided.load_system", lambda name: {"a darkener": teacher}[name])
    return teacher


def test_the_teacher_receives_the_target_labels_and_faces_of_its_own_size_and_channels(darkener):
    system = build(teacher="a darkener", distillation=2.0)
    images = torch.full((3, 3, 48, 48), 0.5)
    target = Expression.of(["happy", "sad", "neutral"], [1.0, 0.4, 1.0])
    edits = system.teacher_edits(
        images, (label_weights(target, PROTOCOL_EMOTIONS, "a test"), torch.zeros(3, dtype=torch.long))
    )
    assert edits.shape == images.shape
    torch.testing.assert_close(edits[:, 0, 0, 0], torch.tensor([-0.5, 0.1, 0.5]), atol=1e-5, rtol=0)
    assert darkener.last_target.intensity.tolist() == pytest.approx([1.0, 0.4, 1.0])


def test_distillation_makes_edits_approach_the_teachers(drawn, darkener):
    system = build(teacher="a darkener", distillation=100.0, width=8, batch=16, steps=60)
    losses = [record.scalars["generator/distillation"] for record in fit(system, drawn, profile="smoke")]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    assert not any("guidance_networks" in name for name in system.state_dict())


def test_the_distillation_loss_has_the_presets_weight(darkener):
    losses, terms = [], []
    for weight in (1.0, 3.0):
        system = build(teacher="a darkener", distillation=weight)
        torch.manual_seed(3)
        *_, (_, loss, scalars) = system.training_step(noise(8), Clock(1, 10))
        losses.append(loss)
        terms.append(scalars["generator/distillation"])
    torch.testing.assert_close(terms[1], 3 * terms[0])
    torch.testing.assert_close(losses[1] - losses[0], terms[1] - terms[0])


def test_weights_name_their_teacher_and_load_without_it(tmp_path):
    shared = {"profile": "smoke", "progress": False}
    path = train("stargan", **shared, out=tmp_path / "teacher", overrides=TINY | {"steps": 1})
    overrides = TINY | {"steps": 1, "teacher": str(path), "distillation": 1.0}
    student = train("stargan", **shared, out=tmp_path / "student", overrides=overrides)
    assert read_card(student).requires == {str(path): read_card(path).sha256}
    shutil.rmtree(path.parent)
    load_system(student)


def test_the_classifiers_loss_has_the_presets_weight_and_gradients(tmp_path):
    shared = {"profile": "smoke", "progress": False}
    path = train("emotion_cnn", **shared, out=tmp_path, overrides={"steps": 1})
    losses, terms = [], []
    for weight in (1.0, 3.0):
        system = randomised(build(classifier=str(path), classifier_weight=weight))
        torch.manual_seed(3)
        *_, (_, loss, scalars) = system.training_step(noise(8), Clock(1, 10))
        losses.append(loss)
        terms.append(scalars["generator/classifier"])
    torch.testing.assert_close(terms[1], 3 * terms[0])
    torch.testing.assert_close(losses[1] - losses[0], terms[1] - terms[0])
    terms[0].backward()
    assert system.guidance_network("classifier").name == "emotion_cnn"
    assert not any("guidance_networks" in name for name in system.state_dict())


def test_a_grey_generator_can_be_initialised_from_colour_weights(tmp_path):
    colour = randomised(build())
    path, preset = tmp_path / "weights.safetensors", dataclasses.asdict(colour.preset)
    card = WeightsCard(colour.name, "smoke", preset, channels=3, data={}, steps=0)
    save_weights(path, colour.weights(), card, half=False)
    grey = StarGAN(colour.preset, channels=1)
    assert initialise_from(grey, path) == len(colour.weights())
    faces, label = noise(3).gray(), torch.eye(7)[:3]
    with torch.no_grad():
        change = grey.generator(faces.images, label) - faces.images
        by_channel = colour.generator(faces.rgb().images, label) - faces.rgb().images
    torch.testing.assert_close(change.atanh(), by_channel.atanh().mean(1, keepdim=True), atol=1e-5, rtol=1e-3)


def test_training_from_scratch_trains_no_teacher_if_the_preset_names_none(tmp_path):
    overrides = TINY | {"steps": 1}
    train("stargan", profile="smoke", progress=False, from_scratch=True, out=tmp_path, overrides=overrides)
    assert not (tmp_path / "teacher").exists()
    assert read_card(tmp_path / "weights.safetensors").requires == {}


# ------------------------------------------------------------------------------------------------- P2's six variants


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_train_and_their_edits_do_not_depend_on_the_batch(name):
    system, faces = randomised(build(**VARIANTS[name])), noise(3)
    edited = system.edit(faces, Expression.of("sad"), seed=[4, 5, 6])
    torch.testing.assert_close(system.edit(faces[[1]], Expression.of("sad"), seed=[5]), edited[[1]], atol=1e-4, rtol=0)
    other_seeds = system.edit(faces, Expression.of("sad"), seed=[7, 8, 9])
    assert torch.equal(edited, other_seeds) == (VARIANTS[name].get("dropout", "none") == "none")
    assert [name for name, _, _ in system.training_step(noise(8), Clock(9, 10))] == ["discriminator", "generator"]


def test_the_variants_are_those_of_p2s_table_2():
    presets = {name: dataclasses.replace(StarGAN.presets["paper"], **fields) for name, fields in VARIANTS.items()}
    assert len({(p.skips, p.dropout, p.slope, p.features_from) for p in presets.values()}) == 6
    assert presets["stargan"] == StarGAN.presets["paper"]
    assert all((p.slope > 0) == (p.dropout != "none") for p in presets.values())
    # 40 epochs of FER-2013's 28,709 faces
    assert presets["features"].features_from == pytest.approx(40 * 28_709 / 16 / 200_000, abs=0.005)


def test_seeded_dropout_drops_half_and_preserves_the_mean():
    system = build(dropout="ends", drop=0.5)
    dropout = system._dropout([1, 2], 2)
    dropped = dropout(torch.ones(2, 8, 16, 16))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)
    assert not torch.equal(dropped[0], dropped[1])
    assert not torch.equal(dropped, dropout(torch.ones(2, 8, 16, 16)))  # a new mask for the next layer
