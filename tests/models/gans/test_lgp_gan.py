"""LGP-GAN: its two stages, three discriminators, published constants, and what it trains on."""

import dataclasses

import pytest
import torch

from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.layers.local_global import REGIONS
from facekit.models.gans.lgp_gan import LGPGAN
from facekit.models.system import CannotTrain, Clock

TINY = {"width": 4, "blocks": 1, "local_width": 4, "local_blocks": 1, "discriminator_width": 4, "batch": 8}


def build(profile="smoke", **fields):
    torch.manual_seed(0)
    return LGPGAN(dataclasses.replace(LGPGAN.presets[profile], **TINY | fields))


def faces(n=4, size=48, labelled=True):
    torch.manual_seed(2)
    emotion = torch.arange(n) % 7 if labelled else None
    return Faces(torch.rand(n, 3, size, size) * 2 - 1, emotion=emotion)


def steps_of(system, batch, step=0):
    return list(system.training_step(batch, Clock(step, 10)))


def test_the_paper_preset_builds_on_ganimation():
    preset = LGPGAN.presets["paper"]
    assert (preset.size, preset.learning_rate, preset.betas) == (128, 1e-4, (0.5, 0.999))
    assert (preset.adversarial, preset.gradient_penalty, preset.reconstruction) == ("wasserstein", 10, 10)
    assert (preset.discriminator_steps, preset.mask_size, preset.smoothness) == (5, 0.1, 1e-4)
    system = build("paper", discriminator_widest=8)
    assert set(system.generator.regions) == set(system.local_discriminators) == set(REGIONS)
    assert system.generator.whole.down[0].conv.kernel_size == (7, 7)
    assert len(system.discriminator.layers) == 6
    assert system.edit(faces(1, 128), Expression.of("happy")).shape == (1, 3, 128, 128)


@pytest.mark.parametrize("profile", ["laptop", "gpu"])
def test_weights_take_less_than_4_megabytes(profile):
    system = LGPGAN(LGPGAN.presets[profile])
    assert sum(2 * value.numel() for value in system.weights().values()) <= 3.95e6


def test_every_discriminator_judges_its_own_part():
    system, batch = build(), faces()
    (_, _, of_discriminators), (_, _, of_generator) = steps_of(system, batch)
    assert set(of_discriminators) == {f"discriminator/{name}" for name in ("face", *REGIONS)}
    assert {f"generator/{name}" for name in ("face", *REGIONS, "reconstruction")} <= set(of_generator)
    stages = system.generator(batch.images, torch.eye(7)[:4])
    judged = {name: (real, generated) for name, _, _, real, generated in system._judged(batch.images, stages)}
    assert judged["face"][1] is stages.edited
    for name in REGIONS:
        torch.testing.assert_close(judged[name][1], system.generator.crop(stages.pasted, name))
        torch.testing.assert_close(judged[name][0], system.generator.crop(batch.images, name))


def test_both_stages_learn():
    system = build()
    for network in (*system.generator.regions.values(), system.generator.whole):
        torch.nn.init.normal_(network.mask.weight, std=0.1)
    optimisers = system.optimisers()
    for name, loss, _ in system.training_step(faces(), Clock(0, 10)):
        optimisers[name].zero_grad()
        loss.backward()
        assert torch.isfinite(loss)
    for part in (*system.generator.regions.values(), system.generator.whole):
        assert part.last.weight.grad.abs().sum() > 0
        assert part.mask.weight.grad.abs().sum() > 0


def test_the_label_changes_an_edit():
    system = build()
    for layer in system.modules():
        if hasattr(layer, "linear") and isinstance(layer.linear, torch.nn.Linear):
            torch.nn.init.normal_(layer.linear.weight, std=0.5)
    for network in (*system.generator.regions.values(), system.generator.whole):
        torch.nn.init.normal_(network.last.weight, std=0.1)  # otherwise an untrained network returns its input
    batch = faces()
    happy, sad = (system.edit(batch, Expression.of(name)) for name in ("happy", "sad"))
    assert (happy - sad).abs().max() > 1e-4
    with pytest.raises(UnsupportedExpression):
        system.edit(batch, Expression.from_action_units({"AU12": 1.0}))


def test_inspect_shows_both_stages():
    parts = build().inspect(faces(), Expression.of("happy"))
    assert set(parts) == {"regions pasted", "masks of the regions", "mask", "colours"}
    assert parts["regions pasted"].shape == parts["colours"].shape == (4, 3, 48, 48)
    for name in ("mask", "masks of the regions"):
        assert parts[name].shape == (4, 1, 48, 48)
        assert 0 <= parts[name].min() <= parts[name].max() <= 1


def test_a_mask_at_its_end_is_named_with_its_region():
    system = build(mask_start=0.99)
    system.mask_watches["mouth"].mean.fill_(0.95)
    with pytest.warns(UserWarning, match=r"lgp_gan \(mouth\): the mask covers the whole face"):
        steps_of(system, faces())


def test_faces_without_labels_raise():
    with pytest.raises(CannotTrain, match="trained on labelled faces"):
        steps_of(build(), faces(labelled=False))
