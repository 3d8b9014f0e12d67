"""Rendered faces for all tests of models, and the check that training can be resumed."""

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
    """56 rendered faces of eight people."""
    return open_dataset("synthetic", "train", people=8, faces_per_person=7, size=48)


@pytest.fixture
def resumed_in_the_same_bits(drawn, tmp_path):
    """A check that a resumed training is bitwise identical to an uninterrupted one; it returns the final state.

    It takes a function that builds the same untrained system in each call, for four steps with a checkpoint after two.
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
