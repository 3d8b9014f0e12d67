"""Notebooks load distributed weights under the smoke profile, and train under the others."""

import pytest

from facekit.datasets.base import DATASETS
from facekit.models.load import load_system
from facekit.models.system import SYSTEMS
from facekit.training import trained_weights


@pytest.fixture(autouse=True)
def known(monkeypatch, tmp_path):
    monkeypatch.setitem(SYSTEMS, "denoiser", "toys:Denoiser")
    monkeypatch.setitem(DATASETS, "squares", "toys:Squares")
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path))


def test_the_smoke_profile_uses_distributed_weights():
    assert trained_weights("stargan", profile="smoke") == "stargan-synthetic"
    assert trained_weights("stargan", profile="smoke", name="stargan-synthetic_both") == "stargan-synthetic_both"


def test_without_distributed_weights_a_system_is_trained(tmp_path):
    path = trained_weights("denoiser", profile="smoke", data="squares", seed=3, overrides={"steps": 5})
    assert path == str(tmp_path / "denoiser-squares-smoke-3" / "weights.safetensors")
    assert load_system(path).card.steps == 5
    assert trained_weights("denoiser", profile="smoke", data="squares", seed=3, overrides={"steps": 5}) == path
