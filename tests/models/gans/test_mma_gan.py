"""MMA-GAN: z, the way back by the discriminator's estimate, the losses of P3, attention, and the ablation."""

import dataclasses

import pytest
import torch
from tiny_gans import awake

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


def noise(n, size=48, **known):
    torch.manual_seed(2)
    return Faces(torch.rand(n, 3, size, size) * 2 - 1, emotion=torch.arange(n) % 7, **known)


def label(expression):
    weights = label_weights(expression, PROTOCOL_EMOTIONS, "a test")
    return weights, torch.zeros(len(weights), dtype=torch.long)


# ---------------------------------------------------------------------------------------------------------- the paper


def test_the_papers_sizes():
    preset = MMAGAN.presets["paper"]
    system = build("paper", batch=80, width=preset.width, discriminator_width=8, discriminator_widest=16)
    assert preset.size == 128
    assert system.generator.down[0].conv.in_channels == 6 + 3  # N + 3, of the six basic emotions
    assert system.generator.skips == "global"


@pytest.mark.parametrize("profile", ["laptop", "gpu"])
def test_what_ships_is_small(profile):
    system = MMAGAN(MMAGAN.presets[profile])
    assert sum(2 * value.numel() for value in system.weights().values()) <= 3.95e6


def test_z_is_the_emotion_times_its_strength_and_a_face_at_rest_is_nothing():
    z = build().told(label(Expression.of(["happy", "happy", "neutral", "surprise"], [0.25, 0.0, 1.0, 1.0])))
    columns = [name for name in PROTOCOL_EMOTIONS if name != "neutral"]
    assert z.shape == (4, 6)
    assert z[0].tolist() == [0.25 * (name == "happy") for name in columns]
    assert not z[1].any()
    assert not z[2].any()
    assert z[3].tolist() == [float(name == "surprise") for name in columns]


# -------------------------------------------------------------------------------------------------------- training


def test_losses_are_weighed_as_the_preset_says():
    system = build(condition_in_discriminator=2.0, condition_in_generator=3.0, strength=5.0)
    plain = build(condition_in_discriminator=1.0, condition_in_generator=1.0, strength=1.0)
    faces = noise(8)
    told = []
    for each in (system, plain):
        torch.manual_seed(3)
        (_, critic, heard), (_, maker, terms) = each.training_step(faces, Clock(1, 10))
        told.append(heard | terms)
        parts = heard["discriminator/adversarial"] + heard["discriminator/classes"] + heard["discriminator/penalty"]
        torch.testing.assert_close(critic, parts + heard["discriminator/condition"] + heard["discriminator/strength"])
        parts = terms["generator/adversarial"] + 3 * terms["generator/reconstruction"]
        torch.testing.assert_close(maker, parts + terms["generator/condition"] + terms["generator/strength"])
    ratios = {name: (told[0][name] / told[1][name]).item() for name in told[0] if told[1][name]}
    assert ratios["discriminator/condition"] == pytest.approx(2)
    assert ratios["discriminator/strength"] == pytest.approx(5)
    assert ratios["generator/condition"] == pytest.approx(3)
    assert ratios["generator/strength"] == pytest.approx(5)


def test_the_way_back_is_led_by_what_the_discriminator_sees_and_not_by_the_label():
    system = awake(build())
    images = noise(2).images
    shown = label(Expression.of(["happy", "sad"]))
    before = system.cycled(images, images, shown)
    other = label(Expression.of(["fear", "angry"]))
    assert torch.equal(before, system.cycled(images, images, other))
    with torch.no_grad():
        system.discriminator.classes.weight.add_(0.3)
    assert not torch.allclose(before, system.cycled(images, images, shown))


def test_eq_2_moves_the_generator_and_leaves_the_estimate_alone():
    system = awake(build())
    images = noise(2).images
    (system.cycled(images, images, label(Expression.of(["happy", "sad"]))) - images).abs().mean().backward()
    assert system.discriminator.classes.weight.grad is None
    assert system.generator.down[0].conv.weight.grad.abs().sum() > 0


def test_dropout_is_on_there_and_back_and_refused_where_blocks_have_no_place_for_it():
    system = awake(build(dropout="ends"))
    steps = list(system.training_step(noise(4), Clock(0, 1)))
    assert [name for name, _, _ in steps] == ["discriminator", "generator"]
    with pytest.raises(ValueError, match="no dropout"):
        build(dropout="blocks")


def test_a_weak_face_is_of_its_class_to_the_letter_and_partly_neutral_where_blended():
    logits = torch.zeros(1, 7)
    logits[0, HAPPY] = 8.0
    weak = label(Expression.of("happy", 0.2))
    assert build(blended=False)._class_loss(logits, weak) < 0.01
    assert build(blended=True)._class_loss(logits, weak) > 1
    rest = label(Expression.neutral())
    assert build(blended=False)._class_loss(logits, rest) > 1


def test_every_loss_reaches_its_network():
    system = awake(build())
    for name, loss, _ in system.training_step(noise(8), Clock(0, 1)):
        network = system.get_submodule(name)
        loss.backward(inputs=list(network.parameters()))
        assert all(p.grad is not None for p in network.parameters())
        still = [key for key, p in network.named_parameters() if not p.grad.any()]
        assert not still, f"nothing moves {still}"


def test_it_learns_on_a_few_faces(drawn):
    system = build(batch=16, steps=3)
    records = list(fit(system, drawn, profile="smoke"))
    assert [set(r.grad_norms) for r in records] == [{"discriminator", "generator"}] * 3
    assert all(r.scalars["generator/condition"] >= 0 for r in records)


# ----------------------------------------------------------------------------------------------------------- in use


def test_it_starts_by_changing_nothing_and_strength_is_followed_once_it_is_awake():
    system = build()
    faces = noise(2)
    torch.testing.assert_close(system.edit(faces, Expression.of("happy")), faces.images)
    awake(system)
    levels = [system.edit(faces, Expression.of("happy", level)) for level in (0.0, 0.5, 1.0)]
    assert torch.equal(levels[0], system.edit(faces, Expression.neutral()))
    assert not torch.allclose(levels[0], levels[1])
    assert not torch.allclose(levels[1], levels[2])


def test_attention_is_shown_by_scale():
    maps = build().inspect(noise(2), Expression.of("happy"))
    assert list(maps) == ["attention at 1/4", "attention at 1/8"]
    for each in maps.values():
        assert each.shape == (2, 1, 48, 48)
        assert each.min() >= 0
        assert each.max() <= 1
    with pytest.raises(UnsupportedExpression):
        build().inspect(noise(2), Expression.of("happy").to_action_units())


@pytest.mark.parametrize("name", ABLATION)
def test_the_ablation_takes_out_what_it_says(name):
    system = build(**ABLATION[name])
    assert ("GRC" not in name) == system.generator.adds_input
    assert ("MMAR" not in name) == bool(system.inspect(noise(1), Expression.of("happy")))
    edited = awake(system).edit(noise(1), Expression.of("sad", 0.5))
    assert edited.shape == (1, 3, 48, 48)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="neutral among its emotions"):
        build(emotions=("happy", "sad"))
    with pytest.raises(ValueError, match="one domain"):
        build(cartoon_emotions=PROTOCOL_EMOTIONS)
