"""Judges: errors in training, and `evaluate` on predictions with known metrics."""

import dataclasses

import pytest
import torch

from facekit.datasets.base import FaceDataset
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.emotions import EMOTIONS
from facekit.faces.faces import Faces
from facekit.losses.attribute import action_unit_loss
from facekit.models.judges.action_units import ActionUnitNet
from facekit.models.judges.emotion_resnet import EmotionResNet
from facekit.models.judges.identity import IdentityNet, pair_similarities, random_grey, verification_auc
from facekit.models.system import CannotTrain, Clock

A = len(ACTION_UNIT_COLUMNS)


class Encoded(FaceDataset):
    """Images whose first pixels hold the predictions of `decoder`, one row per face."""

    name, split, size, channels = "encoded", "valid", 48, 1

    def __init__(self, rows, attributes=None, **fields):
        self.rows, self.attributes, self.fields = rows, attributes or {}, fields
        self.labels = fields.get("emotion", torch.full((len(rows),), -1))

    def faces(self, indices):
        indices = list(indices)
        images = torch.zeros(len(indices), 1, 48, 48)
        images.flatten(1)[:, : self.rows.shape[1]] = self.rows[indices]
        attributes = {name: value[indices] for name, value in self.attributes.items()}
        return Faces(images, **{name: value[indices] for name, value in self.fields.items()}, attributes=attributes)


def decoder(kind, width):
    """A system of this kind whose predictions are the first pixels of the image."""
    system = kind(kind.presets["smoke"])
    system.flip_averaged = lambda images: images.flatten(1)[:, :width]
    return system


def test_emotion_metrics_are_over_labelled_faces():
    labels = torch.tensor([0, 0, 1, 3, -1, EMOTIONS.index("contempt")])
    predicted = torch.nn.functional.one_hot(torch.tensor([0, 1, 1, 3, 2, 2]), 7).float()
    result = decoder(EmotionResNet, 7).evaluate(Encoded(predicted, emotion=labels))
    assert result["accuracy"] == pytest.approx(3 / 4)
    assert result["f1/angry"] == pytest.approx(2 / 3)
    assert result["f1/happy"] == 1
    assert result["f1/sad"] == 0
    assert result["f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 7)


def test_auc_is_1_where_embeddings_separate_identities():
    rows = torch.eye(3).repeat_interleave(4, 0)
    persons = torch.arange(3).repeat_interleave(4)
    emotions = torch.arange(4).repeat(3)
    system = decoder(IdentityNet, 3)
    assert system.evaluate(Encoded(rows, person=persons, emotion=emotions))["auc"] == 1
    mixed = Encoded(rows[[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]], person=persons, emotion=emotions)
    assert system.evaluate(mixed)["auc"] < 0.5


def test_all_pairs_count_where_faces_have_no_emotion():
    rows, persons = torch.eye(3).repeat_interleave(4, 0), torch.arange(3).repeat_interleave(4)
    unlabelled = torch.full((12,), -1)
    assert decoder(IdentityNet, 3).evaluate(Encoded(rows, person=persons, emotion=unlabelled))["auc"] == 1


def test_auc_matched_is_over_impostors_of_the_same_appearance():
    """Of four people the last two have the same appearance, and the same embedding."""
    rows = torch.eye(4)[[0, 1, 2, 2]].repeat_interleave(2, 0)
    persons, emotions = torch.arange(4).repeat_interleave(2), torch.arange(2).repeat(4)
    appearance = torch.tensor([0, 1, 2, 2]).repeat_interleave(2)
    attributes = {"skin_tone": appearance, "hair_style": appearance, "glasses": torch.zeros(8, dtype=torch.long)}
    result = decoder(IdentityNet, 4).evaluate(Encoded(rows, attributes, person=persons, emotion=emotions))
    assert result["auc_matched"] == pytest.approx(0.5)
    assert result["auc"] == pytest.approx(1 - 0.5 * 4 / 24)  # 4 of the 24 impostor pairs have equal embeddings


def test_action_unit_metrics_are_by_unit():
    true = torch.rand(50, A, generator=torch.Generator().manual_seed(0))
    true[:, 0] = 0  # a constant unit
    predicted = true.clone()
    predicted[:, 1] = 1 - true[:, 1]
    result = decoder(ActionUnitNet, A).evaluate(Encoded(predicted, action_units=true))
    assert f"correlation/{ACTION_UNIT_COLUMNS[0]}" not in result
    assert result[f"correlation/{ACTION_UNIT_COLUMNS[1]}"] == pytest.approx(-1)
    assert result[f"correlation/{ACTION_UNIT_COLUMNS[2]}"] == pytest.approx(1)
    assert result["correlation"] == pytest.approx((A - 3) / (A - 1))
    assert result["mae"] == pytest.approx((1 - 2 * true[:, 1]).abs().mean().item() / A)


def test_units_that_are_not_annotated_do_not_count():
    true = torch.rand(50, A, generator=torch.Generator().manual_seed(0))
    annotated = torch.ones(50, A)
    annotated[:40, 1], annotated[:, 2] = 0, 0
    predicted = torch.where(annotated.bool(), true, 1 - true)
    data = Encoded(predicted, {"annotated": annotated}, action_units=true)
    result = decoder(ActionUnitNet, A).evaluate(data)
    assert result["mae"] == pytest.approx(0, abs=1e-6)
    assert result[f"correlation/{ACTION_UNIT_COLUMNS[1]}"] == pytest.approx(1)
    assert f"mae/{ACTION_UNIT_COLUMNS[2]}" not in result
    assert action_unit_loss(predicted, true, annotated) == pytest.approx(0, abs=1e-6)
    assert action_unit_loss(predicted, true) > 0.01


def test_pairs_are_restricted_to_differing_expressions_and_matching_attributes():
    embeddings = torch.nn.functional.normalize(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    persons, emotions = torch.tensor([5, 5, 5, 9]), torch.tensor([0, 0, 1, 1])
    genuine, impostor = pair_similarities(embeddings, persons)
    assert (len(genuine), len(impostor)) == (3, 3)
    genuine, impostor = pair_similarities(embeddings, persons, differing=emotions)
    torch.testing.assert_close(genuine, torch.stack([embeddings[0] @ embeddings[2], embeddings[1] @ embeddings[2]]))
    torch.testing.assert_close(impostor, torch.stack([embeddings[0] @ embeddings[3], embeddings[1] @ embeddings[3]]))
    attributes = torch.tensor([[1, 0], [2, 0], [1, 1], [1, 0]])
    _, impostor = pair_similarities(embeddings, persons, matching=attributes)
    torch.testing.assert_close(impostor, (embeddings[0] @ embeddings[3])[None])


def test_auc_is_the_fraction_of_correctly_ordered_pairs():
    genuine, impostor = torch.tensor([0.9, 0.2]), torch.tensor([0.5, -0.5, 0.1, 0.95])
    ordered = (genuine[:, None] > impostor[None]).float().mean().item()
    assert verification_auc(genuine, impostor) == pytest.approx(ordered)


def test_random_grey_converts_images_with_the_given_probability():
    torch.manual_seed(0)
    images = torch.rand(400, 3, 2, 2)
    converted = random_grey(images, 0.3)
    grey = (converted[:, 0] == converted[:, 1]).flatten(1).all(1)
    assert grey.float().mean().item() == pytest.approx(0.3, abs=0.07)
    assert torch.equal(converted[~grey], images[~grey])


def step(system, faces):
    return next(iter(system.training_step(faces, Clock(0, 1))))


def test_unsuitable_training_data_raise():
    images = torch.zeros(2, 3, 48, 48)
    identity = IdentityNet(IdentityNet.presets["smoke"])
    with pytest.raises(CannotTrain, match="known identities"):
        step(identity, Faces(images))
    with pytest.raises(CannotTrain, match="raise `people`"):
        step(identity, Faces(images, person=torch.tensor([0, 64])))
    with pytest.raises(CannotTrain, match="known action units"):
        step(ActionUnitNet(ActionUnitNet.presets["smoke"]), Faces(images))


def test_class_weights_of_the_preset_are_used(drawn):
    faces = drawn.faces(range(16))
    preset = EmotionResNet.presets["smoke"]
    torch.manual_seed(0)
    plain = EmotionResNet(dataclasses.replace(preset, dropout=0.0))
    happy_only = tuple(float(name == "happy") for name in EMOTIONS[:7])
    torch.manual_seed(0)
    weighted = EmotionResNet(dataclasses.replace(preset, dropout=0.0, class_weights=happy_only, smoothing=0.0))
    happy = faces.emotion == EMOTIONS.index("happy")
    expected = torch.nn.functional.cross_entropy(plain(faces.images)[happy], faces.emotion[happy])
    torch.testing.assert_close(step(weighted, faces)[1], expected)
