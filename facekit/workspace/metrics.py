"""The metrics that a run publishes in its `metrics.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping

from facekit.workspace.files import read_json, write_json
from facekit.workspace.folders import run_dir


def publish(metrics: Mapping[str, object]) -> None:
    """Add metrics to the run's `metrics.json`, without rounding.

    Values are numbers, tensors, strings, booleans, None, or mappings and lists of these; a metric published before is
    replaced. Raises `ValueError` for a metric that is not finite, and `TypeError` for a value of another type.

    >>> import json, os, tempfile
    >>> os.environ["FACEKIT_RUN_DIR"] = tempfile.mkdtemp()
    >>> publish({"accuracy": 0.98})
    >>> publish({"f1": {"happy": 0.99}})
    >>> json.loads((run_dir() / "metrics.json").read_text())
    {'accuracy': 0.98, 'f1': {'happy': 0.99}}
    >>> del os.environ["FACEKIT_RUN_DIR"]
    """
    path = run_dir() / "metrics.json"
    known = read_json(path) if path.exists() else {}
    write_json(path, {**known, **{name: _as_json(value, name) for name, value in metrics.items()}})


def _as_json(value: object, where: str) -> object:
    """The value in the types of JSON."""
    if hasattr(value, "tolist"):  # tensors, arrays and NumPy scalars
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"the metric {where} is {value}; publish None if there is nothing to report")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _as_json(inner, f"{where} / {name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(inner, f"{where}[{i}]") for i, inner in enumerate(value)]
    raise TypeError(f"the metric {where} is a {type(value).__name__}; publish numbers, strings, lists or mappings")
