"""Drawn faces for all tests of models, and what every system must stand: to be interrupted."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from facekit.datasets import open_dataset
from facekit.training.loop import fit
from facekit.training.profiles import PROFILES


@pytest.fixture(scope="session")
def drawn():
    """56 faces of eight people."""
    return open_dataset("synthetic", "train", people=8, faces_per_person=7, size=48)


@pytest.fixture
def resumed_in_the_same_bits(drawn, tmp_path):
    """Trains a system whole, and another interrupted after the checkpoint in the middle; returns the latter's state.

    It is called with what makes the same untrained system each time, of four steps with a checkpoint after two.
    """

    def check(build) -> dict[str, torch.Tensor]:
        whole, first, again = build(), build(), build()
        list(fit(whole, drawn, profile=PROFILES["smoke"]))
        records = fit(first, drawn, out=tmp_path, profile=PROFILES["smoke"])
        for _ in range(3):
            next(records)
        records.close()
        list(fit(again, drawn, out=tmp_path, profile=PROFILES["smoke"]))
        state = again.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in whole.state_dict().items())
        return state

    return check
