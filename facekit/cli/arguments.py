"""Shared by all commands: adding them to the parser, converting their arguments, and reporting wrong ones."""

from __future__ import annotations

import argparse
from collections.abc import Collection

from facekit.workspace.folders import is_checkout


class UsageError(ValueError):
    """A wrong command or argument. The message says what to change."""


def add(commands, name: str, command, *, forwards: bool = False, in_checkout: bool = False) -> argparse.ArgumentParser:
    """Add a command, whose help is its docstring.

    forwards     whether it accepts further arguments, for another program
    in_checkout  whether it works on the files of the repository, which an installed package does not have
    """
    parser = commands.add_parser(name, help=command.__doc__.splitlines()[0], description=command.__doc__)
    parser.set_defaults(command=command, forwards=forwards, in_checkout=in_checkout, name_of_command=name)
    return parser


def require_checkout(command: str) -> None:
    """Raise `UsageError` outside of a checkout."""
    if not is_checkout():
        raise UsageError(
            f"`facekit {command}` works on the files of facekit's repository, and this is an installed package: clone "
            "the repository"
        )


def group(commands, name: str, text: str):
    """Add a command that consists of subcommands."""
    return commands.add_parser(name, help=text).add_subparsers(metavar="COMMAND", required=True)


def print_line(text: str) -> None:
    """Print a line without buffering, so that it is seen at once in a file too."""
    print(text, flush=True)


def require_known(name: str, names: Collection[str], kind: str) -> None:
    """Raise `UsageError` if a name is not among the known ones."""
    if name not in names:
        raise UsageError(f"{name!r} is no {kind}; known are {', '.join(filter(None, names))}")


def assignment(text: str) -> tuple[str, str]:
    """Split FIELD=value."""
    field, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not of the form FIELD=value")
    return field.strip(), value.strip()


def numbers(text: str) -> list[int]:
    """Whole numbers separated by commas."""
    parts = text.split(",")
    if not all(part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers separated by commas")
    return [int(part) for part in parts]


def count(text: str) -> int:
    """A positive whole number."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)
