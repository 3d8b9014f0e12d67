"""Emotions as a label that a network learns: which faces have one, and what an expression is in its columns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces

NOTHING = 1e-3
"""Weights of emotions up to this size count as none."""


def label_weights(expression: Expression, emotions: Sequence[str], who: str) -> Tensor:
    """An expression as weights over some of the emotions, an intensity being a share of neutral.

    Returns (N, K), or (N, T, K) with a time axis, each row summing to 1. Raises `UnsupportedExpression`, in the name
    of `who`, where there is no emotion, or one that is not among `emotions`.
    """
    if expression.emotion is None:
        raise UnsupportedExpression(f"{who} needs an emotion, such as Expression.of('happy', 0.7)")
    weights = expression.intensity_to_weights().emotion
    others = [name for i, name in enumerate(EMOTIONS) if name not in emotions and (weights[..., i] > NOTHING).any()]
    if others:
        raise UnsupportedExpression(f"{who} has learned {', '.join(emotions)}, and is asked for {', '.join(others)}")
    return weights[..., _columns(emotions)]


def label_expression(weights: Tensor, emotions: Sequence[str]) -> Expression:
    """The expression that weights (N, K) over some of the emotions say: the way back from `label_weights`."""
    every = weights.new_zeros(len(weights), len(EMOTIONS))
    every[:, _columns(emotions)] = weights
    return Expression(emotion=every).weights_to_intensity()


def unit_levels(expression: Expression) -> Tensor:
    """An expression as action units (N, A), or (N, T, A): those that it says, else its emotions' prototypes."""
    if expression.action_units is None:
        expression = expression.only("emotion", "intensity").to_action_units()
    return expression.action_units


def labelled(faces: Faces, emotions: Sequence[str]) -> Tensor:
    """Which faces have a label that is one of the emotions: (N,) bool. Without any labels, none."""
    if faces.emotion is None:
        return torch.zeros(len(faces), dtype=torch.bool, device=faces.images.device)
    return torch.isin(faces.emotion, torch.tensor(_columns(emotions), device=faces.emotion.device))


def face_labels(faces: Faces, emotions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Labels (N, K) of faces, or (N, T, K) of sequences, as `label_weights` gives them, and which faces have one (N,);
    the others' rows are 0."""
    known = labelled(faces, emotions)
    if not known.any():
        return torch.zeros(len(faces), len(emotions), device=faces.images.device), known
    weights = label_weights(faces[known].expression, emotions, "a label")
    labels = weights.new_zeros(len(faces), *weights.shape[1:])
    labels[known] = weights
    return labels, known


def leveled(kinds: Tensor, levels: Tensor, emotions: Sequence[str]) -> Tensor:
    """Labels (N, K) of emotions (N,), as indices into `emotions`, at intensities (N,): the rest of each is neutral."""
    labels = levels[:, None] * torch.nn.functional.one_hot(kinds, len(emotions))
    labels[:, list(emotions).index("neutral")] += 1 - levels
    return labels


def drawn_levels(n: int, full: float = 0.0, device: torch.device | str = "cpu") -> Tensor:
    """Intensities (N,) to train with, from the global generator: from 0.2 to 1, but 1 for a share of them, `full`."""
    levels = 0.2 + 0.8 * torch.rand(n, device=device)
    return torch.where(torch.rand(n, device=device) < full, 1.0, levels)


def _columns(emotions: Sequence[str]) -> list[int]:
    return [EMOTIONS.index(name) for name in emotions]
