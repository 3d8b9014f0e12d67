"""CycleGAN: pairs of emotions, the pool of pictures, and edits that need to know where they start."""

import dataclasses
from functools import partial

import pytest
import torch

from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.models.gans.cyclegan import CycleGAN, PicturePool
from facekit.models.load import load_system
from facekit.models.system import Clock
from facekit.training import fit
from facekit.weights.store import WeightsCard, save_weights

TINY = {"width": 4, "groups": 4, "discriminator_width": 4, "pairs": ("happy", "sad"), "pool": 4}


def build(**fields):
    torch.manual_seed(0)
    return CycleGAN(dataclasses.replace(CycleGAN.presets["smoke"], **TINY | fields))


def noise(n, **known):
    torch.manual_seed(2)
    return Faces(torch.rand(n, 3, 48, 48) * 2 - 1, **{"emotion": torch.arange(n) % 7} | known)


@pytest.fixture(scope="module")
def system():
    """One that changes faces."""
    return build(skips="none")


def test_each_way_has_its_own_networks(system):
    ways = {"happy_there", "happy_back", "sad_there", "sad_back"}
    assert set(system.generators) == set(system.discriminators) == set(system.pools) == ways
    owned = [p for optimiser in system.optimisers().values() for g in optimiser.param_groups for p in g["params"]]
    assert len(owned) == len(set(owned)) == len(list(system.parameters()))


def test_it_needs_to_know_what_the_faces_show(system):
    with pytest.raises(ValueError, match="what the faces show, one of neutral, happy, sad: give source="):
        system.edit(noise(1), Expression.of("happy"))


def test_edits_go_through_neutral(system):
    faces = noise(4)
    shown = Expression.of(["neutral", "happy", "happy", "sad"])
    asked = Expression.of(["sad", "neutral", "sad", "sad"])
    edited = system.edit(faces, asked, source=shown)
    with torch.no_grad():
        there, back = system.generators["sad_there"], system.generators["happy_back"]
        expected = torch.cat([there(faces.images[:1]), back(faces.images[1:2]), there(back(faces.images[2:3]))])
    torch.testing.assert_close(edited[:3], expected.clamp(-1, 1), atol=1e-5, rtol=0)
    assert torch.equal(edited[3], faces.images[3])  # nothing is to be done
    weak = Expression.of(["neutral", "happy", "happy", "sad"], 0.4)
    assert torch.equal(system.edit(faces, asked, source=weak), edited)
    said = weak.intensity_to_weights()
    assert torch.equal(system.edit(faces, asked, source=said), edited)
    assert torch.equal(system.edit(faces, said, source=said), faces.images)


def test_over_time_faces_stay_or_go(system):
    faces = noise(2)
    path = Expression.stack([Expression.neutral(2), Expression.of("happy", n=2)])
    edited = system.edit(faces, path, source=Expression.neutral())
    assert edited.shape == (2, 2, 3, 48, 48)
    assert torch.equal(edited[:, 0], faces.images)
    assert not torch.allclose(edited[:, 1], faces.images, atol=1e-3)


def test_what_was_not_trained_is_refused(system):
    faces = noise(1)
    with pytest.raises(UnsupportedExpression, match="has learned neutral, happy, sad, and is asked for fear"):
        system.edit(faces, Expression.of("fear"), source=Expression.neutral())
    with pytest.raises(UnsupportedExpression, match="has learned neutral, happy, sad, and is asked for angry"):
        system.edit(faces, Expression.of("happy"), source=Expression.of("angry"))
    with pytest.raises(UnsupportedExpression, match="is asked for one in full"):
        system.edit(faces, Expression.blend({"happy": 1, "sad": 1}), source=Expression.neutral())
    with pytest.raises(UnsupportedExpression, match="intensity"):
        system.edit(faces, Expression.of("happy", 0.5), source=Expression.neutral())
    for pairs in (("neutral",), ("joy",), ()):
        with pytest.raises(ValueError, match="other than neutral"):
            build(pairs=pairs)
    with pytest.raises(ValueError, match="cannot be penalised"):
        build(norm=True, r1=0.1)


def test_each_side_sees_its_own_faces():
    system = build()
    emotions = [EMOTIONS.index(name) for name in ("neutral", "neutral", "happy", "happy", "fear")]
    faces = noise(5, emotion=torch.tensor(emotions), intensity=torch.tensor([1, 1, 1, 0.3, 1]))
    neutral, happy = system._sides(faces, "happy")
    assert torch.equal(neutral, faces.images[:2])
    assert torch.equal(happy, faces.images[2:3])  # the other is too weak
    names = {name for _, _, told in system.training_step(faces, Clock(0, 1)) for name in told}
    assert any("happy" in name for name in names)
    assert not any("sad" in name for name in names)
    few = build(per_side=1)._sides(faces, "happy")
    assert torch.equal(torch.cat(few), faces.images[[0, 2]])


def test_batches_without_a_pair_are_passed_over_but_not_for_ever():
    system, none = build(), noise(3, emotion=torch.tensor([0, 1, 2]))
    for step in range(49):
        assert list(system.training_step(none, Clock(step, 100))) == []
    list(system.training_step(noise(7), Clock(49, 100)))
    assert system.idle == 0
    system.idle.fill_(49)
    with pytest.raises(ValueError, match="both sides of a pair in a batch, and the last 50 had"):
        list(system.training_step(none, Clock(50, 100)))


def test_the_loop_takes_a_batch_without_a_pair(drawn):
    records = list(fit(build(steps=2, batch=2, pairs=("surprise",), intensity=1.01), drawn, profile="smoke"))
    assert [record.scalars for record in records] == [{}, {}]


def test_losses_are_zhu_et_als():
    fields = {"r1": 0.0, "adversarial": "least_squares", "pairs": ("happy",), "reconstruction": 6.0}
    system = build(**fields, identity=0.5)
    # At the start every face is given back as it is.
    (first, loss, told), (second, judged, _) = system.training_step(noise(14), Clock(0, 1))
    assert (first, second) == ("generators", "discriminators")
    assert told["generator/reconstruction_happy_there"] == told["generator/identity_happy_back"] == 0
    torch.testing.assert_close(
        loss, told["generator/adversarial_happy_there"] + told["generator/adversarial_happy_back"]
    )
    assert judged > 0
    system = build(**fields, identity=0.5, skips="none")
    _, loss, told = next(system.training_step(noise(14), Clock(0, 1)))
    name = "generator/{}_happy_{}".format
    expected = sum(
        told[name("adversarial", way)] + 6 * told[name("reconstruction", way)] + 3 * told[name("identity", way)]
        for way in ("there", "back")
    )
    torch.testing.assert_close(loss, expected)


def test_the_pool_gives_back_what_it_kept():
    pool = PicturePool(4, 1, 2)
    torch.manual_seed(0)
    levels = torch.linspace(-1, 1, 256)[:100]  # eight bits keep them
    shown = torch.cat([pool.exchange(level.view(1, 1, 1, 1).expand(1, 1, 2, 2)) for level in levels])[:, 0, 0, 0]
    assert torch.equal(shown[:4], levels[:4])  # while it fills
    older = shown[4:] < levels[4:] - 1e-4
    assert 0.35 < older.float().mean() < 0.65
    assert torch.isclose(shown[:, None], levels, atol=1e-5).any(1).all()
    assert len(set(shown[4:][older].tolist())) == older.sum()  # each is given back once
    assert set(pool.state_dict()) == {"pictures", "filled"}
    made = torch.rand(3, 1, 2, 2)
    assert PicturePool(0, 1, 2).exchange(made) is made


def test_a_resumed_run_ends_in_the_same_bits(resumed_in_the_same_bits):
    fields = {"steps": 4, "checkpoint_every": 2, "discriminator_augment": "flip", "batch": 16}
    state = resumed_in_the_same_bits(partial(build, **fields))
    assert state["pools.happy_there.filled"] == 4


def test_weights_come_back(system, tmp_path):
    preset = dataclasses.asdict(system.preset)
    card = WeightsCard(system.name, "smoke", preset, channels=3, data={}, steps=0)
    save_weights(tmp_path / "cyclegan.safetensors", system.state_dict(), card, half=False)
    again = load_system(tmp_path / "cyclegan.safetensors")
    faces, asked = noise(2), {"expression": Expression.of("sad"), "source": Expression.neutral()}
    assert torch.equal(again.edit(faces, **asked), system.edit(faces, **asked))


def test_it_learns(drawn):
    torch.manual_seed(0)
    preset = dataclasses.replace(CycleGAN.presets["smoke"], pairs=("happy",), steps=20, skips="none")
    records = list(fit(CycleGAN(preset), drawn, profile="smoke"))
    name = "generator/reconstruction_happy_there"
    assert sum(r.scalars[name] for r in records[-3:]) < 0.8 * sum(r.scalars[name] for r in records[:3])
