"""E7 and E9: do action units and landmarks move in the right direction, and as far as they should?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.landmarks import OUTER_CORNERS

# Shorter movements count as none: a network's outputs for one image in two batches differ in the sixth digit.
_SMALLEST = 1e-4


def action_unit_error(measured: Tensor, true: Tensor) -> Tensor:
    """Mean absolute error of action units, per face: (N, A) and (N, A) to (N,) in [0, 1]."""
    return (measured - true).abs().mean(-1)


def landmark_error(measured: Tensor, true: Tensor, part: slice = slice(None)) -> Tensor:
    """Normalised mean error (NME) of landmarks, per face: distance divided by that of the true outer eye corners.

    measured, true  (N, 68, 2) in the iBUG order, in the same units; returns (N,)
    part            the landmarks that count, one of `PARTS`; by default all
    """
    left, right = (true[:, corner] for corner in OUTER_CORNERS)
    between_eyes = (left - right).norm(dim=-1)
    return (measured - true).norm(dim=-1)[:, part].mean(-1) / between_eyes


@dataclass(frozen=True)
class ExpressionChange:
    """The action-unit movement of each edit compared with that of its ground truth; NaN where nothing should move.

    cosine  (N,) of the angle between the two movements, in [-1, 1]; 0 where nothing moved
    ratio   (N,) of their lengths; 0 where nothing moved, 1 where the edit moved as far as the ground truth
    """

    cosine: Tensor
    ratio: Tensor

    @property
    def should_move(self) -> Tensor:
        """(N,) whether the ground truth moves."""
        return ~self.cosine.isnan()

    def correct(self, cosine: float = 0.8, ratio: tuple[float, float] = (0.7, 1.3)) -> Tensor:
        """(N,) whether an edit moved in the right direction and about as far as it should; false where nothing
        should move.

        cosine  smallest cosine that counts as the right direction
        ratio   interval of ratios that counts as about as far
        """
        low, high = ratio
        return (self.cosine >= cosine) & (self.ratio >= low) & (self.ratio <= high)

    def direction_accuracy(self, cosine: float = 0.8, ratio: tuple[float, float] = (0.7, 1.3)) -> float:
        """Action-unit direction accuracy: the share of `correct` edits among those that should move."""
        return self.correct(cosine, ratio)[self.should_move].float().mean().item()


def expression_change(source: Tensor, edit: Tensor, ground_truth: Tensor) -> ExpressionChange:
    """E9: the movement from source to edit against that from source to ground truth. An unchanged face scores 0.

    source, edit, ground_truth  action units (N, A) of the input, the edit and the ground truth: known values, or
                                predictions of one judge for all three
    """
    moved, should = edit - source, ground_truth - source
    length, wanted = moved.norm(dim=-1), should.norm(dim=-1)
    undefined = torch.full_like(wanted, torch.nan)
    still = wanted < _SMALLEST
    angle = F.cosine_similarity(moved, should, dim=-1) * (length >= _SMALLEST)
    return ExpressionChange(
        cosine=torch.where(still, undefined, angle),
        ratio=torch.where(still, undefined, length / wanted),
    )
