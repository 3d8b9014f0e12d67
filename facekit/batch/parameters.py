"""The parameters of a notebook: their names, defaults and permitted values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml


class BadPlan(ValueError):
    """A plan that cannot be executed. The message says what to change."""


@dataclass(frozen=True)
class Parameter:
    """A variable of a notebook's cell tagged `parameters`.

    A comment such as `# one of smoke, laptop, gpu: how long to train` restricts it to these values.
    """

    name: str
    default: object = None
    typed: bool = False  # False if the default is None or not a literal: any type is accepted
    help: str = ""

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that the comment lists; empty if it lists none.

        >>> Parameter("PROFILE", "smoke", True, "one of smoke, laptop or gpu: how long to train").choices
        ('smoke', 'laptop', 'gpu')
        """
        match = re.search(r"\bone of ([^:;]+)", self.help)
        named = [word.strip(" '\"`") for word in re.split(r",\s*or\s+|,|\s+or\s+", match[1])] if match else []
        # A list that lacks the default is prose, such as "one of the datasets".
        return tuple(named) if str(self.default) in named else ()

    def accept(self, value: object) -> object:
        """The value in the parameter's type; text from the command line is converted.

        Raises `BadPlan` for a value of another type, and for one that is not among the choices.

        >>> Parameter("SEED", 0, True).accept("7"), Parameter("RATE", 0.1, True).accept("1e-3")
        (7, 0.001)
        """
        value = self._as_own_type(value)
        if self.typed and type(value) is not type(self.default):
            wanted, got = type(self.default).__name__, type(value).__name__
            raise BadPlan(f"{self.name} = {value!r} is of type {got}; it takes {wanted}, such as {self.default!r}")
        if self.choices and str(value) not in self.choices:
            raise BadPlan(f"{self.name} = {value!r} is not one of {', '.join(self.choices)}")
        return value

    def _as_own_type(self, value: object) -> object:
        if isinstance(value, str) and not isinstance(self.default, str):
            value = literal(value)
        return float(value) if type(value) is int and type(self.default) is float else value


def literal(text: str) -> object:
    """The value of a text in the notation of Python (`1e-3`, `True`) or YAML (`true`, `null`, `smoke`).

    >>> literal("1e-3"), literal("null"), literal("smoke")
    (0.001, None, 'smoke')
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return yaml.safe_load(text)


def parameters_of(notebook: Path) -> Mapping[str, Parameter]:
    """The parameters in the notebook's cell tagged `parameters`, by name; empty without such a cell."""
    import papermill

    found = papermill.inspect_notebook(str(notebook))
    return {name: _parameter(name, entry["default"], entry["help"]) for name, entry in found.items()}


def _parameter(name: str, source: str, text: str) -> Parameter:
    try:
        default = ast.literal_eval(source)
    except (ValueError, SyntaxError):
        return Parameter(name, None, False, text)
    return Parameter(name, default, default is not None, text)


def read_grid(flags: Iterable[str]) -> dict[str, list[str]]:
    """Options such as `DATASET=synthetic,fer2013` as lists of values. Commas inside brackets do not separate values.

    >>> read_grid(["SEED=0,1", "SIZES=[1, 2]"])
    {'SEED': ['0', '1'], 'SIZES': ['[1, 2]']}
    """
    grid = {}
    for flag in flags:
        name, equals, values = flag.partition("=")
        if not equals or not name.strip():
            raise BadPlan(f"{flag!r} is not of the form NAME=value or NAME=value,value")
        grid[name.strip()] = [value.strip() for value in re.split(r",(?![^\[({]*[\])}])", values)]
    return grid
