"""How much of the old expression an edit leaves behind, in a region of the face such as the mouth."""

from __future__ import annotations

import torch
from torch import Tensor


def remainder(edit: Tensor, ground_truth: Tensor, source: Tensor, region: Tensor | None = None) -> Tensor:
    """The share of the source's expression that is left in an edit: 0 for the ground truth, 1 for the unedited input.

    The projection of what is still wrong, ground truth - edit, on the whole change, ground truth - source, over all
    images and all pixels of the region. Negative where the edit goes too far; errors in other directions, such as
    noise, do not count.

    edit, ground_truth, source  (N, C, H, W)
    region                      (N, 1, H, W), weights in [0, 1] or booleans; the whole image unless given

    Returns one number; NaN where ground truth and source are equal in the region.
    """
    weight = 1.0 if region is None else region
    missing, change = (ground_truth - edit) * weight, ground_truth - source
    return (missing * change).sum() / (weight * change.square()).sum()


def box_around(landmarks: Tensor, size: int, margin: float = 0.08) -> Tensor:
    """Boolean masks (N, 1, size, size) of the smallest upright boxes around landmarks.

    landmarks  (N, K, 2), x right and y down, from -1 to 1 across the image
    margin     by which the box is larger on each side, in the same unit
    """
    low, high = landmarks.amin(1) - margin, landmarks.amax(1) + margin  # (N, 2)
    centres = (2 * torch.arange(size, device=landmarks.device) + 1) / size - 1  # of the pixels
    inside = (centres[:, None] > low[:, None]) & (centres[:, None] < high[:, None])  # (N, size, 2)
    across, down = inside.unbind(-1)
    return (down[:, :, None] & across[:, None, :])[:, None]
