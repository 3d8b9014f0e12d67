"""E7 and E9: do the action units and landmarks move as they should?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.landmarks import OUTER_CORNERS

# Movements shorter than this are none: what a network says of one picture in two batches differs in the sixth digit.
_SMALLEST = 1e-4


def action_unit_error(measured: Tensor, true: Tensor) -> Tensor:
    """Mean absolute difference of action units, by face: (N, A) and (N, A) to (N,) in [0, 1]."""
    return (measured - true).abs().mean(-1)


def landmark_error(measured: Tensor, true: Tensor) -> Tensor:
    """Normalised mean error of landmarks, by face: distance over that of the true outer eye corners.

    measured, true  (N, 68, 2) in the iBUG order, in the same units; returns (N,)
    """
    left, right = (true[:, corner] for corner in OUTER_CORNERS)
    between_eyes = (left - right).norm(dim=-1)
    return (measured - true).norm(dim=-1).mean(-1) / between_eyes


@dataclass(frozen=True)
class ExpressionChange:
    """How edits moved the action units, against how they should have, by edit; NaN where nothing should move.

    cosine  (N,) of the angle between the two movements, in [-1, 1]; 0 where nothing moved
    ratio   (N,) of their lengths; 0 where nothing moved, 1 where the edit went as far as it should
    """

    cosine: Tensor
    ratio: Tensor

    @property
    def should_move(self) -> Tensor:
        """(N,) whether anything should have moved."""
        return ~self.cosine.isnan()

    def right(self, cosine: float = 0.8, ratio: tuple[float, float] = (0.7, 1.3)) -> Tensor:
        """(N,) whether an edit went the right way and about as far as it should; false where nothing should move."""
        low, high = ratio
        return (self.cosine >= cosine) & (self.ratio >= low) & (self.ratio <= high)

    def share_right(self, cosine: float = 0.8, ratio: tuple[float, float] = (0.7, 1.3)) -> float:
        """Share of the edits that are `right`, of those that should move."""
        return self.right(cosine, ratio)[self.should_move].float().mean().item()


def expression_change(source: Tensor, edit: Tensor, truth: Tensor) -> ExpressionChange:
    """E9: the movement from source to edit against that from source to truth, so that "nothing moved" scores 0.

    source, edit, truth  action units (N, A) of the input, the edit and the true picture: known, or measured by
                         one judge on all three
    """
    moved, should = edit - source, truth - source
    length, wanted = moved.norm(dim=-1), should.norm(dim=-1)
    nothing = torch.full_like(wanted, torch.nan)
    still = wanted < _SMALLEST
    angle = F.cosine_similarity(moved, should, dim=-1) * (length >= _SMALLEST)
    return ExpressionChange(
        cosine=torch.where(still, nothing, angle),
        ratio=torch.where(still, nothing, length / wanted),
    )
