"""Lint and tests of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from facekit.batch.notebooks import kernel_environment
from facekit.workspace.folders import checkout

# pyproject.toml configures these tools. It excludes data/, where datasets are unpacked, from the spelling; the
# committed files there are named here.
_LINT = (
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["codespell_lib", ".", "data/README.md", "data/experiments", "data/results", "data/weights"],
)


def lint() -> int:
    """Check rules and format of the code (ruff) and the spelling of all text, notebooks included (codespell).

    Returns 0 if there is no complaint.
    """
    return _all(*_LINT)


def all_tests(arguments: Sequence[str]) -> int:
    """Lint, then all tests in one call of pytest, whose summary is the last line; arguments are handed to pytest.

    Unit tests, docstring examples and the committed notebooks run on two processes with a thread each. A notebook's
    cells share a kernel, so a file stays on one process. Returns 0 where all passed.
    """
    notebooks = ["--nbval-lax", "--nbval-current-env"]
    return _all(*_LINT, ["pytest", "-n", "2", "--dist", "loadfile", *notebooks, *arguments])


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
