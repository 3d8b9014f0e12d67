"""The values that a field of a preset may have, stated by its type, and the check of a preset before it is used.

A field of type `Count` is a number from 1 on, one of type `Share` lies from 0 to 1, and `Annotated[str, OneOf(...)]` is
one of some words. `check_fields` finds every value that is not allowed.
"""

from __future__ import annotations

import difflib
import functools
import math
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from facekit.faces.emotions import EMOTIONS


class Limit(Protocol):
    """What a value must satisfy. As text, it completes the sentence "it must be ..."."""

    def allows(self, value: object) -> bool:
        """Whether a value satisfies it."""
        ...


@dataclass(frozen=True)
class Interval:
    """A finite number from `low` to `high`; `above` and `below` leave out the ends themselves."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def allows(self, value: float) -> bool:
        """Whether a number lies in the interval."""
        from_low = value > self.low if self.above else value >= self.low
        to_high = value < self.high if self.below else value <= self.high
        return math.isfinite(value) and from_low and to_high

    def __str__(self) -> str:
        ends = [f"{'above' if self.above else 'at least'} {self.low:g}"]
        if math.isfinite(self.high):
            ends.append(f"{'below' if self.below else 'at most'} {self.high:g}")
        return " and ".join(ends)


@dataclass(frozen=True)
class OneOf:
    """One of these words."""

    words: Sequence[str]

    def allows(self, value: str) -> bool:
        """Whether a word is one of them."""
        return value in self.words

    def __str__(self) -> str:
        return f"one of {', '.join(self.words)}"


@dataclass(frozen=True)
class Filled:
    """A sequence that is not empty."""

    def allows(self, value: Sequence) -> bool:
        """Whether a sequence has an item."""
        return len(value) > 0

    def __str__(self) -> str:
        return "a sequence with at least one value"


Count = Annotated[int, Interval(1)]
Several = Annotated[int, Interval(2)]
"""The size of a batch whose mean and variance normalise it."""
Frames = Annotated[int, Interval(3)]
"""Of a sequence."""
Whole = Annotated[int, Interval(0)]
Weight = Annotated[float, Interval(0)]
Positive = Annotated[float, Interval(0, above=True)]
Share = Annotated[float, Interval(0, 1)]
Fraction = Annotated[float, Interval(0, 1, above=True)]
Inner = Annotated[float, Interval(0, 1, above=True, below=True)]
"""Between 0 and 1, but neither."""
Decay = Annotated[float, Interval(0, 1, below=True)]
"""Of a moving average: from 0 to below 1. Also a probability of dropout."""
Rate = Annotated[float, Interval(0, 10)]
"""A learning rate. Optimisers here move weights by about the rate in each step, so that more than 10 is a mistake."""
Counts = Annotated[tuple[Count, ...], Filled()]
Emotion = Annotated[str, OneOf(EMOTIONS)]
Emotions = Annotated[tuple[Emotion, ...], Filled()]


def check_fields(values: object) -> None:
    """Raise `ValueError` for an instance of a dataclass with fields that their types do not allow; it names each one,
    what is allowed, and the nearest word for a misspelt one."""
    found = {}
    for name, hint in _hints(type(values)):
        if name not in found and (problems := list(_problems(name, getattr(values, name), hint))):
            found[name] = "; ".join(f"the preset's {problem}" for problem in problems)
    if found:
        raise ValueError("; ".join(found.values()))


@functools.cache
def _hints(kind: type) -> Sequence[tuple[str, object]]:
    """Names and types of the fields of a dataclass and of its base classes, whose limits hold for a field that is
    declared again without any."""
    return [
        (name, hint)
        for each in kind.__mro__
        for name, hint in typing.get_type_hints(each, include_extras=True).items()
        if name in vars(each).get("__annotations__", ())
    ]


def _problems(name: str, value: object, hint: object) -> Iterator[str]:
    """What a type does not allow in a value, as sentences that start with the name."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is not None:
            yield from _problems(name, value, next(each for each in arguments if each is not type(None)))
    elif origin is Annotated:
        inner, *limits = arguments
        bad = [limit for limit in limits if not _allows(limit, value)]
        yield from (f"{name} is {value!r}; it must be {limit}{_nearest(limit, value)}" for limit in bad)
        if not bad:
            yield from _problems(name, value, inner)
    elif origin is tuple:
        items = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        for i, (item, kind) in enumerate(zip(value, items, strict=True)):
            yield from _problems(f"{name}[{i}]", item, kind)


def _allows(limit: Limit, value: object) -> bool:
    try:
        return limit.allows(value)
    except TypeError:  # a value of another type
        return False


def _nearest(limit: Limit, value: object) -> str:
    near = difflib.get_close_matches(value, limit.words, 1) if isinstance(limit, OneOf) else []
    return f". Did you mean {near[0]!r}?" if near else ""
