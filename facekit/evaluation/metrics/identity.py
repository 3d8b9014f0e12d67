"""E6: is it still the same person? By embeddings of length 1, from any judge that has `embed`."""

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
    """How well a judge tells one person from two.

    auc            chance that a pair of one person is more alike than a pair of two
    threshold      cosine above which a pair counts as one person
    false_accepts  share of pairs of two that are above it
    true_accepts   share of pairs of one person that are
    """

    auc: float
    threshold: float
    false_accepts: float
    true_accepts: float


def cosine(embeddings: Tensor, others: Tensor) -> Tensor:
    """How alike faces are, row by row: (N, D) and (N, D) of length 1 to (N,) in [-1, 1]."""
    return (embeddings * others).sum(-1)


def verification(genuine: Tensor, impostor: Tensor, false_accepts: float = 0.01) -> Verification:
    """Verification at the threshold that so small a share of the impostor pairs passes.

    genuine, impostor  cosines of pairs of one person and of two, as `pair_similarities` gives them
    """
    threshold = acceptance_threshold(impostor, false_accepts)
    return Verification(
        auc=verification_auc(genuine, impostor),
        threshold=threshold,
        false_accepts=(impostor > threshold).float().mean().item(),
        true_accepts=(genuine > threshold).float().mean().item(),
    )


def acceptance_threshold(impostor: Tensor, false_accepts: float) -> float:
    """The cosine that so small a share of pairs of two people, or less, lies above."""
    allowed = int(false_accepts * len(impostor))
    return impostor.sort(descending=True).values[allowed].item()


class OvalRecogniser:
    """A recogniser that is shown the oval of the face alone, on grey.

    Hair, clothes and background would tell it who is who, and an edit of the expression leaves them as they are. The
    faces fill their pictures, as FER-2013's do.
    """

    HALF_WIDTH, HALF_HEIGHT = 0.8, 1.0  # of half the picture's side

    def __init__(self, judge) -> None:
        self._judge = judge
        self.name, self.sha256 = judge.name, judge.sha256

    def embed(self, faces: Faces) -> Tensor:
        """See `facekit.evaluation.judges.Recogniser.embed`."""
        return self._judge.embed(Faces(faces.images * self.oval(faces.size).to(faces.images)))

    def oval(self, size: int) -> Tensor:
        """1 where a picture of a size in pixels is shown, else 0: (size, size)."""
        across = torch.linspace(-1, 1, 2 * size + 1)[1::2]  # the pixels' middles
        reach = (across / self.HALF_WIDTH).square() + (across[:, None] / self.HALF_HEIGHT).square()
        return (reach <= 1).float()


def acd(embeddings: Tensor) -> Tensor:
    """Average content distance of a video (MoCoGAN, Tulyakov 2018, §4.2): how much the person changes from frame
    to frame, as the mean Euclidean distance of the embeddings of successive frames: (N, T, D) to (N,)."""
    return embeddings.diff(dim=1).norm(dim=-1).mean(1)


def acd_i(embeddings: Tensor, source: Tensor) -> Tensor:
    """ACD-I (Zhao 2018): mean distance of the frames' embeddings (N, T, D) from the input face's (N, D): (N,)."""
    return (embeddings - source[:, None]).norm(dim=-1).mean(1)


def edit_success(asked: Tensor, present: Tensor, judged: Tensor, likeness: Tensor, threshold: float) -> float:
    """Share of edits judged as asked *and* verified as the same person, of those that asked for a change.

    asked, present, judged  (N,) emotions: asked for, shown by the input, read from the edit by a judge
    likeness                (N,) cosine between edit and input
    threshold               of `verification`, at 1 % false accepts

    Raises `ValueError` where no edit asked for a change.
    """
    change = asked != present
    if not change.any():
        raise ValueError("every edit asked for the emotion that its face shows already: there is nothing to count")
    return ((judged == asked) & (likeness > threshold))[change].float().mean().item()
