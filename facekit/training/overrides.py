"""Overrides of fields by name, from the command line or the parameters of a notebook, with their types checked."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def overridden(values: T, changes: Mapping[str, object]) -> T:
    """A copy of a dataclass instance with some fields changed: `overridden(preset, {"steps": 10, "clip_norm": "1.0"})`.

    Text is converted to the type of the field. Raises `ValueError` for an unknown field or a value of a wrong type.
    """
    return dataclasses.replace(values, **checked(type(values), changes))


def checked(kind: Callable, changes: Mapping[str, object]) -> dict[str, object]:
    """Keyword arguments of a class, converted to their declared types; raises `ValueError` as `overridden` does."""
    known = parameters(kind)
    for name in changes:
        if name not in known:
            raise ValueError(f"{kind.__name__} has no {name!r}; it has {', '.join(known)}")
    return {name: _converted(value, known[name].annotation, name) for name, value in changes.items()}


def parameters(kind: Callable) -> dict[str, inspect.Parameter]:
    """The parameters of a class by name, with their types; where it passes `**options` on, also those of its base."""
    own = kind if dataclasses.is_dataclass(kind) else kind.__init__
    hints, found = typing.get_type_hints(own), {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found = parameters(kind.__mro__[1]) | found
        elif name in hints:
            found[name] = parameter.replace(annotation=hints[name])
    return found


def _converted(value: object, hint: object, name: str) -> object:
    for option in _options(hint):
        try:
            return _as(value, option)
        except (ValueError, SyntaxError, TypeError):
            continue
    raise ValueError(f"{name} is {value!r}; it must be {_spelled(hint)}")


def _options(hint: object) -> tuple:
    """The alternatives of a type hint, None first, so that the text "none" means None."""
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return tuple(sorted(typing.get_args(hint), key=lambda option: option is not type(None))) if union else (hint,)


def _as(value: object, hint: object) -> object:
    """The value converted to a type that is no union; raises `ValueError` where that is impossible."""
    if hint in (Path, os.PathLike):
        return Path(value)
    if typing.get_origin(hint) in (tuple, Sequence):
        items = ast.literal_eval(value) if isinstance(value, str) else value
        return tuple(_as(item, typing.get_args(hint)[0]) for item in items)
    if hint in (bool, type(None)):
        named = {"true": True, "false": False, "none": None}
        value = named[value.lower()] if isinstance(value, str) and value.lower() in named else value
    elif hint in (int, float) and isinstance(value, str):
        value = hint(value)
    elif hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        raise ValueError(value)
    return value


def _spelled(hint: object) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
