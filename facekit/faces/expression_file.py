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
    try:
        weights, units = (_levels(content.get(key, {})) for key in ("emotions", "action_units"))
        weights["neutral"] = weights.get("neutral", 0.0) + max(0.0, 1 - sum(weights.values()))
        expression = Expression.blend(weights)
        if not units:
            return expression
        row = expression.to_action_units().action_units
        for name, level in units.items():
            row[:, list(action_unit_columns(name))] = level
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return Expression(action_units=row)


def _levels(values: object) -> dict[str, float]:
    """Values from 0 to 1 by name."""
    if not isinstance(values, dict):
        raise ValueError(f"{values!r} is no table of values by name")
    for name, value in values.items():
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError(f"{name} is {value!r}; it must be a number from 0 to 1")
    return {name: float(value) for name, value in values.items()}
