"""The file of an expression that the studio saves: a small JSON that people can read."""

from __future__ import annotations

import json
import os
from pathlib import Path

from facekit.faces.action_units import action_unit_columns
from facekit.faces.expression import Expression

_FORMAT = "facekit expression"  # as in `facekit/studio/web/expression.js`


def read_expression(path: str | os.PathLike) -> Expression:
    """The expression in a file that the studio's *Save expression* wrote, for one face.

    Weights of emotions that sum to less than 1 are completed by neutral. With action units that were set by hand, the
    result consists of action units: those of the emotions, with the set ones in place of their own.

    Raises `ValueError` for another file, for names that are not known, and for values that are not from 0 to 1.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError:  # no JSON, or no text at all
        content = None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"{path} holds no expression: choose a file that the studio's 'Save expression' wrote")
    weights = {name: float(weight) for name, weight in content.get("emotions", {}).items()}
    units = {name: float(level) for name, level in content.get("action_units", {}).items()}
    for name, value in (weights | units).items():
        if not 0 <= value <= 1:
            raise ValueError(f"{path}: {name} is {value}; it must be from 0 to 1")
    missing = max(0.0, 1 - sum(weights.values()))
    weights["neutral"] = weights.get("neutral", 0.0) + missing
    try:
        expression = Expression.blend(weights)
        if not units:
            return expression
        row = expression.to_action_units().action_units
        for name, level in units.items():
            row[:, list(action_unit_columns(name))] = level
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return Expression(action_units=row)
