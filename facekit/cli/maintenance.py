"""What keeps the checkout in order: lint, tests, and the exact versions of `requirements.txt`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from facekit.batch.notebooks import kernel_environment
from facekit.workspace.files import write_text
from facekit.workspace.folders import checkout

# torch brings these itself, or not, as it is the build for CUDA or the smaller one without.
_BROUGHT_BY_TORCH = ("nvidia-", "cuda-", "triton")

_HEADER = """\
# Exact versions of everything that facekit and its tests stand on, one environment that is known to work.
# Made by `python -m facekit pin` from an environment that passed the tests; the ranges are in pyproject.toml.
# What torch needs for CUDA is left out: it brings that itself, or not, as its build asks.
"""


def lint() -> int:
    """Check the code's rules and its format with ruff. Returns 0 where there is nothing to say."""
    return _all(["ruff", "check", "."], ["ruff", "format", "--check", "."])


def all_tests(arguments: Sequence[str]) -> int:
    """Lint, then all tests in one call of pytest, whose summary is the last line; arguments are handed to pytest.

    Unit tests, docstring examples and the committed notebooks run on two processes with a thread each. A notebook's
    cells share a kernel, so a file stays on one process. Returns 0 where all passed.
    """
    notebooks = ["--nbval-lax", "--nbval-current-env"]
    return _all(
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["pytest", "-n", "2", "--dist", "loadfile", *notebooks, *arguments],
    )


def browser_tests(arguments: Sequence[str]) -> int:
    """The tests that need a browser, which fail without one: Chromium of this machine, or Playwright's own, which is
    fetched where there is none. Returns 0 where all passed."""
    fetch = [] if find_browser() else [["playwright", "install", "chromium"]]
    os.environ["FACEKIT_BROWSER"] = "required"
    return _all(*fetch, ["pytest", "tests/browser", *arguments])


def find_browser() -> str | None:
    """The path of this machine's Chromium or Chrome."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


def _all(*commands: Sequence[str]) -> int:
    """Run each tool by this interpreter in the checkout, whatever became of the one before; 1 where any failed."""
    with kernel_environment() as environment:
        run = [subprocess.run([sys.executable, "-m", *c], cwd=checkout(), env=environment) for c in commands]
    return int(any(done.returncode for done in run))


def pin() -> None:
    """Write `requirements.txt` from the versions installed here."""
    pins = sorted(f"{name}=={version}" for name, version in closure("facekit", {"dev"}).items())
    write_text(checkout() / "requirements.txt", _HEADER + "\n".join(pins) + "\n")


def closure(package: str, extras: set[str]) -> dict[str, str]:
    """Name and installed version of all that an installed package and its extras need, directly or not.

    Without the package itself, and without what torch brings for CUDA. Raises
    `importlib.metadata.PackageNotFoundError` for one that is not installed.
    """
    found: dict[str, str] = {}
    waiting = [(package, frozenset(extras))]
    seen = set(waiting)
    while waiting:
        for needed in _needs(*waiting.pop()):
            name = canonicalize_name(needed.name)
            if name.startswith(_BROUGHT_BY_TORCH):
                continue
            found[name] = metadata.version(name).partition("+")[0]
            if (name, frozenset(needed.extras)) not in seen:
                seen.add((name, frozenset(needed.extras)))
                waiting.append((name, frozenset(needed.extras)))
    return found


def _needs(package: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """The requirements of an installed package that hold on this machine, with these extras."""
    for text in metadata.requires(package) or []:
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in ("", *extras)):
            yield requirement
