"""MMA-GAN: the condition z, cycle consistency by the discriminator's estimate, P3's losses, attention, ablation."""

import dataclasses

import pytest
import torch
from tiny_gans import randomised

from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.models.gans.mma_gan import ABLATION, MMAGAN
from facekit.models.label import label_weights
from facekit.models.system import Clock
from facekit.training import fit

TINY = {"width": 4, "groups": 4, "blocks": 1, "scales": 2, "discriminator_width": 4, "batch": 8}
HAPPY = PROTOCOL_EMOTIONS.index("happy")


def build(profile="smoke", **fields):
    torch.manual_seed(0)
    return MMAGAN(dataclasses.replace(MMAGAN.presets[profile], **TINY | fields))


def noise(n, size=48, **fields):
    """Random images with emotion labels."""
    torch.manual_seed(2)
    return Faces(torch.rand(n, 3, size, size) * 2 - 1, emotion=torch.arange(n) % 7, **fields)


def label(expression):
    weights = label_weights(expression, PROTOCOL_EMOTIONS, "a test")
    return weights, torch.zeros(len(weights), dtype=torch.long)


# ---------------------------------------------------------------------------------------------------------- the paper


def test_paper_preset_has_the_papers_sizes():
    preset = MMAGAN.presets["paper"]
    system = build("paper", batch=80, width=preset.width, discriminator_width=8, discriminator_widest=16)
    assert preset.size == 128
    assert system.generator.down[0].conv.in_channels == 6 + 3  # N + 3, for the six basic emotions
    assert system.generator.skips == "global"


@pytest.mark.parametrize("profile", ["laptop", "gpu"])
def test_weights_take_less_than_4_megabytes(profile):
    system = MMAGAN(MMAGAN.presets[profile])
    assert sum(2 * value.numel() for value in system.weights().values()) <= 3.95e6


def test_z_is_the_emotion_times_its_intensity_and_zero_for_neutral():
    z = build().condition_vector(label(Expression.of(["happy", "happy", "neutral", "surprise"], [0.25, 0.0, 1.0, 1.0])))
    columns = [name for name in PROTOCOL_EMOTIONS if name != "neutral"]
    assert z.shape == (4, 6)
    assert z[0].tolist() == [0.25 * (name == "happy") for name in columns]
    assert not z[1].any()
    assert not z[2].any()
    assert z[3].tolist() == [float(name == "surprise") for name in columns]


# -------------------------------------------------------------------------------------------------------- training


def test_losses_are_the_weighted_sums_of_their_terms():
    weighted = build(condition_in_discriminator=2.0, condition_in_generator=3.0, intensity=5.0)
    unweighted = build(condition_in_discriminator=1.0, condition_in_generator=1.0, intensity=1.0)
    faces, logs = noise(8), []
    for system in (weighted, unweighted):
        torch.manual_seed(3)
        (_, discriminator, d), (_, generator, g) = system.training_step(faces, Clock(1, 10))
        logs.append(d | g)
        expected = d["discriminator/adversarial"] + d["discriminator/classes"] + d["discriminator/penalty"]
        expected = expected + d["discriminator/condition"] + d["discriminator/intensity"]
        torch.testing.assert_close(discriminator, expected)
        expected = g["generator/adversarial"] + 3 * g["generator/reconstruction"]
        torch.testing.assert_close(generator, expected + g["generator/condition"] + g["generator/intensity"])
    ratios = {name: (logs[0][name] / logs[1][name]).item() for name in logs[0] if logs[1][name]}
    assert ratios["discriminator/condition"] == pytest.approx(2)
    assert ratios["discriminator/intensity"] == pytest.approx(5)
    assert ratios["generator/condition"] == pytest.approx(3)
    assert ratios["generator/intensity"] == pytest.approx(5)


def test_the_cycle_uses_the_discriminators_estimate_and_not_the_source_label():
    system = randomised(build())
    images = noise(2).images
    source = label(Expression.of(["happy", "sad"]))
    before = system.cycled(images, images, source)
    other_source = label(Expression.of(["fear", "angry"]))
    assert torch.equal(before, system.cycled(images, images, other_source))
    with torch.no_grad():
        system.discriminator.classes.weight.add_(0.3)
    assert not torch.allclose(before, system.cycled(images, images, source))


def test_the_cycle_consistency_loss_has_gradients_for_the_generator_only():
    system = randomised(build())
    images = noise(2).images
    (system.cycled(images, images, label(Expression.of(["happy", "sad"]))) - images).abs().mean().backward()
    assert system.discriminator.classes.weight.grad is None
    assert system.generator.down[0].conv.weight.grad.abs().sum() > 0


def test_training_works_with_dropout_at_the_ends_and_dropout_in_blocks_raises():
    system = randomised(build(dropout="ends"))
    steps = list(system.training_step(noise(4), Clock(0, 1)))
    assert [name for name, _, _ in steps] == ["discriminator", "generator"]
    with pytest.raises(ValueError, match="no dropout"):
        build(dropout="blocks")


def test_the_class_label_of_a_weak_expression_is_a_blend_only_with_the_setting_blended():
    logits = torch.zeros(1, 7)
    logits[0, HAPPY] = 8.0
    weak = label(Expression.of("happy", 0.2))
    assert build(blended=False)._class_loss(logits, weak) < 0.01
    assert build(blended=True)._class_loss(logits, weak) > 1
    neutral = label(Expression.neutral())
    assert build(blended=False)._class_loss(logits, neutral) > 1


def test_every_loss_has_gradients_for_all_parameters_of_its_network():
    system = randomised(build())
    for name, loss, _ in system.training_step(noise(8), Clock(0, 1)):
        network = system.get_submodule(name)
        loss.backward(inputs=list(network.parameters()))
        assert all(p.grad is not None for p in network.parameters())
        without = [key for key, p in network.named_parameters() if not p.grad.any()]
        assert not without, f"no gradients for {without}"


def test_the_training_loop_logs_gradient_norms_and_losses(drawn):
    system = build(batch=16, steps=3)
    records = list(fit(system, drawn, profile="smoke"))
    assert [set(r.grad_norms) for r in records] == [{"discriminator", "generator"}] * 3
    assert all(r.scalars["generator/condition"] >= 0 for r in records)


# ----------------------------------------------------------------------------------------------------------- in use


def test_edits_start_as_the_identity_and_depend_on_the_intensity_with_random_weights():
    system = build()
    faces = noise(2)
    torch.testing.assert_close(system.edit(faces, Expression.of("happy")), faces.images)
    randomised(system)
    levels = [system.edit(faces, Expression.of("happy", level)) for level in (0.0, 0.5, 1.0)]
    assert torch.equal(levels[0], system.edit(faces, Expression.neutral()))
    assert not torch.allclose(levels[0], levels[1])
    assert not torch.allclose(levels[1], levels[2])


def test_inspect_returns_attention_maps_by_scale():
    maps = build().inspect(noise(2), Expression.of("happy"))
    assert list(maps) == ["attention at 1/4", "attention at 1/8"]
    for weights in maps.values():
        assert weights.shape == (2, 1, 48, 48)
        assert weights.min() >= 0
        assert weights.max() <= 1
    with pytest.raises(UnsupportedExpression):
        build().inspect(noise(2), Expression.of("happy").to_action_units())


@pytest.mark.parametrize("name", ABLATION)
def test_each_ablation_removes_the_components_in_its_name(name):
    system = build(**ABLATION[name])
    assert ("GRC" not in name) == system.generator.adds_input
    assert ("MMAR" not in name) == bool(system.inspect(noise(1), Expression.of("happy")))
    edited = randomised(system).edit(noise(1), Expression.of("sad", 0.5))
    assert edited.shape == (1, 3, 48, 48)


def test_presets_without_neutral_or_with_two_domains_raise():
    with pytest.raises(ValueError, match="neutral among its emotions"):
        build(emotions=("happy", "sad"))
    with pytest.raises(ValueError, match="one domain"):
        build(cartoon_emotions=PROTOCOL_EMOTIONS)
