"""Signs of a useless training: exploding losses, vanishing gradients, the same output for every face."""

import dataclasses
import warnings

import pytest
import torch
import toys

from facekit.datasets.synthetic import SyntheticFaces
from facekit.models.gans.stargan import StarGAN
from facekit.models.judges.action_units import ActionUnitNet
from facekit.training.loop import fit
from facekit.training.records import Record
from facekit.training.watch import Diverged, Useless, Watch, check_outputs


def observe(losses, norms=None) -> None:
    """Let a watch follow a run with these losses and gradients' norms."""
    watch = Watch()
    for step, (loss, norm) in enumerate(zip(losses, norms or [1.0] * len(losses), strict=False), 1):
        watch.observe(Record(step, 1000, 0, {"loss/generator": loss}, {}, {"generator": norm}, 0.1, None), "gan")


def test_a_loss_that_explodes_ends_the_run():
    with pytest.raises(Diverged, match=r"step \d+ of gan: the loss for optimiser 'generator' has grown from 2 to"):
        observe([-2.0] * 40 + [1e5] * 60)


def test_a_single_high_loss_is_no_explosion():
    observe([1.0] * 100 + [5000.0] + [1.0] * 100)


def test_a_vanished_gradient_is_named_once():
    with pytest.warns(UserWarning, match="'generator' has vanished for 100 steps") as warned:
        observe([1.0] * 300, [0.0] * 300)
    assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observe([1.0] * 300, ([0.0] * 50 + [1.0]) * 6)


def test_training_with_too_high_a_rate_ends_with_the_reason():
    system = toys.build("denoiser", learning_rate=10.0, steps=200)
    with pytest.raises(Diverged, match="Lower the learning rate"):
        list(fit(system, toys.Squares()))


@pytest.fixture(scope="module")
def faces():
    return SyntheticFaces("valid", people=6, faces_per_person=1, size=48)


def test_a_generator_that_gives_one_image_for_all_faces_is_of_no_use(faces):
    system = StarGAN(dataclasses.replace(StarGAN.presets["smoke"], size=48, steps=100))
    check_outputs(system, faces)
    torch.nn.init.zeros_(system.generator.last.weight)
    system.generator.skips = "none"  # so that the input is not added
    with pytest.raises(Useless, match="the trained stargan gives nearly the same output for every face"):
        check_outputs(system, faces)


def test_a_generator_whose_edits_are_noise_is_of_no_use(faces):
    class Noise(StarGAN):
        def edit(self, faces, *arguments, **options):
            return torch.where(torch.rand_like(faces.images) < 0.5, -1.0, 1.0)

    with pytest.raises(Useless, match=r"differ from their inputs \d+\.\d times as much as another person's face"):
        check_outputs(Noise(dataclasses.replace(StarGAN.presets["smoke"], size=48, steps=100)), faces)


def test_a_judge_that_gives_one_answer_for_all_faces_is_of_no_use(faces):
    class Constant(ActionUnitNet):
        def predict(self, images):
            return torch.full((len(images), 33), 0.2)

    smoke = ActionUnitNet.presets["smoke"]
    with pytest.raises(Useless, match="action_units"):
        check_outputs(Constant(dataclasses.replace(smoke, steps=100)), faces)
    check_outputs(Constant(dataclasses.replace(smoke, steps=99)), faces)  # too short to be judged
