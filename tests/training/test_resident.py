"""A split that is kept on the device of the training."""

import dataclasses

import pytest
import torch
import toys
from PIL import Image

from facekit.datasets.folder import PictureFolder
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.faces import Faces, to_uint8
from facekit.training import PROFILES, fit, loop
from facekit.training.profiles import Profile
from facekit.training.resident import ResidentFaces, fits, memory

CPU = torch.device("cpu")


def same(one: Faces, other: Faces) -> None:
    for field in dataclasses.fields(Faces):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, torch.Tensor):
            assert torch.equal(a, b), field.name
        elif isinstance(a, dict):
            assert a.keys() == b.keys()
            assert all(torch.equal(a[name], b[name]) for name in a)
        else:
            assert a == b, field.name


@pytest.mark.parametrize("options", [{}, {"frames": 3}, {"channels": 1, "domain": "both"}])
def test_faces_are_those_of_the_dataset(options, tmp_path):
    dataset = SyntheticFaces(people=3, faces_per_person=2, size=32, cache=tmp_path, **options)
    kept = ResidentFaces(dataset, CPU)
    same(kept.faces([4, 0, 4]), dataset.faces([4, 0, 4]))


def test_names_are_kept(tmp_path):
    for emotion in ("happy", "sad"):
        (tmp_path / emotion).mkdir()
        for i in range(9):  # some of which are in the other splits
            Image.new("RGB", (48, 48), "red").save(tmp_path / emotion / f"{i}.png")
    dataset = PictureFolder(path=tmp_path, size=48)
    last = len(dataset) - 1
    same(ResidentFaces(dataset, CPU).faces([last, 0]), dataset.faces([last, 0]))


def test_images_are_kept_as_bytes_only_where_that_is_exact():
    exact, finer = SyntheticFaces(people=2, faces_per_person=1, size=16), toys.Squares()
    assert ResidentFaces(exact, CPU)._images.dtype == torch.uint8
    assert not torch.equal(to_uint8(finer.faces([0]).images) / 127.5 - 1, finer.faces([0]).images)
    same(ResidentFaces(finer, CPU).faces([3]), finer.faces([3]))


def test_the_memory_of_a_dataset_is_known_from_its_first_face():
    dataset = SyntheticFaces(people=4, faces_per_person=1, size=16)
    kept = ResidentFaces(dataset, CPU)
    assert memory(dataset) == kept._images.nbytes + sum(value.nbytes for value in kept._rest.values())


def test_a_split_is_kept_on_a_gpu_with_enough_memory(monkeypatch):
    dataset = SyntheticFaces(people=4, faces_per_person=1, size=16)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4 * memory(dataset), 10**12))
    gpu = torch.device("cuda")
    assert fits(dataset, gpu, 0.25)
    assert not fits(dataset, gpu, 0.24)
    assert not fits(dataset, gpu, 0.0)
    assert not fits(dataset, CPU, 1.0)
    with pytest.raises(ValueError, match=r"resident is 1\.5; it must be a share from 0 to 1"):
        Profile("mine", "", "", people=1, resident=1.5)


def test_training_is_the_same(monkeypatch):
    loaded, kept = (toys.build("denoiser", steps=25) for _ in range(2))
    list(fit(loaded, toys.Squares(), profile=PROFILES["smoke"]))
    monkeypatch.setattr(loop, "fits", lambda *_: True)
    monkeypatch.setattr(loop, "loader", lambda *_, **__: pytest.fail("the split was loaded batch by batch"))
    list(fit(kept, toys.Squares(), profile=PROFILES["smoke"]))
    assert toys.same(loaded.state_dict(), kept.state_dict())
