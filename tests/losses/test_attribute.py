import math

import pytest
import torch
import torch.nn.functional as F

from facekit.faces.emotions import EMOTIONS
from facekit.losses.attribute import action_unit_loss, emotion_loss

CONTEMPT = EMOTIONS.index("contempt")


def test_emotion_loss_ignores_unlabelled_faces_and_labels_without_a_logit():
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([2, -1, CONTEMPT, 5])
    expected = F.cross_entropy(logits[[0, 3]], torch.tensor([2, 5]))
    torch.testing.assert_close(emotion_loss(logits, labels), expected)


def test_emotion_loss_counts_contempt_for_a_classifier_with_eight_logits():
    logits = torch.zeros(1, 8)
    assert emotion_loss(logits, torch.tensor([CONTEMPT])).item() == pytest.approx(math.log(8))


def test_label_smoothing_penalises_overconfident_logits():
    certain = torch.eye(7)[:1] * 100
    label = torch.tensor([0])
    assert emotion_loss(certain, label).item() == pytest.approx(0, abs=1e-6)
    assert emotion_loss(certain, label, smoothing=0.1).item() == pytest.approx(0.1 * 100 * 6 / 7, rel=1e-3)


def test_emotion_loss_applies_class_weights():
    logits = torch.zeros(2, 7)
    logits[0, 0] = 5.0  # a correct, confident prediction for the first face, a uniform one for the second
    labels = torch.tensor([0, 1])
    heavy, light = torch.ones(7), torch.ones(7)
    heavy[1], light[1] = 3.0, 0.1
    assert emotion_loss(logits, labels, weights=light) < emotion_loss(logits, labels, weights=heavy)


def test_action_unit_loss_is_the_mean_squared_error():
    assert action_unit_loss(torch.tensor([[0.5, 0.0]]), torch.tensor([[0.0, 0.0]])).item() == 0.125
