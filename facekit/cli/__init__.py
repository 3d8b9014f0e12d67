"""The command line: each command is a thin call of one room. Slow imports happen inside the commands that need them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import facekit
from facekit.cli.animate import add_animate
from facekit.cli.arguments import add, require_checkout
from facekit.cli.data import add_data
from facekit.cli.documents import add_documents
from facekit.cli.notebooks import add_notebooks
from facekit.cli.studio import add_studio
from facekit.cli.training import add_training

# Errors that the user can correct and that need no traceback, by name, so that nothing slow is imported for them.
USER_ERRORS = (
    "facekit.cli.arguments:UsageError",
    "facekit.batch.parameters:BadPlan",
    "facekit.batch.schedule:ClusterMissing",
    "facekit.batch.notebooks:UnknownNotebook",
    "facekit.batch.slides:NoReveal",
    "facekit.datasets.base:DatasetMissing",
    "facekit.datasets.pictures:BadPicture",
    "facekit.datasets.sources:UnusableData",
    "facekit.evaluation.benchmark.benchmarks:CannotEvaluate",
    "facekit.evaluation.results:BadResults",
    "facekit.faces.expression:UnsupportedExpression",
    "facekit.models.export:CannotExport",
    "facekit.models.system:CannotTrain",
    "facekit.models.video.driving:CannotDrive",
    "facekit.models.video.tracking:NoFaceInVideo",
    "facekit.show.videos:TooLong",
    "facekit.studio.page:NotAPage",
    "facekit.studio.runtime:NoRuntime",
    "facekit.training.config:ConfigDiffers",
    "facekit.training.run:BadRun",
    "facekit.weights.store:WeightsError",
)

# Trainings that came to nothing, for which no traceback is needed either.
FAILURES = (
    "facekit.models.gans.adversarial:Collapsed",
    "facekit.training.records:NotFinite",
    "facekit.training.watch:Diverged",
    "facekit.training.watch:Useless",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 for success, 1 if the work failed, 2 for a wrong command, 130 if interrupted."""
    arguments, rest = _parser().parse_known_args(argv)
    if rest and not arguments.forwards:
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    try:
        if arguments.in_checkout:
            require_checkout(arguments.name_of_command)
        return arguments.command(arguments) or 0
    except KeyboardInterrupt:
        print("facekit: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        kinds = {f"{kind.__module__}:{kind.__name__}" for kind in type(error).__mro__}
        if kinds.isdisjoint((*USER_ERRORS, *FAILURES)):
            raise
        print(f"facekit: {' '.join(str(error).split())}", file=sys.stderr)
        return 1 if kinds.intersection(FAILURES) else 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="facekit", description=facekit.__doc__.splitlines()[0])
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_notebooks(commands)
    add_training(commands)
    add_data(commands)
    add_documents(commands)
    add_animate(commands)
    add_studio(commands)
    add(commands, "version", version)
    add(commands, "lint", lint, in_checkout=True)
    add(commands, "test", all_tests, forwards=True, in_checkout=True)
    add(commands, "test-browser", browser_tests, forwards=True, in_checkout=True)
    add(commands, "pin", pin, in_checkout=True)
    return parser


def lint(arguments: argparse.Namespace) -> int:
    """Check rules and format of the code, and the spelling."""
    from facekit.cli import maintenance

    return maintenance.lint()


def all_tests(arguments: argparse.Namespace) -> int:
    """Lint and run all tests; further arguments are passed to pytest."""
    from facekit.cli import maintenance

    return maintenance.all_tests(arguments.rest)


def browser_tests(arguments: argparse.Namespace) -> int:
    """Test notebooks and sliders in a browser, which is required."""
    from facekit.cli import maintenance

    return maintenance.browser_tests(arguments.rest)


def pin(arguments: argparse.Namespace) -> int:
    """Write requirements.txt from the installed versions."""
    from facekit.cli import pins

    pins.pin()
    return 0


def version(arguments: argparse.Namespace) -> int:
    """Print the versions of facekit, Python and PyTorch, and the machine."""
    from facekit.workspace.hardware import describe

    print("\n".join(f"{name:<10} {value}" for name, value in describe().items()))
    return 0
