"""Weights in the form of the Hugging Face Hub, with a hub that is a folder."""

import shutil

import huggingface_hub
import pytest
import torch

from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.gans.stargan import StarGAN
from facekit.models.load import from_pretrained, load_system
from facekit.weights.store import WeightsError

NAME = "stargan-synthetic"


def test_a_saved_folder_is_loaded_as_it_was(tmp_path):
    system = load_system(NAME)
    folder = system.save_pretrained(tmp_path / "mine")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    loaded = from_pretrained(folder)
    assert isinstance(loaded, StarGAN)
    torch.manual_seed(0)
    faces, happy = Faces(torch.rand(2, 3, 64, 64) * 2 - 1), Expression.of("happy")
    assert torch.equal(loaded.edit(faces, happy), system.edit(faces, happy))
    assert loaded.card.sha256 == system.card.sha256


def test_an_untrained_system_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="this stargan has no card"):
        StarGAN(StarGAN.presets["smoke"]).save_pretrained(tmp_path)


def test_what_is_no_such_folder_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"has no model\.safetensors"):
        from_pretrained(tmp_path)


def test_weights_are_pushed_to_the_hub_and_come_back(tmp_path, monkeypatch):
    class Hub:
        def create_repo(self, name, private, exist_ok):
            assert (private, exist_ok) == (True, True)
            (tmp_path / name).mkdir(parents=True)
            return f"hub://{name}"

        def upload_folder(self, repo_id, folder_path):
            shutil.copytree(folder_path, tmp_path / repo_id, dirs_exist_ok=True)

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, allow_patterns: str(tmp_path / name))
    assert load_system(NAME).push_to_hub("someone/faces", private=True) == "hub://someone/faces"
    assert from_pretrained("someone/faces").card.system == "stargan"


def test_a_repository_that_cannot_be_reached_is_named(monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(WeightsError, match="someone/faces is neither a folder here nor a repository"):
        from_pretrained("someone/faces")
