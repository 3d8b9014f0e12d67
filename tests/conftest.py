"""What all tests share."""

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    # Tests run beside each other on few cores; the sums of one thread are also the same on every machine.
    torch.set_num_threads(1)


def _outside(path: str) -> Path:
    """A file of the development machines (real faces, outside judges), or a skip that says what is missing."""
    home = Path(os.environ.get("FACEKIT_OUTSIDE", ROOT.parent / "shared"))
    if not (home / path).exists():
        pytest.skip(f"needs {path}, which is on development machines only (set FACEKIT_OUTSIDE)")
    return home / path


@pytest.fixture(scope="session")
def outside():
    """`outside("fer2013/...")`: the path of an outside file, or the test is skipped."""
    return _outside
