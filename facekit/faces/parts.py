"""The parts of an expression: their names, shapes and ranges, and the checks of an `Expression`'s tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.emotions import EMOTIONS

DOMAINS = ("photo", "cartoon")
"""The visual domains of images; `Expression.domain` and `Faces.domain` are indices into it."""

PART_DIMS = {"emotion": 1, "intensity": 0, "action_units": 1, "landmarks": 2, "domain": 0}
"""Number of dimensions of each part, for one face in one frame."""

TIMED_PARTS = ("emotion", "intensity", "action_units", "landmarks")
"""The parts that may have a time axis."""

# Sizes of the trailing dimensions.
_TRAILING = {"emotion": (len(EMOTIONS),), "action_units": (len(ACTION_UNIT_COLUMNS),), "landmarks": (68, 2)}

_TOLERANCE = 1e-4  # of the range [0, 1], for rounding errors


def check_names(names: Iterable[str]) -> None:
    """Raise `ValueError` for the name of a part that does not exist."""
    if unknown := set(names) - set(PART_DIMS):
        raise ValueError(f"{sorted(unknown)} are not parts of an expression; its parts are {', '.join(PART_DIMS)}")


def check_shapes(parts: Mapping[str, Tensor]) -> None:
    """Raise `ValueError` for a part of the wrong shape, or where parts differ in the number of faces or frames."""
    faces, frames = {}, {}
    for name, value in parts.items():
        extra = value.ndim - 1 - PART_DIMS[name]
        if extra not in ((0, 1) if name in TIMED_PARTS else (0,)):
            raise ValueError(f"{name} has shape {tuple(value.shape)}; see Expression for the shape it must have")
        if name in _TRAILING and tuple(value.shape[-len(_TRAILING[name]) :]) != _TRAILING[name]:
            raise ValueError(f"{name} has shape {tuple(value.shape)}; it must end in {_TRAILING[name]}")
        faces[name] = value.shape[0]
        if name in TIMED_PARTS:
            frames[name] = value.shape[1] if extra else None
    if len(set(faces.values())) > 1 or len(set(frames.values())) > 1:
        raise ValueError(f"the parts disagree in their number of faces {faces} or frames {frames}")


def check_ranges(parts: Mapping[str, Tensor]) -> None:
    """Raise `ValueError` for values that are not finite or out of range, or emotion weights that do not sum to 1."""
    for name, value in parts.items():
        if name != "domain" and not torch.isfinite(value).all():
            raise ValueError(f"{name} contains a value that is not finite")
        if name in ("emotion", "intensity", "action_units"):
            _check_unit_interval(name, value)
    if "emotion" in parts and ((parts["emotion"].sum(-1) - 1).abs() > 1e-3).any():
        raise ValueError("the emotion weights of each face must sum to 1; Expression.blend normalises them")
    if "domain" in parts and not ((parts["domain"] >= 0) & (parts["domain"] < len(DOMAINS))).all():
        raise ValueError(f"domain must be an index into {DOMAINS}")


def _check_unit_interval(name: str, value: Tensor) -> None:
    if value.numel() and (value.min() < -_TOLERANCE or value.max() > 1 + _TOLERANCE):
        low, high = value.min().item(), value.max().item()
        raise ValueError(f"{name} must lie in [0, 1]; its values range from {low:.3g} to {high:.3g}")
