"""Verification of people by a recogniser on a fixed list of pairs: LFW's protocol.

Source  Huang et al., *Labeled faces in the wild*, 2007, §3: the threshold for each fold is chosen on the other folds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.lfw import VerificationPairs
from facekit.evaluation.judges import Recogniser
from facekit.evaluation.metrics.identity import cosine, verification_auc


@dataclass(frozen=True)
class PairAccuracy:
    """How well a recogniser tells pairs of one person from pairs of two.

    accuracy        share of pairs that are classified correctly, averaged over folds; 0.5 for a guess
    standard_error  of this mean, over folds
    auc             area under the ROC curve over all pairs
    """

    accuracy: float
    standard_error: float
    auc: float


def verify(recogniser: Recogniser, pairs: VerificationPairs) -> PairAccuracy:
    """The accuracy of a recogniser on pairs of photographs in at least two folds."""
    embeddings = recogniser.embed(pairs.faces)
    similarities = cosine(embeddings[pairs.first], embeddings[pairs.second])
    accuracies = []
    for fold in pairs.fold.unique():
        held_out = pairs.fold == fold
        threshold = best_threshold(similarities[~held_out], pairs.same[~held_out])
        accuracies.append(((similarities > threshold) == pairs.same)[held_out].float().mean())
    values = torch.stack(accuracies)
    return PairAccuracy(
        accuracy=values.mean().item(),
        standard_error=values.std().item() / math.sqrt(len(values)),
        auc=verification_auc(similarities[pairs.same], similarities[~pairs.same]),
    )


def best_threshold(similarities: Tensor, same: Tensor) -> float:
    """The cosine similarity above which pairs (N,) are best accepted as one person: the most correct decisions."""
    order = similarities.argsort()
    genuine = same[order].long()
    # With the threshold at the i-th value, the pairs up to it are rejected and the ones after it accepted.
    correct = (1 - genuine).cumsum(0) + genuine.sum() - genuine.cumsum(0)
    i = int(correct.argmax())
    accept_all = int(genuine.sum()) > int(correct[i])
    return float(similarities[order[0]]) - 1 if accept_all else float(similarities[order[i]])
