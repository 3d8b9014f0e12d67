"""The cascade: what the base changes, what the second stage may change, and what it learns from."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from facekit.datasets import open_dataset
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.expression import Expression
from facekit.models.editors.adversarial_editor import AdversarialEditor
from facekit.models.editors.cascaded_editor import CascadedEditor
from facekit.models.judges.action_units import ActionUnitNet
from facekit.models.system import Clock

SMALL = {"widths": (16, 24), "attention": (False, False), "condition": 16}


class Painter(AdversarialEditor):
    """A base of 48 pixels that paints the lower half of a face in a grey that depends on the label."""

    def edit(self, faces, expression, *, source=None, seed=0):
        edited = faces.images.clone()
        edited[:, :, 24:] = expression.action_units.mean(1)[:, None, None, None] - 0.5
        return edited


class Lamp(AdversarialEditor):
    """A base of 48 pixels that makes the lower half of a face as bright as the label says."""

    def edit(self, faces, expression, *, source=None, seed=0):
        edited = faces.images.clone()
        lower, wanted = edited[:, :, 24:], 4 * expression.action_units.mean(1)[:, None, None, None] - 0.5
        edited[:, :, 24:] = lower - lower.mean((1, 2, 3), keepdim=True) + wanted
        return edited


@pytest.fixture(scope="module")
def faces():
    dataset = SyntheticFaces("train", people=4, faces_per_person=2, size=96)
    return dataset.faces(range(8))


@pytest.fixture
def editor():
    def build(base_class=Painter, **fields):
        preset = dataclasses.replace(CascadedEditor.presets["smoke"], **SMALL | {"discriminator_alone": 0} | fields)
        torch.manual_seed(0)
        system, base = CascadedEditor(preset), AdversarialEditor.presets["smoke"]
        estimator = ActionUnitNet(ActionUnitNet.presets["smoke"])
        base = base_class(dataclasses.replace(base, size=48, **SMALL))
        system._guidance |= {"base": base.eval(), "estimator": estimator.eval().requires_grad_(False)}
        return system

    return build


def with_random_head(system):
    torch.nn.init.normal_(system.denoiser.unet.head.weight, std=0.05)
    return system


def test_untrained_it_returns_the_proposal(editor, faces):
    system, target = editor(), Expression.of("happy", n=8)
    proposal, _ = system.context(faces.images, system.label(target), None)
    torch.testing.assert_close(system.edit(faces, target), proposal.clamp(-1, 1), atol=1e-4, rtol=0)


def test_only_the_part_that_the_base_changes_is_changed(editor, faces):
    system, target = with_random_head(editor()), Expression.of("happy", n=8)
    edited, (proposal, mask) = system.edit(faces, target), system.context(faces.images, system.label(target), None)
    upper = slice(0, 36)  # the mask reaches two pixels of the reduced image, and its soft edge one more, above the half
    assert torch.equal(edited[:, :, upper], faces.images[:, :, upper])
    assert (edited - faces.images)[:, :, 56:].abs().mean() > 0.01
    assert mask[:, :, 56:].mean() > 0.9
    assert ((mask > 0) & (mask < 1)).any()
    former = faces.images[:, :, 56:]  # the proposal holds nothing of the face where the base has changed it
    blurred = F.avg_pool2d(proposal[:, :, 56:], 3, 1, 1)
    assert (proposal[:, :, 56:] - blurred)[..., 4:-4, 4:-4].abs().max() < 0.2 * (former - former.mean()).abs().max()


def test_an_edit_is_reproducible(editor, faces):
    system, target = with_random_head(editor()), Expression.of("sad", n=8)
    assert torch.equal(system.edit(faces, target, seed=3), system.edit(faces, target, seed=3))
    alone = system.edit(faces[[2]], Expression.of("sad"), seed=[3])
    torch.testing.assert_close(alone, system.edit(faces, target, seed=[1, 2, 3, 4, 5, 6, 7, 8])[[2]], atol=1e-4, rtol=0)


def test_it_recovers_faces_from_proposals_of_the_base(editor, faces):
    only = dict.fromkeys(("adversarial", "adversarial_features", "action_units", "features"), 0.0)
    system = editor(Lamp, **only, learning_rate=5e-3)
    optimiser, errors = system.optimisers()["generator"], []
    for step in range(12):
        torch.manual_seed(0)
        [(_, loss, scalars)] = system.training_step(faces, Clock(step, 100))
        errors.append(scalars["generator/squared"].item())
        optimiser.zero_grad()
        loss.backward(inputs=list(system.denoiser.parameters()))
        optimiser.step()
    assert errors[-1] < 0.9 * errors[0]


def test_with_ground_truth_it_learns_from_the_proposal_of_one_edit(editor):
    only = dict.fromkeys(("adversarial", "adversarial_features", "action_units", "features", "absolute"), 0.0)
    system = with_random_head(editor(Lamp, **only | {"squared": 1.0}))
    triples = open_dataset("synthetic_transfers", people=4, faces_per_person=2, size=96).faces(range(8))
    torch.manual_seed(0)
    [(_, loss, _)] = system.training_step(triples, Clock(1, 100))
    face, _, truth = triples.images.unbind(1)
    torch.manual_seed(0)
    torch.randperm(8)
    wanted = system.label(Expression(action_units=triples.action_units[:, 2]))
    edited = system._from_noise(system.denoiser, wanted, *system.context(face, wanted, None))
    assert loss.item() == pytest.approx(F.mse_loss(edited, truth).item(), rel=1e-4)


def test_its_weights_need_the_base_and_stay_small():
    system = CascadedEditor(CascadedEditor.presets["gpu"])
    assert system.requires["base"] == "adversarial_editor-synthetic_units"
    assert "base" not in system.guided_by
    assert sum(2 * value.numel() for value in system.weights().values()) < 4e6
