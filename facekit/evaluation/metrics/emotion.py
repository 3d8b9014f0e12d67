"""E2 and E3: target-emotion accuracy, F1 and confusion of a judge's predictions."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_f1_score

from facekit.faces.emotions import PROTOCOL_EMOTIONS


@dataclass(frozen=True)
class EmotionScores:
    """Scores of predicted emotions against target emotions, or against labels.

    accuracy       share of predictions that equal the target
    f1             macro F1: the mean over emotions
    f1_by_emotion  by name, in the order of `PROTOCOL_EMOTIONS`
    confusion      (7, 7) counts; rows are targets, columns predictions
    """

    accuracy: float
    f1: float
    f1_by_emotion: dict[str, float]
    confusion: Tensor


def emotion_scores(predictions: Tensor, targets: Tensor) -> EmotionScores:
    """Scores of a judge's probabilities (N, 7), or of its predicted classes (N,), against target emotions (N,).

    Faces whose target is not one of `PROTOCOL_EMOTIONS` are left out. Raises `ValueError` if no face remains.
    """
    count = len(PROTOCOL_EMOTIONS)
    predicted = predictions if predictions.ndim == 1 else predictions.argmax(1)
    known = (targets >= 0) & (targets < count)
    if not known.any():
        raise ValueError(f"no target is one of {', '.join(PROTOCOL_EMOTIONS)}: there is nothing to score")
    predicted, targets = predicted[known], targets[known]
    confusion = multiclass_confusion_matrix(predicted, targets, count)
    by_emotion = multiclass_f1_score(predicted, targets, count, average=None).tolist()
    return EmotionScores(
        accuracy=(predicted == targets).float().mean().item(),
        f1=sum(by_emotion) / count,
        f1_by_emotion=dict(zip(PROTOCOL_EMOTIONS, by_emotion, strict=True)),
        confusion=confusion,
    )
