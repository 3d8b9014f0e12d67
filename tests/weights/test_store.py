"""Weights on disk: saving, verified loading, and lookup by name."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import facekit
from facekit.weights.store import WeightsCard, WeightsError, available_weights, find_weights, load_weights, save_weights
from facekit.workspace.files import sha256, write_json

CARD = WeightsCard(
    system="emotion_cnn",
    profile="smoke",
    preset={"size": 48, "widths": [4, 8]},
    channels=1,
    data={"name": "synthetic", "split": "train", "faces": 512, "options": {"size": 48}},
    steps=60,
    metrics={"accuracy": 0.5},
)


@pytest.fixture
def state():
    torch.manual_seed(0)
    return {
        "conv.weight": torch.randn(4, 3, 3, 3).contiguous(memory_format=torch.channels_last),
        "norm.running_var": torch.tensor([1e6, 1.0]),  # exceeds the range of float16
        "norm.count": torch.tensor(70_000),
    }


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    for name in ("DATA", "RUNS", "WEIGHTS"):
        monkeypatch.setenv(f"FACEKIT_{name}", str(tmp_path / name.lower()))
    return tmp_path


def test_weights_are_loaded_as_float32_with_their_card(tmp_path, state):
    written = save_weights(tmp_path / "a.safetensors", state, CARD)
    tensors, card = load_weights(tmp_path / "a.safetensors", system="emotion_cnn")
    assert card == written
    assert replace(card, facekit="", torch="", sha256="") == CARD
    assert card.facekit == facekit.__version__
    assert card.size == 48
    assert json.loads((tmp_path / "a.json").read_text())["sha256"] == sha256(tmp_path / "a.safetensors")
    assert tensors.keys() == state.keys()
    for name, value in state.items():
        assert tensors[name].dtype == value.dtype
    torch.testing.assert_close(tensors["conv.weight"], state["conv.weight"], rtol=1e-3, atol=1e-6)
    assert not tensors["conv.weight"].equal(state["conv.weight"])
    assert tensors["norm.running_var"].equal(state["norm.running_var"])
    assert tensors["norm.count"] == 70_000


def test_half_precision_halves_the_size_and_is_optional(tmp_path):
    state = {"weight": torch.randn(1000, 10)}
    save_weights(tmp_path / "half.safetensors", state, CARD)
    save_weights(tmp_path / "full.safetensors", state, CARD, half=False)
    assert (tmp_path / "half.safetensors").stat().st_size < 20_200
    assert load_weights(tmp_path / "full.safetensors")[0]["weight"].equal(state["weight"])


@pytest.mark.parametrize("at", [3, 40, -5])
def test_a_changed_byte_raises(tmp_path, state, at):
    path = tmp_path / "a.safetensors"
    save_weights(path, state, CARD)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="is not the file that its card describes"):
        load_weights(path)


def test_wrong_weights_and_cards_raise(tmp_path, state):
    path = tmp_path / "a.safetensors"
    save_weights(path, state, CARD)
    with pytest.raises(WeightsError, match="holds weights of 'emotion_cnn', not of 'identity'"):
        load_weights(path, system="identity")
    write_json(tmp_path / "a.json", {"system": "emotion_cnn", "colour": "red"})
    with pytest.raises(WeightsError, match=r"a.json is no card of facekit.*'colour'"):
        load_weights(path)
    (tmp_path / "a.json").unlink()
    with pytest.raises(WeightsError, match=r"has no card: a\.json should be beside it"):
        load_weights(path)
    with pytest.raises(ValueError, match=r"should end in \.safetensors"):
        save_weights(tmp_path / "a.pt", state, CARD)


def test_a_pickle_with_the_suffix_of_safetensors_is_not_loaded(tmp_path, state):
    path = tmp_path / "a.safetensors"
    card = save_weights(path, state, CARD)
    torch.save(state, path)
    write_json(tmp_path / "a.json", vars(replace(card, sha256=sha256(path))))
    with pytest.raises(WeightsError, match="is no safetensors file"):
        load_weights(path)


def test_names_are_searched_in_order_and_runs_by_their_folder(folders, state):
    for place in ("weights/best", "data/weights/best", "data/weights/other", "runs/batch/second/weights"):
        save_weights(folders / f"{place}.safetensors", state, CARD)
    (folders / "weights" / ".half-written.safetensors").write_text("")
    found = available_weights()
    assert not [name for name in found if "half-written" in name]
    assert found["best"] == folders / "weights" / "best.safetensors"
    assert found["other"] == folders / "data" / "weights" / "other.safetensors"
    assert found["runs/batch/second"] == folders / "runs" / "batch" / "second" / "weights.safetensors"
    assert find_weights("runs/batch/second") == find_weights(folders / "runs" / "batch" / "second")
    assert load_weights("other")[1].system == "emotion_cnn"
    with pytest.raises(WeightsError, match=r"called 'worst'; known are best, .*other.*runs/batch/second.*looked in "):
        find_weights("worst")


def test_a_failed_write_leaves_no_files(tmp_path, state, monkeypatch):
    def broken(path, content):
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", broken)
    with pytest.raises(OSError, match="disk full"):
        save_weights(tmp_path / "a.safetensors", state, CARD)
    assert list(tmp_path.iterdir()) == []
