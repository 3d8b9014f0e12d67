"""The timing of a sequence: how far each frame has moved between which two keyframes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def smoothstep(t: Tensor) -> Tensor:
    """3t² - 2t³: an easing function from 0 to 1 whose slope is 0 at both ends."""
    return t * t * (3 - 2 * t)


def segments(keyframes: int, frames: int, ease: Callable[[Tensor], Tensor] | None = None) -> list[tuple[int, float]]:
    """For each frame, the keyframe before it and the progress in [0, 1] from that one to the next.

    Keyframes are equally spaced in time. `ease` maps progress within each segment, (T,) in [0, 1], to [0, 1];
    `smoothstep` by default.

    >>> segments(2, 3)
    [(0, 0.0), (0, 0.5), (0, 1.0)]
    """
    position = torch.linspace(0, keyframes - 1, frames)
    start = position.floor().clamp(max=keyframes - 2)
    progress = (ease or smoothstep)(position - start)
    return [(int(i), float(t)) for i, t in zip(start, progress, strict=True)]
