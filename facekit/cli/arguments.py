"""What all commands share: how they are added, what their arguments may be, and how a mistake in them is told."""

from __future__ import annotations

import argparse
from collections.abc import Collection


class Mistake(ValueError):
    """Something in the command that its author can put right. The message says what."""


def add(commands, name: str, command, passes_on: bool = False) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=command.__doc__.splitlines()[0], description=command.__doc__)
    parser.set_defaults(command=command, passes_on=passes_on)
    return parser


def group(commands, name: str, text: str):
    return commands.add_parser(name, help=text).add_subparsers(metavar="COMMAND", required=True)


def line(text: str) -> None:
    """A line that is seen at once, also where output goes to a file."""
    print(text, flush=True)


def known(name: str, names: Collection[str], kind: str) -> None:
    if name not in names:
        raise Mistake(f"{name!r} is no {kind}; known are {', '.join(filter(None, names))}")


def assignment(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals:
        raise Mistake(f"{text!r} is not of the form FIELD=value")
    return field.strip(), value.strip()


def numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} are not whole numbers with commas between them")
    return [int(part) for part in parts]


def count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
