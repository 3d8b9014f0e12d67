"""GANimation: its blend and mask, relative action units, its losses, its published constants, and its warnings."""

import dataclasses
import warnings

import pytest
import torch
from tiny_gans import randomised

from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.gans.ganimation import GANimation
from facekit.models.gans.masked import MaskWatch
from facekit.models.judges.action_units import ActionUnitNet
from facekit.models.system import CannotTrain, Clock

TINY = {"width": 4, "blocks": 1, "discriminator_width": 4, "batch": 8}
A = len(ACTION_UNIT_COLUMNS)


def estimator():
    torch.manual_seed(1)
    system = ActionUnitNet(ActionUnitNet.presets["smoke"])
    torch.nn.init.normal_(system.head.weight, std=0.1)
    return system.eval().requires_grad_(False)


def build(profile="smoke", **fields):
    torch.manual_seed(0)
    system = GANimation(dataclasses.replace(GANimation.presets[profile], **TINY | fields))
    system._guidance["estimator"] = estimator()
    return system


def noise(n=4, size=48, **fields):
    torch.manual_seed(2)
    return Faces(torch.rand(n, 3, size, size) * 2 - 1, **fields)


def scalars_of(system, faces, step=0):
    return {k: v for _, _, values in system.training_step(faces, Clock(step, 10)) for k, v in values.items()}


# ---------------------------------------------------------------------------------------------------------- the paper


def test_paper_preset_has_the_published_numbers():
    preset = GANimation.presets["paper"]
    assert (preset.size, preset.batch, preset.discriminator_steps, preset.steps) == (128, 5 * 25, 5, 48_000)
    assert (preset.learning_rate, preset.betas) == (1e-4, (0.5, 0.999))
    assert (preset.adversarial, preset.gradient_penalty, preset.cycle) == ("wasserstein", 10, 10)
    assert (preset.units, preset.mask_size, preset.smoothness) == (4000 / 25, 0.1, 1e-4)
    system = build("paper", width=preset.width, discriminator_width=8, discriminator_widest=16)
    assert system.generator.down[0].conv.in_channels == 3 + A  # absolute units as constant maps
    assert system.generator.down[0].conv.kernel_size == (7, 7)
    assert len(system.discriminator.layers) == 6
    assert "estimator" not in system.requires


@pytest.mark.parametrize("profile", ["laptop", "gpu"])
def test_weights_take_less_than_4_megabytes(profile):
    system = GANimation(GANimation.presets[profile])
    assert sum(2 * value.numel() for value in system.weights().values()) <= 3.95e6


# --------------------------------------------------------------------------------------------------- blend and mask


def test_an_edit_blends_colours_and_input_by_the_mask():
    system, faces, target = randomised(build()), noise(), Expression.of("happy", n=4)
    torch.nn.init.normal_(system.generator.mask.weight, std=0.1)
    parts = system.inspect(faces, target)
    assert parts["mask"].shape == (4, 1, 48, 48)
    assert 0 <= parts["mask"].min() < parts["mask"].max() <= 1
    blended = parts["mask"] * parts["colours"] + (1 - parts["mask"]) * faces.images
    torch.testing.assert_close(system.edit(faces, target), blended.clamp(-1, 1))


def test_the_mask_starts_at_its_preset():
    system = build(mask_start=0.2)
    mask = system.generator(noise().images, torch.rand(4, A))[1]
    torch.testing.assert_close(mask, torch.full_like(mask, 0.2))


def test_a_request_that_differs_in_nothing_returns_the_face():
    system, faces = randomised(build()), noise()
    units = torch.rand(4, A)
    same, other = Expression(action_units=units), Expression(action_units=units.roll(1, 0))
    assert torch.equal(system.edit(faces, same, source=same), faces.images)
    assert (system.edit(faces, same, source=other) - faces.images).abs().max() > 0.01
    nearly = Expression(action_units=(units - 0.001).clamp(0, 1))
    assert (system.edit(faces, nearly, source=same) - faces.images).abs().max() < 0.03


def test_the_source_is_estimated_unless_it_is_given():
    system, faces = randomised(build()), noise()
    found = Expression(action_units=system._guidance["estimator"](faces.images).clamp(0, 1))
    target = Expression.of("happy", n=4)
    torch.testing.assert_close(system.edit(faces, target), system.edit(faces, target, source=found))
    given = Expression(action_units=(found.action_units + 0.5).clamp(0, 1))
    assert not torch.allclose(system.edit(faces, target), system.edit(faces, target, source=given), atol=1e-3)


def test_an_emotion_is_its_action_units():
    system, faces = randomised(build()), noise()
    happy = Expression.of("happy", 0.6)
    assert torch.equal(system.edit(faces, happy), system.edit(faces, happy.to_action_units().only("action_units")))


# --------------------------------------------------------------------------------------------------------- training


def test_a_resumed_training_is_bitwise_identical(resumed_in_the_same_bits):
    state = resumed_in_the_same_bits(lambda: build(steps=4, checkpoint_every=2))
    assert state["mask_watch.mean"] != 0.3


def test_training_uses_all_losses(drawn):
    system = randomised(build())
    names = scalars_of(system, drawn.faces(range(8)))
    generator = {"adversarial", "units", "cycle", "mask", "smoothness"}
    assert set(names) == {f"generator/{name}" for name in generator} | {
        f"discriminator/{name}" for name in ("adversarial", "penalty", "units")
    }


class Teacher:
    """Multiplies images by a factor, twice for back-translation."""

    channels = 3

    def __init__(self, preset, factor):
        self.preset, self.factor = preset, factor

    def edit(self, faces, expression, seed):
        assert expression.action_units.shape == (len(faces), A)
        return faces.images * self.factor


@pytest.mark.parametrize(("factor", "least", "most"), [(1.0, 0, 0.02), (0.5, 0.02, 1)])
def test_back_translation_compares_with_the_real_face(drawn, factor, least, most):
    system, faces = build(teacher="some", squared=3.0, absolute=2.0, features=0.5), drawn.faces(range(8))
    system._guidance["teacher"] = Teacher(system.preset, factor)
    system.generator.start_at(1e-6)  # what is recovered is the teacher's edit of the teacher's edit
    terms = scalars_of(system, faces)
    assert {f"generator/{name}" for name in ("absolute", "squared", "features")} <= set(terms)
    error = terms["generator/squared"].item() / 3
    assert least < error < most
    true = ((1 - factor**2) * faces.images).square().mean().item()
    assert error == pytest.approx(true, abs=0.02)  # up to the camera's noise
    weights = {"squared": 6.0, "absolute": 4.0, "features": 1.0}
    heavier = build(teacher="some", **weights)
    heavier._guidance["teacher"] = Teacher(system.preset, factor)
    heavier.generator.start_at(1e-6)
    assert scalars_of(heavier, faces)["generator/squared"].item() == pytest.approx(2 * 3 * error, rel=0.3)


def test_the_losses_of_the_discriminator_fade_in(drawn):
    system = build(teacher="some", judged_from=(0.3, 0.5))
    system._guidance["teacher"] = Teacher(system.preset, 0.5)
    assert [system._judged(Clock(step, 10)) for step in (0, 3, 4, 5, 9)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert build()._judged(Clock(0, 10)) == 1
    terms = scalars_of(system, drawn.faces(range(8)), step=0)
    assert [terms[f"generator/{name}"].item() for name in ("adversarial", "units", "features")] == [0, 0, 0]
    assert terms["generator/squared"].item() > 0


def test_recovered_faces_are_judged_as_edits(drawn):
    system, seen = build(teacher="some"), []
    system._guidance["teacher"] = Teacher(system.preset, 1.0)
    forward = system.discriminator.forward
    system.discriminator.forward = lambda *given: (seen.append(given), forward(*given))[1]
    scalars_of(system, faces := drawn.faces(range(8)))
    (images, labels), (edits, targets) = seen
    assert (len(images), len(edits)) == (24, 16)  # real, edited, recovered; edited, recovered
    assert torch.equal(images[:8].mean((1, 2, 3)).sort().values, faces.images.mean((1, 2, 3)).sort().values)
    assert torch.equal(labels[16:], labels[:8])
    assert torch.equal(targets[8:], labels[:8])


def test_faces_without_action_units_need_an_estimator(drawn):
    faces = dataclasses.replace(drawn.faces(range(8)), action_units=None)
    assert scalars_of(build(), faces)
    with pytest.raises(CannotTrain, match="estimator"):
        scalars_of(build(estimator=None), faces)


def test_a_mask_at_an_end_is_named_once():
    watch = MaskWatch()

    def observe(mask):
        for step in range(400):
            watch.observe(torch.full((2, 1, 4, 4), mask), Clock(step, 1000), "ganimation")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observe(0.3)
    with pytest.warns(UserWarning, match=r"step .* of ganimation: the mask has vanished") as caught:
        observe(0.0)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="covers the whole face"):
        observe(1.0)


def test_weights_contain_the_generator_alone():
    assert {name.partition(".")[0] for name in build().weights()} == {"generator"}
