"""E2 and E3: does an edit show what was asked for? By judges' answers against what was asked."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_f1_score

from facekit.faces.emotions import PROTOCOL_EMOTIONS


@dataclass(frozen=True)
class EmotionScores:
    """A judge's answers against what was asked, or against labels.

    accuracy      share of answers that are as asked
    f1            mean over emotions ("macro")
    f1_by_emotion by name, in the order of `PROTOCOL_EMOTIONS`
    confusion     (7, 7) counts; rows asked, columns answered
    """

    accuracy: float
    f1: float
    f1_by_emotion: dict[str, float]
    confusion: Tensor


def emotion_scores(answers: Tensor, asked: Tensor) -> EmotionScores:
    """Scores of a judge's probabilities (N, 7), or of its answers (N,), against what was asked (N,).

    Faces for which no one of `PROTOCOL_EMOTIONS` was asked are left out. Raises `ValueError` where that leaves none.
    """
    count = len(PROTOCOL_EMOTIONS)
    said = answers if answers.ndim == 1 else answers.argmax(1)
    known = (asked >= 0) & (asked < count)
    if not known.any():
        raise ValueError(f"no face was asked for one of {', '.join(PROTOCOL_EMOTIONS)}: there is nothing to score")
    said, asked = said[known], asked[known]
    confusion = multiclass_confusion_matrix(said, asked, count)
    by_emotion = multiclass_f1_score(said, asked, count, average=None).tolist()
    return EmotionScores(
        accuracy=(said == asked).float().mean().item(),
        f1=sum(by_emotion) / count,
        f1_by_emotion=dict(zip(PROTOCOL_EMOTIONS, by_emotion, strict=True)),
        confusion=confusion,
    )
