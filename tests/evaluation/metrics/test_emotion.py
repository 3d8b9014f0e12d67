import pytest
import torch

from facekit.evaluation.metrics.emotion import emotion_scores
from facekit.faces.emotions import EMOTIONS

TARGETS = torch.arange(7).repeat(3)


def test_all_correct():
    scores = emotion_scores(torch.eye(7)[TARGETS], TARGETS)
    assert (scores.accuracy, scores.f1) == (1, 1)
    assert torch.equal(scores.confusion, 3 * torch.eye(7, dtype=torch.long))


def test_swapped_labels():
    swapped = TARGETS.clone()
    swapped[TARGETS == 0], swapped[TARGETS == 4] = 4, 0
    scores = emotion_scores(swapped, TARGETS)
    assert scores.accuracy == pytest.approx(5 / 7)
    assert scores.f1_by_emotion["angry"] == scores.f1_by_emotion["sad"] == 0
    assert scores.f1_by_emotion["happy"] == 1
    assert scores.confusion[0, 4] == scores.confusion[4, 0] == 3  # rows are targets, columns predictions


def test_confusion_rows_are_targets_and_columns_predictions():
    confusion = emotion_scores(torch.tensor([3, 3]), torch.tensor([0, 3])).confusion
    assert confusion[0, 3] == 1
    assert confusion[3, 0] == 0


def test_f1_of_a_known_table():
    # happy: precision 2/3, recall 2/2
    scores = emotion_scores(torch.tensor([3, 3, 3, 4]), torch.tensor([3, 3, 4, 4]))
    assert scores.f1_by_emotion["happy"] == pytest.approx(0.8)
    assert scores.f1_by_emotion["sad"] == pytest.approx(2 / 3)


def test_targets_outside_the_protocol_are_left_out():
    contempt = EMOTIONS.index("contempt")
    assert emotion_scores(torch.tensor([3, 0, 0]), torch.tensor([3, contempt, -1])).accuracy == 1
    with pytest.raises(ValueError, match="nothing to score"):
        emotion_scores(torch.tensor([0]), torch.tensor([contempt]))
