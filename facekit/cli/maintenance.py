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
    """Lint, then run all tests in one call of pytest, whose summary is the last line. Returns 0 if all passed.

    Unit tests, docstring examples and the committed notebooks run in two processes with one thread each. The cells of
    a notebook share a kernel, so the tests of a file stay in one process. Files are distributed in the order of
    tests/conftest.py instead of their number of tests, which says little about their duration.

    arguments  passed to pytest
    """
    notebooks = ["--nbval-lax", "--nbval-current-env"]
    workers = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    return _all(*_LINT, ["pytest", *workers, *notebooks, *arguments])


def browser_tests(arguments: Sequence[str]) -> int:
    """Run the tests that need a browser: an installed Chromium or Chrome, else Playwright's own, which is downloaded.
    Returns 0 if all passed."""
    fetch = [] if find_browser() else [["playwright", "install", "chromium"]]
    os.environ["FACEKIT_BROWSER"] = "required"
    return _all(*fetch, ["pytest", "tests/browser", *arguments])


def find_browser() -> str | None:
    """The path of an installed Chromium or Chrome, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


def _all(*commands: Sequence[str]) -> int:
    """Run all tools with this interpreter in the checkout, even after a failure. Returns 1 if any failed, else 0."""
    with kernel_environment() as environment:
        run = [subprocess.run([sys.executable, "-m", *c], cwd=checkout(), env=environment) for c in commands]
    return int(any(done.returncode for done in run))
