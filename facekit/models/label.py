"""Emotion labels for networks: the label of an `Expression`, the labels of `Faces`, and random labels for training.

A label is a row of weights over emotions that sum to 1. An intensity below 1 gives the remaining weight to neutral.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces

NEGLIGIBLE = 1e-3
"""Weights up to this size count as 0."""


def label_weights(expression: Expression, emotions: Sequence[str], who: str) -> Tensor:
    """The label of an expression: weights over some of the emotions, with 1 - intensity as the weight of neutral.

    who  the name of the model in error messages

    Returns (N, K), or (N, T, K) with a time axis; each row sums to 1. Raises `UnsupportedExpression` for an expression
    without an emotion, or with one that is not among `emotions`.
    """
    if expression.emotion is None:
        raise UnsupportedExpression(f"{who} needs an emotion, such as Expression.of('happy', 0.7)")
    weights = expression.intensity_to_weights().emotion
    others = [name for i, name in enumerate(EMOTIONS) if name not in emotions and (weights[..., i] > NEGLIGIBLE).any()]
    if others:
        raise UnsupportedExpression(f"{who} was trained on {', '.join(emotions)}, not on {', '.join(others)}")
    return weights[..., _columns(emotions)]


def label_to_expression(weights: Tensor, emotions: Sequence[str]) -> Expression:
    """The expression of labels (N, K) over some of the emotions: the inverse of `label_weights`."""
    every = weights.new_zeros(len(weights), len(EMOTIONS))
    every[:, _columns(emotions)] = weights
    return Expression(emotion=every).weights_to_intensity()


def action_unit_labels(expression: Expression) -> Tensor:
    """The action units of an expression, (N, A) or (N, T, A): its own, else the prototypes of its emotions."""
    if expression.action_units is None:
        expression = expression.only("emotion", "intensity").to_action_units()
    return expression.action_units


def has_label(faces: Faces, emotions: Sequence[str]) -> Tensor:
    """Which faces are labelled with one of the emotions: (N,) bool."""
    if faces.emotion is None:
        return torch.zeros(len(faces), dtype=torch.bool, device=faces.images.device)
    return torch.isin(faces.emotion, torch.tensor(_columns(emotions), device=faces.emotion.device))


def label_indices(faces: Faces, emotions: Sequence[str]) -> Tensor:
    """The labels of faces as indices into the emotions, (N,); 0 where `has_label` is false."""
    codes = torch.tensor(_columns(emotions), device=faces.emotion.device)
    return (faces.emotion[:, None] == codes).long().argmax(1)


def has_expression(faces: Faces, emotions: Sequence[str]) -> Tensor:
    """Which faces are labelled with one of the emotions, or have action units in place of a label: (N,) bool."""
    known = has_label(faces, emotions)
    unlabelled = torch.ones_like(known) if faces.emotion is None else faces.emotion < 0
    return known if faces.action_units is None else known | unlabelled


def face_labels(faces: Faces, emotions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The labels of faces, (N, K), or of sequences, (N, T, K), as `label_weights` gives them, and `has_label`, (N,).

    Rows of faces without a label are 0. Raises `UnsupportedExpression` for weak expressions if neutral is not among the
    emotions.
    """
    known = has_label(faces, emotions)
    if "neutral" not in emotions and faces.intensity is not None and (faces.intensity[known] < 1).any():
        raise UnsupportedExpression(
            f"some faces show an emotion at an intensity below 1, and so are partly neutral: add neutral to "
            f"{', '.join(emotions)}"
        )
    if not known.any():
        frames = () if faces.frames is None else (faces.frames,)
        return torch.zeros(len(faces), *frames, len(emotions), device=faces.images.device), known
    weights = label_weights(faces[known].expression, emotions, "a label")
    labels = weights.new_zeros(len(faces), *weights.shape[1:])
    labels[known] = weights
    return labels, known


def soft_labels(indices: Tensor, intensities: Tensor, emotions: Sequence[str]) -> Tensor:
    """Labels (N, K) of emotions, as indices (N,) into `emotions`, at intensities (N,); the rest is neutral."""
    labels = intensities[:, None] * torch.nn.functional.one_hot(indices, len(emotions))
    labels[:, list(emotions).index("neutral")] += 1 - intensities
    return labels


def random_intensities(n: int, full: float = 0.0, device: torch.device | str = "cpu") -> Tensor:
    """Random intensities (N,) for training, from the global generator.

    They are 1 with probability `full`, and otherwise uniform in [0.2, 1].
    """
    intensities = 0.2 + 0.8 * torch.rand(n, device=device)
    return torch.where(torch.rand(n, device=device) < full, 1.0, intensities)


def _columns(emotions: Sequence[str]) -> list[int]:
    return [EMOTIONS.index(name) for name in emotions]
