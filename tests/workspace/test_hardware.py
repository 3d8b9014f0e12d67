"""Which device computes where nobody says it."""

import pytest
import torch

from facekit.workspace.hardware import fastest_device


@pytest.mark.parametrize(("left", "there", "expected"), [("1", True, "cpu"), ("0", True, "cuda"), ("0", False, "cpu")])
def test_a_gpu_computes_unless_there_is_none_or_it_is_to_be_left_unused(monkeypatch, left, there, expected):
    monkeypatch.setenv("ACCELERATE_USE_CPU", left)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: there)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    assert fastest_device().type == expected
