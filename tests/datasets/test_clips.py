"""Oulu-CASIA and MUG in the layouts of their owners: sequences to the peak, stills, and what cannot be used."""

import re

import pytest
import torch
from trees import all_of, open_splits, save

from facekit.datasets import DatasetMissing, open_dataset
from facekit.datasets.sources import UnusableData
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.emotions import EMOTIONS

NAMES = {"angry": "Anger", "disgust": "Disgust", "fear": "Fear", "happy": "Happiness", "sad": "Sadness",
         "surprise": "Surprise", "neutral": "neutral"}  # fmt: skip
PEOPLE = 12


@pytest.fixture(scope="module")
def moving():
    data = SyntheticFaces("train", people=PEOPLE, faces_per_person=7, size=48, frames=5, until="apex")
    return data.faces(range(len(data)))


@pytest.fixture(scope="module")
def oulu_tree(moving, tmp_path_factory):
    root = tmp_path_factory.mktemp("oulu")
    for i, emotion in enumerate(moving.emotion.tolist()):
        if EMOTIONS[emotion] == "neutral":
            continue
        for condition in ("VL/Strong", "NI/Dark"):
            folder = root / "OriginalImg" / condition / f"P{int(moving.person[i]) % 1000:03}" / NAMES[EMOTIONS[emotion]]
            for t in range(5):
                save(moving.images[i, t] * (1 if condition == "VL/Strong" else 0.2), folder / f"{t:03}.jpeg")
    (root / "OriginalImg" / "VL" / "Strong" / "P000" / "Boredom").mkdir()
    return root


@pytest.fixture(scope="module", params=["", "session0"])
def mug_tree(request, moving, tmp_path_factory):
    root = tmp_path_factory.mktemp("mug")
    for i, emotion in enumerate(moving.emotion.tolist()):
        person = root / "subjects3" / f"{int(moving.person[i]) % 1000:03}" / request.param
        take = person / NAMES[EMOTIONS[emotion]].lower() / "take000"
        back_and_forth = [0, 1, 2, 3, 4, 4, 3, 2, 1, 0]
        for k, t in enumerate(back_and_forth):
            save(moving.images[i, t], take / f"img_{k:04}.jpg")
    save(moving.images[0, 0], person / "mixed" / "take000" / "img_0000.jpg")
    return root


def check_sequences(faces, moving):
    assert faces.frames == 3
    assert not (faces.emotion == EMOTIONS.index("neutral")).any()
    assert torch.equal(faces.intensity, torch.tensor([0, 0.5, 1]).expand(len(faces), -1))
    for i in range(len(faces)):
        rows = moving.person % 1000 == int(re.search(r"(\d{3})/", faces.names[i])[1])
        row = (rows & (moving.emotion == faces.emotion[i])).nonzero()[0, 0]
        for shown, t in ((0, 0), (2, 4)):
            assert (faces.images[i, shown] - moving.images[row, t]).abs().mean() < 0.06


def test_oulu_casia_gives_sequences_of_one_kind_of_light(oulu_tree, moving):
    parts = [all_of(data) for data in open_splits("oulu_casia", oulu_tree, frames=3, size=48).values()]
    assert sum(map(len, parts)) == 6 * PEOPLE
    for faces in parts:
        check_sequences(faces, moving)
    dark = open_dataset("oulu_casia", "train", path=oulu_tree, camera="NI", light="Dark", frames=3, size=48)
    assert dark.faces([0]).images.abs().mean() < 0.3


def test_oulu_casia_gives_peaks_and_neutral_faces(oulu_tree):
    data = open_dataset("oulu_casia", "train", path=oulu_tree, size=48)
    faces = all_of(data)
    assert faces.frames is None
    assert (faces.emotion == EMOTIONS.index("neutral")).sum() == len(faces) / 2
    assert any(problem.where.endswith("Boredom") for problem in data.problems)
    with pytest.raises(UnusableData, match="at least two pictures"):
        open_dataset("oulu_casia", "train", path=oulu_tree, size=48, strict=True)
    with pytest.raises(ValueError, match="camera is 'UV'"):
        open_dataset("oulu_casia", path=oulu_tree, camera="UV")


def test_mug_gives_the_first_half_of_each_take(mug_tree, moving):
    parts = [all_of(data) for data in open_splits("mug", mug_tree, frames=3, size=48).values()]
    assert sum(map(len, parts)) == 6 * PEOPLE
    for faces in parts:
        check_sequences(faces, moving)
    people = [set(data.persons.tolist()) for data in open_splits("mug", mug_tree, size=48).values()]
    assert sum(map(len, people)) == len(set().union(*people)) == PEOPLE


def test_takes_whose_way_back_is_apart_are_used_whole(moving, tmp_path):
    for take, order in (("take000", range(5)), ("take000end", range(4, -1, -1))):
        for k, t in enumerate(order):
            save(moving.images[0, t], tmp_path / "subjects3" / "001" / "anger" / take / f"img_{k:04}.jpg")
    [data] = open_splits("mug", tmp_path, frames=3, size=48).values()
    faces = all_of(data)
    assert len(faces) == 1
    assert (faces.images[0, 2] - moving.images[0, 4]).abs().mean() < 0.06


def test_an_empty_folder_is_missing(tmp_path):
    with pytest.raises(DatasetMissing, match="contains no picture"):
        open_dataset("mug", path=tmp_path)
