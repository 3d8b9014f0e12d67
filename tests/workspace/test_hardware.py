"""The default device."""

import pytest
import torch

from facekit.workspace.hardware import fastest_device


@pytest.mark.parametrize(
    ("unused", "present", "expected"), [("1", True, "cpu"), ("0", True, "cuda"), ("0", False, "cpu")]
)
def test_the_gpu_is_the_default_unless_it_is_absent_or_disabled(monkeypatch, unused, present, expected):
    monkeypatch.setenv("ACCELERATE_USE_CPU", unused)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: present)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    assert fastest_device().type == expected
