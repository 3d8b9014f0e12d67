"""CycleGAN: pairs of emotions, losses, the pool of images, and edits with a source expression."""

import copy
import dataclasses
from functools import partial

import pytest
import torch

from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.models.gans.cyclegan import CycleGAN, ImagePool, directions
from facekit.models.load import load_system
from facekit.models.system import CannotTrain, Clock
from facekit.training import fit
from facekit.weights.store import WeightsCard, save_weights

TINY = {"width": 4, "groups": 4, "discriminator_width": 4, "pairs": ("happy", "sad"), "pool": 4}


def build(**fields):
    torch.manual_seed(0)
    return CycleGAN(dataclasses.replace(CycleGAN.presets["smoke"], **TINY | fields))


def noise(n, **fields):
    """Random images with emotion labels."""
    torch.manual_seed(2)
    return Faces(torch.rand(n, 3, 48, 48) * 2 - 1, **{"emotion": torch.arange(n) % 7} | fields)


@pytest.fixture(scope="module")
def system():
    """A CycleGAN whose generators do not start as the identity."""
    return build(skips="none")


def test_each_direction_of_a_pair_has_its_own_networks(system):
    names = {"neutral_to_happy", "happy_to_neutral", "neutral_to_sad", "sad_to_neutral"}
    assert set(system.generators) == set(system.discriminators) == set(system.pools) == names
    optimised = [p for optimiser in system.optimisers().values() for g in optimiser.param_groups for p in g["params"]]
    assert len(optimised) == len(set(optimised)) == len(list(system.parameters()))


def test_an_edit_without_a_source_expression_raises(system):
    with pytest.raises(ValueError, match="expression of the input faces, one of neutral, happy, sad: pass source="):
        system.edit(noise(1), Expression.of("happy"))


def test_edits_between_two_emotions_pass_through_neutral(system):
    faces = noise(4)
    source = Expression.of(["neutral", "happy", "happy", "sad"])
    target = Expression.of(["sad", "neutral", "sad", "sad"])
    edited = system.edit(faces, target, source=source)
    with torch.no_grad():
        to_sad, to_neutral = system.generators["neutral_to_sad"], system.generators["happy_to_neutral"]
        first, second, third = faces.images[:3].split(1)
        expected = torch.cat([to_sad(first), to_neutral(second), to_sad(to_neutral(third))])
    torch.testing.assert_close(edited[:3], expected.clamp(-1, 1), atol=1e-5, rtol=0)
    assert torch.equal(edited[3], faces.images[3])  # source and target are equal
    weak = Expression.of(["neutral", "happy", "happy", "sad"], 0.4)
    assert torch.equal(system.edit(faces, target, source=weak), edited)
    blended = weak.intensity_to_weights()
    assert torch.equal(system.edit(faces, target, source=blended), edited)
    assert torch.equal(system.edit(faces, blended, source=blended), faces.images)


def test_an_expression_over_time_is_edited_frame_by_frame(system):
    faces = noise(2)
    path = Expression.stack([Expression.neutral(2), Expression.of("happy", n=2)])
    edited = system.edit(faces, path, source=Expression.neutral())
    assert edited.shape == (2, 2, 3, 48, 48)
    assert torch.equal(edited[:, 0], faces.images)
    assert not torch.allclose(edited[:, 1], faces.images, atol=1e-3)


def test_unsupported_expressions_and_presets_raise(system):
    faces = noise(1)
    with pytest.raises(UnsupportedExpression, match="was trained on neutral, happy, sad, not on fear"):
        system.edit(faces, Expression.of("fear"), source=Expression.neutral())
    with pytest.raises(UnsupportedExpression, match="was trained on neutral, happy, sad, not on angry"):
        system.edit(faces, Expression.of("happy"), source=Expression.of("angry"))
    with pytest.raises(UnsupportedExpression, match="neither the source nor the target may be a blend"):
        system.edit(faces, Expression.blend({"happy": 1, "sad": 1}), source=Expression.neutral())
    with pytest.raises(UnsupportedExpression, match="intensity"):
        system.edit(faces, Expression.of("happy", 0.5), source=Expression.neutral())
    for pairs, message in {("neutral",): "other than neutral", ("joy",): "one of angry", (): "at least one"}.items():
        with pytest.raises(ValueError, match=message):
            build(pairs=pairs)
    with pytest.raises(ValueError, match="cannot be penalised"):
        build(norm=True, r1=0.1)


def test_each_side_of_a_pair_receives_its_own_faces():
    system = build()
    emotions = [EMOTIONS.index(name) for name in ("neutral", "neutral", "happy", "happy", "fear")]
    faces = noise(5, emotion=torch.tensor(emotions), intensity=torch.tensor([1, 1, 1, 0.3, 1]))
    neutral, happy = system._sides(faces, "happy")
    assert torch.equal(neutral, faces.images[:2])
    assert torch.equal(happy, faces.images[2:3])  # the other happy face is too weak
    names = {name for _, _, scalars in system.training_step(faces, Clock(0, 1)) for name in scalars}
    assert any("happy" in name for name in names)
    assert not any("sad" in name for name in names)
    first = build(per_side=1)._sides(faces, "happy")
    assert torch.equal(torch.cat(first), faces.images[[0, 2]])


def test_batches_without_a_pair_are_skipped_until_there_are_too_many_in_a_row():
    system, incomplete = build(), noise(3, emotion=torch.tensor([0, 1, 2]))
    for step in range(49):
        assert list(system.training_step(incomplete, Clock(step, 100))) == []
    list(system.training_step(noise(7), Clock(49, 100)))
    assert system.batches_without_pairs == 0
    system.batches_without_pairs.fill_(49)
    with pytest.raises(CannotTrain, match="neutral faces and faces that are happy or sad, but the last 50 batches"):
        list(system.training_step(incomplete, Clock(50, 100)))


def test_the_training_loop_accepts_steps_without_losses(drawn):
    records = list(fit(build(steps=2, batch=2, pairs=("surprise",), min_intensity=1.01), drawn, profile="smoke"))
    assert [record.scalars for record in records] == [{}, {}]


def test_losses_equal_those_of_zhu_et_al():
    fields = {"r1": 0.0, "adversarial": "least_squares", "pairs": ("happy",), "reconstruction": 6.0}
    forward, backward = directions("happy")
    system = build(**fields, identity=0.5)  # the generators start as the identity
    (first, loss, terms), (second, discriminator, _) = system.training_step(noise(14), Clock(0, 1))
    assert (first, second) == ("generators", "discriminators")
    assert terms[f"generator/reconstruction_{forward}"] == terms[f"generator/identity_{backward}"] == 0
    torch.testing.assert_close(
        loss, terms[f"generator/adversarial_{forward}"] + terms[f"generator/adversarial_{backward}"]
    )
    assert discriminator > 0
    system = build(**fields, identity=0.5, skips="none")
    _, loss, terms = next(system.training_step(noise(14), Clock(0, 1)))
    expected = sum(
        terms[f"generator/adversarial_{direction}"]
        + 6 * terms[f"generator/reconstruction_{direction}"]
        + 3 * terms[f"generator/identity_{direction}"]
        for direction in (forward, backward)
    )
    torch.testing.assert_close(loss, expected)


def test_the_pool_returns_earlier_images_half_of_the_time_and_each_only_once():
    pool = ImagePool(4, 1, 2)
    torch.manual_seed(0)
    levels = torch.linspace(-1, 1, 256)[:100]  # representable in 8 bits
    output = torch.cat([pool.exchange(level.view(1, 1, 1, 1).expand(1, 1, 2, 2)) for level in levels])[:, 0, 0, 0]
    assert torch.equal(output[:4], levels[:4])  # while the pool is not full
    earlier = output[4:] < levels[4:] - 1e-4
    assert 0.35 < earlier.float().mean() < 0.65
    assert torch.isclose(output[:, None], levels, atol=1e-5).any(1).all()
    assert len(set(output[4:][earlier].tolist())) == earlier.sum()
    assert set(pool.state_dict()) == {"images", "filled"}
    generated = torch.rand(3, 1, 2, 2)
    assert ImagePool(0, 1, 2).exchange(generated) is generated


def test_a_resumed_run_is_bitwise_identical_to_an_uninterrupted_one(resumed_in_the_same_bits):
    fields = {"steps": 4, "checkpoint_every": 2, "discriminator_augment": "flip", "batch": 16}
    state = resumed_in_the_same_bits(partial(build, **fields))
    assert state["pools.neutral_to_happy.filled"] == 4


def test_loaded_weights_give_the_same_edits(system, tmp_path):
    preset = dataclasses.asdict(system.preset)
    card = WeightsCard(system.name, "smoke", preset, channels=3, data={}, steps=0)
    save_weights(tmp_path / "cyclegan.safetensors", system.state_dict(), card, half=False)
    loaded = load_system(tmp_path / "cyclegan.safetensors")
    faces, request = noise(2), {"expression": Expression.of("sad"), "source": Expression.neutral()}
    same_layout = copy.deepcopy(system).to(memory_format=torch.channels_last)  # that of loaded systems
    assert torch.equal(loaded.edit(faces, **request), same_layout.edit(faces, **request))


def test_training_lowers_the_cycle_consistency_loss(drawn):
    torch.manual_seed(0)
    preset = dataclasses.replace(CycleGAN.presets["smoke"], pairs=("happy",), steps=20, skips="none")
    records = list(fit(CycleGAN(preset), drawn, profile="smoke"))
    name = "generator/reconstruction_neutral_to_happy"
    assert sum(r.scalars[name] for r in records[-3:]) < 0.8 * sum(r.scalars[name] for r in records[:3])
