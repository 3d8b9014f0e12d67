"""The curves of brows, lids, lips and jaw.

Each function takes a position along the curve and its parameters, of any shapes that broadcast, so that one definition
serves the pixels (N, H, W) and the landmarks (N, K).
"""

from __future__ import annotations

from torch import Tensor


def lid_arc(t: Tensor) -> Tensor:
    """Height of the arc of a lid: 1 in the middle and 0 at the corners t = -1 and 1."""
    return (1 - t * t).clamp(min=0)


def upper_lid_arc(t: Tensor) -> Tensor:
    """Height of the upper lid, whose highest point lies a little towards the nose (t = -1)."""
    return lid_arc(t) * (1 - 0.2 * t)


def brow_height(t: Tensor, y0: Tensor, y1: Tensor, y2: Tensor) -> Tensor:
    """The centre line of a brow: a parabola from the inner end (0, y0) through (0.6, y1) to the outer end (1, y2)."""
    bend = (y1 - (0.4 * y0 + 0.6 * y2)) / 0.24
    return y0 + (y2 - y0) * t + bend * t * (1 - t)


def brow_half_thickness(t: Tensor, thick: Tensor) -> Tensor:
    """Half the thickness of a brow, which decreases towards the outer end."""
    t = t.clamp(0, 1)
    return thick * (0.56 - 0.42 * t * t * t)


def corner_line(t: Tensor, corner: Tensor) -> Tensor:
    """The line between the lips relative to its middle; it bends mostly near the corners, |t| = 1."""
    t2 = t * t
    return corner * t2 * (0.56 + 0.44 * t2)


def gap_arc(t: Tensor, square: Tensor | float) -> Tensor:
    """Distance of a lip from that line along the mouth: an arc (square = 0), or squared off (1)."""
    rest = lid_arc(t)
    return rest.sqrt() * (1 - square) + (rest * (2 - rest)).sqrt() * square


def upper_lip_arc(t: Tensor, thick: Tensor, cupid: Tensor) -> Tensor:
    """Thickness of the upper lip along the mouth, with the dip of the Cupid's bow in the middle."""
    t2 = t * t
    return thick * lid_arc(t) * (1 + 0.15 * t2) - cupid * (1 - 9 * t2).clamp(min=0)


def lower_lip_arc(t: Tensor, thick: Tensor) -> Tensor:
    """Thickness of the lower lip along the mouth."""
    rest = lid_arc(t)
    return thick * rest * (1.40 - 0.35 * rest)


def jaw_width(t: Tensor, jaw: Tensor, taper: Tensor) -> Tensor:
    """Width of the lower face relative to an ellipse, from the eyes (t = 0) to the chin (t = 1)."""
    return (1 + jaw * (-((t - 0.76) / 0.22).square()).exp()) * (1 - taper * t)
