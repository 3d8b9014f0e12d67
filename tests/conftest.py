"""Fixtures of all tests, and the order in which files are tested."""

import os
from pathlib import Path

import pytest
import torch

from facekit.batch.progress import SECONDS
from facekit.models.precision import EDIT_PRECISION
from facekit.workspace.files import read_json

ROOT = Path(__file__).parents[1]

# Edits are the same on every processor, in the notebooks' kernels too, whose outputs are compared.
os.environ[EDIT_PRECISION] = "float32"


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    # Several processes test at once on few cores. With one thread, sums are also the same on every machine.
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    """Notebooks come first, the longest of them first, so that no process is left with a long one at the end."""
    seconds = read_json(SECONDS)
    items.sort(key=lambda item: -seconds.get(item.path.stem, 60) if item.path.suffix == ".ipynb" else 0)


def _outside(path: str) -> Path:
    """A file of the development machines (real faces, external judges), or a skip that names the missing file."""
    home = Path(os.environ.get("FACEKIT_OUTSIDE", ROOT.parent / "shared"))
    if not (home / path).exists():
        pytest.skip(f"needs {path}, which is on development machines only (set FACEKIT_OUTSIDE)")
    return home / path


@pytest.fixture(scope="session")
def outside():
    """`outside("fer2013/...")`: the path of a file of the development machines, or the test is skipped."""
    return _outside
