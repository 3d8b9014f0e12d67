"""E6: is the identity preserved? Verification by embeddings of length 1, from any judge that has `embed`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.faces.faces import Faces
from facekit.models.judges.identity import pair_similarities, verification_auc

__all__ = [
    "OvalRecogniser",
    "Verification",
    "acceptance_threshold",
    "acd",
    "acd_i",
    "cosine",
    "edit_success",
    "pair_similarities",
    "verification",
    "verification_auc",
]


@dataclass(frozen=True)
class Verification:
    """How well a judge verifies identities. Genuine pairs show one person, impostor pairs two.

    auc                area under the ROC curve: the chance that a genuine pair is more similar than an impostor pair
    threshold          cosine similarity above which a pair is accepted as one person
    false_accept_rate  share of impostor pairs that are accepted (FAR)
    true_accept_rate   share of genuine pairs that are accepted (TAR)
    """

    auc: float
    threshold: float
    false_accept_rate: float
    true_accept_rate: float


def cosine(embeddings: Tensor, others: Tensor) -> Tensor:
    """Cosine similarity of faces, row by row: (N, D) and (N, D) of length 1 to (N,) in [-1, 1]."""
    return (embeddings * others).sum(-1)


def verification(genuine: Tensor, impostor: Tensor, false_accept_rate: float = 0.01) -> Verification:
    """Verification at the threshold with a given false accept rate.

    genuine, impostor  cosines of pairs of one person and of two, from `pair_similarities`
    """
    threshold = acceptance_threshold(impostor, false_accept_rate)
    return Verification(
        auc=verification_auc(genuine, impostor),
        threshold=threshold,
        false_accept_rate=(impostor > threshold).float().mean().item(),
        true_accept_rate=(genuine > threshold).float().mean().item(),
    )


def acceptance_threshold(impostor: Tensor, false_accept_rate: float) -> float:
    """The smallest cosine above which at most this share of the impostor pairs lies."""
    allowed = int(false_accept_rate * len(impostor))
    return impostor.sort(descending=True).values[allowed].item()


class OvalRecogniser:
    """A face recogniser that sees only the oval of the face, on grey.

    Hair, clothes and background would give the identity away, and an edit of the expression leaves them unchanged.
    Suited to tight crops such as those of FER-2013.
    """

    HALF_WIDTH, HALF_HEIGHT = 0.8, 1.0  # as shares of half the image's side

    def __init__(self, judge) -> None:
        self._judge = judge
        self.name, self.sha256 = judge.name, judge.sha256

    def embed(self, faces: Faces) -> Tensor:
        """See `facekit.evaluation.judges.Recogniser.embed`."""
        return self._judge.embed(Faces(faces.images * self.oval(faces.size).to(faces.images)))

    def oval(self, size: int) -> Tensor:
        """Mask (size, size): 1 inside the oval, 0 outside."""
        across = torch.linspace(-1, 1, 2 * size + 1)[1::2]  # centres of the pixels
        reach = (across / self.HALF_WIDTH).square() + (across[:, None] / self.HALF_HEIGHT).square()
        return (reach <= 1).float()


def acd(embeddings: Tensor) -> Tensor:
    """Average content distance of a video (MoCoGAN, Tulyakov 2018, §4.2): how much the identity drifts, as the mean
    Euclidean distance between the embeddings of successive frames: (N, T, D) to (N,)."""
    return embeddings.diff(dim=1).norm(dim=-1).mean(1)


def acd_i(embeddings: Tensor, source: Tensor) -> Tensor:
    """ACD-I (Zhao 2018): mean distance of the frames' embeddings (N, T, D) from the input face's (N, D): (N,)."""
    return (embeddings - source[:, None]).norm(dim=-1).mean(1)


def edit_success(
    target: Tensor, input_emotion: Tensor, predicted: Tensor, identity_similarity: Tensor, threshold: float
) -> float:
    """Edit success rate: the share of edits that show the target emotion *and* preserve the identity. Edits whose
    target is the input's own emotion do not count.

    target, input_emotion, predicted  (N,) emotions: of the request, of the input, and predicted by a judge for the edit
    identity_similarity               (N,) cosine between the embeddings of edit and input
    threshold                         of `verification`, at a false accept rate of 1 %

    Raises `ValueError` if no edit changes the emotion.
    """
    change = target != input_emotion
    if not change.any():
        raise ValueError("every edit's target is the emotion that its input shows already: there is nothing to count")
    return ((predicted == target) & (identity_similarity > threshold))[change].float().mean().item()
