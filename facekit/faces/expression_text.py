"""The printed form of an expression: `happy at 0.70`, `AU6 0.50, AU12 1.00`."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from facekit.faces.action_units import ACTION_UNITS, action_unit_columns
from facekit.faces.emotions import EMOTIONS
from facekit.faces.parts import DOMAINS

_SMALLEST = 5e-3  # weights and intensities below it would be printed as 0.00 and are left out


def describe_face(parts: Mapping[str, Tensor], i: int) -> str:
    """Describe the i-th face of an expression's parts, which have no time axis."""
    words = []
    if "emotion" in parts:
        words.append(_describe_emotion(parts["emotion"][i], parts["intensity"][i] if "intensity" in parts else None))
    if "action_units" in parts:
        words.append(_describe_action_units(parts["action_units"][i]))
    if "landmarks" in parts:
        words.append("68 landmarks")
    if "domain" in parts:
        words.append(DOMAINS[int(parts["domain"][i])])
    return ", ".join(words)


def _describe_emotion(weights: Tensor, intensity: Tensor | None) -> str:
    present = [(name, w) for name, w in zip(EMOTIONS, weights.tolist(), strict=True) if w > _SMALLEST]
    mixture = present[0][0] if len(present) == 1 else " + ".join(f"{name} {w:.2f}" for name, w in present)
    return mixture if intensity is None or intensity == 1 else f"{mixture} at {intensity.item():.2f}"


def _describe_action_units(row: Tensor) -> str:
    """Action units above zero, both sides as one where they are equal."""
    words = []
    for unit in ACTION_UNITS:
        values = [row[c].item() for c in action_unit_columns(unit.number)]
        if max(values) < _SMALLEST:
            continue
        if len(set(values)) == 1:
            words.append(f"AU{unit.number} {values[0]:.2f}")
        else:
            words += [f"{c} {v:.2f}" for c, v in zip(unit.columns, values, strict=True) if v >= _SMALLEST]
    return ", ".join(words) or "no action unit"
