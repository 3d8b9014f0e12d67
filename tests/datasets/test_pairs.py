import shutil

import pytest
import torch
from trees import all_of, save

from facekit.datasets import DatasetMissing, open_dataset
from facekit.datasets.pairs import NeutralHappyPairs
from facekit.datasets.sources import EmptySplit, UnusableData
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression

PEOPLE = ("Ann", "Bo", "Cem")


@pytest.fixture
def tree(tmp_path):
    """A folder of three people, each neutral and happy."""
    root = tmp_path / "pairs"
    people = SyntheticFaces("test", people=len(PEOPLE), faces_per_person=1)
    for emotion in ("neutral", "happy"):
        faces = people.counterfactual(range(len(PEOPLE)), Expression.of(emotion))
        for name, image in zip(PEOPLE, faces.images, strict=True):
            save(image, root / name / f"{emotion}.png")
    return root


@pytest.fixture(params=["folder", "archive", "home"])
def path(request, tree, tmp_path, monkeypatch):
    """The same people in a folder, in an archive, and in an archive under `data_home()`."""
    if request.param == "folder":
        return tree
    archive = shutil.make_archive(str(tmp_path / "people"), "zip", tree)
    if request.param == "archive":
        return archive
    home = tmp_path / "home"
    (home / "pairs").mkdir(parents=True)
    shutil.move(archive, home / "pairs")
    monkeypatch.setenv("FACEKIT_DATA", str(home))
    return None


def test_each_person_has_a_neutral_and_a_happy_image(path):
    dataset = open_dataset("pairs", "test", path=path)
    faces = all_of(dataset)
    assert faces.images.shape == (6, 1, 64, 64)
    assert [EMOTIONS[i] for i in faces.emotion] == ["neutral", "happy"] * 3
    assert faces.person.tolist() == [0, 0, 1, 1, 2, 2]
    assert faces.names == tuple(f"{name}/{emotion}" for name in PEOPLE for emotion in ("neutral", "happy"))
    assert not dataset.problems
    people = SyntheticFaces("test", people=3, faces_per_person=1, channels=1)
    rendered = people.counterfactual([2], Expression.of("happy")).images
    assert (faces.images[5] - rendered[0]).abs().max() < 0.03  # greyscale conversion of rounded values


def test_people_with_missing_or_damaged_images_are_reported_and_left_out(tree):
    (tree / "Ann" / "happy.png").unlink()
    (tree / "Bo" / "neutral.png").write_bytes(b"no picture")
    (tree / "notes.txt").write_text("of no use")
    dataset = NeutralHappyPairs(path=tree)
    assert dataset.faces([0, 1]).names == ("Cem/neutral", "Cem/happy")
    assert len(dataset) == 2
    assert [problem.where for problem in dataset.problems] == ["Ann/", "Bo/"]
    assert "no picture named happy" in dataset.problems[0].what
    assert "neutral.png" in dataset.problems[1].what
    with pytest.raises(UnusableData, match="Ann/"):
        NeutralHappyPairs(path=tree, strict=True)


def test_missing_data_and_other_splits_raise(tmp_path, tree):
    with pytest.raises(DatasetMissing, match="no folder in it"):
        NeutralHappyPairs(path=tree / "Ann")
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    with pytest.raises(DatasetMissing, match="zip archive"):
        NeutralHappyPairs(path=tmp_path / "bad.zip")
    with pytest.raises(EmptySplit, match="'train'"):
        NeutralHappyPairs("train", path=tree)


def test_photographs(outside):
    dataset = NeutralHappyPairs(path=outside("data/muxspace_pairs/muxspace_pairs.zip"), channels=3, size=48)
    assert len(dataset) == 940
    assert not dataset.problems
    faces = dataset.faces([0, 939])
    assert faces.images.shape == (2, 3, 48, 48)
    assert torch.equal(dataset.persons.bincount(), torch.full((470,), 2))
