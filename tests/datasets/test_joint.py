"""Photographs and cartoons as one dataset."""

import pytest
import torch
from trees import write_fer

from facekit.datasets import DatasetMissing, loader, open_dataset
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.parts import DOMAINS


@pytest.fixture
def joint(tmp_path, fer_rows, monkeypatch):
    write_fer(tmp_path / "fer2013" / "fer2013.csv", fer_rows)
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path))
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "cache"))
    return open_dataset("joint", "valid", size=32, cartoon="synthetic")


def test_faces_are_returned_in_the_given_order(joint):
    photographs = open_dataset("fer2013", "valid", size=32, channels=3)
    cartoons = SyntheticFaces("valid", size=32, domain="cartoon")
    assert len(joint) == len(photographs) + len(cartoons)
    first = len(photographs)
    faces = joint.faces([first + 5, 0, first, -1, 2])
    assert [DOMAINS[i] for i in faces.domain] == ["cartoon", "photo", "cartoon", "cartoon", "photo"]
    assert torch.equal(faces.images[[1, 4]], photographs.faces([0, 2]).images)
    assert torch.equal(faces.images[[0, 2, 3]], cartoons.faces([5, 0, -1]).images)
    assert torch.equal(faces.emotion, joint.labels[[first + 5, 0, first, len(joint) - 1, 2]])
    assert joint.channels == 3


def test_a_loader_mixes_both_domains(joint):
    batch = next(iter(loader(joint, 256, shuffle=True)))
    assert set(batch.domain.tolist()) == {0, 1}


def test_missing_and_unknown_datasets_raise(joint):
    with pytest.raises(DatasetMissing, match="FERG"):
        open_dataset("joint", "train")
    with pytest.raises(ValueError, match="'fergg' is not a dataset"):
        open_dataset("joint", "train", cartoon="fergg")
