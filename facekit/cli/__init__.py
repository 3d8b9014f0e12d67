"""The command line: each command is a thin call of one room. What is slow to import is imported inside its command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import facekit
from facekit.cli.arguments import add
from facekit.cli.data import add_data
from facekit.cli.documents import add_documents
from facekit.cli.notebooks import add_notebooks
from facekit.cli.training import add_training

# Errors that a person at the command line can put right, which need no traceback; by name, so that nothing slow is
# imported to tell them.
MISTAKES = (
    "facekit.cli.arguments:Mistake",
    "facekit.batch.parameters:BadPlan",
    "facekit.batch.run:ClusterMissing",
    "facekit.batch.notebooks:UnknownNotebook",
    "facekit.datasets.base:DatasetMissing",
    "facekit.datasets.sources:UnusableData",
    "facekit.evaluation.benchmark.benchmarks:CannotEvaluate",
    "facekit.evaluation.results:BadResults",
    "facekit.models.system:CannotTrain",
    "facekit.training.config:ConfigDiffers",
    "facekit.training.run:BadRun",
    "facekit.weights.store:WeightsError",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 where it did its work, 1 where the work failed, 2 where the command was wrong."""
    arguments, rest = _parser().parse_known_args(argv)
    if rest and not arguments.passes_on:
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    try:
        return arguments.command(arguments) or 0
    except KeyboardInterrupt:
        print("facekit: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if not any(f"{kind.__module__}:{kind.__name__}" in MISTAKES for kind in type(error).__mro__):
            raise
        print(f"facekit: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="facekit", description=facekit.__doc__.splitlines()[0])
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_notebooks(commands)
    add_training(commands)
    add_data(commands)
    add_documents(commands)
    add(commands, "version", version)
    add(commands, "lint", lint)
    add(commands, "test", all_tests, passes_on=True)
    add(commands, "test-browser", browser_tests, passes_on=True)
    add(commands, "pin", pin)
    return parser


def lint(arguments: argparse.Namespace) -> int:
    """Check rules and format."""
    from facekit.cli import maintenance

    return maintenance.lint()


def all_tests(arguments: argparse.Namespace) -> int:
    """Lint, and all tests; further arguments are pytest's."""
    from facekit.cli import maintenance

    return maintenance.all_tests(arguments.rest)


def browser_tests(arguments: argparse.Namespace) -> int:
    """Notebooks and sliders in a browser; without one, this fails."""
    from facekit.cli import maintenance

    return maintenance.browser_tests(arguments.rest)


def pin(arguments: argparse.Namespace) -> int:
    """Write requirements.txt from the versions installed here."""
    from facekit.cli import pins

    pins.pin()
    return 0


def version(arguments: argparse.Namespace) -> int:
    """The version of facekit, of what it stands on, and the machine."""
    from facekit.workspace.hardware import describe

    print("\n".join(f"{name:<10} {value}" for name, value in describe().items()))
    return 0
