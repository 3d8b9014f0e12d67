import pytest
import torch
from trees import LFW_PAIRS, LFW_PEOPLE, all_of, open_splits

from facekit.datasets import DatasetMissing
from facekit.datasets.lfw import LFW, verification_pairs
from facekit.datasets.sources import UnusableData
from facekit.faces.faces import resize


def test_folders_are_people_and_splits_share_none(lfw_tree):
    splits = open_splits("lfw", lfw_tree)
    seen = []
    for dataset in splits.values():
        faces = all_of(dataset)
        assert faces.emotion.unique().tolist() == [-1]
        assert [name.split("/")[0] for name in faces.names] == [LFW_PEOPLE[i] for i in faces.person.tolist()]
        seen += faces.person.unique().tolist()
    assert sum(map(len, splits.values())) == 64
    assert sorted(seen) == list(range(8))


def test_photographs_are_cropped_to_the_face(lfw_tree, rendered):
    faces = all_of(LFW(path=lfw_tree, size=48))
    rows = [8 * LFW_PEOPLE.index(name.split("/")[0]) + int(name[-8:-4]) - 1 for name in faces.names]
    assert (faces.images - resize(rendered.images[rows], 48)).abs().mean() < 0.08


def test_pairs_have_folds(lfw_tree):
    pairs = verification_pairs(lfw_tree, size=48)
    assert pairs.same.tolist() == [True, True, False, False] * 2
    assert pairs.fold.tolist() == [0] * 4 + [1] * 4
    names = [(pairs.faces.names[a], pairs.faces.names[b]) for a, b in zip(pairs.first, pairs.second, strict=True)]
    assert names[0] == ("Ann_A/Ann_A_0001.jpg", "Ann_A/Ann_A_0002.jpg")
    assert names[7] == ("Gil_G/Gil_G_0001.jpg", "Hana_H/Hana_H_0008.jpg")
    assert torch.isfinite(pairs.faces.images).all()


@pytest.mark.parametrize("folder", ["lfw", "lfw-deepfunneled", "lfw-deepfunneled/lfw-deepfunneled"])
def test_the_folders_of_other_copies_are_found(lfw_tree, folder):
    (lfw_tree / folder).parent.mkdir(exist_ok=True)
    (lfw_tree / "lfw_funneled").rename(lfw_tree / folder)
    assert sum(map(len, open_splits("lfw", lfw_tree).values())) == 64


def test_an_invalid_name_is_reported(lfw_tree):
    (lfw_tree / "lfw_funneled" / "Ann_A" / "Ann_A_0001.jpg").rename(lfw_tree / "lfw_funneled" / "Ann_A" / "Ann.jpg")
    assert [problem.where for problem in LFW(path=lfw_tree).problems] == ["Ann_A/Ann.jpg"]
    with pytest.raises(UnusableData, match="not of the form"):
        LFW(path=lfw_tree, strict=True)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["ten folds", *LFW_PAIRS], "it must be the number of folds and of pairs"),
        (["2 2", *LFW_PAIRS[:-1]], "it has 7 pairs; its first line says 2 x 2 x 2"),
        (["2 2", *LFW_PAIRS[:-1], "Ann_A 1"], "pairs.txt:9: 'Ann_A 1' is neither"),
        (["2 2", *LFW_PAIRS[:-1], "Ann_A 1 77"], "1 photographs are not in"),
    ],
)
def test_an_invalid_list_of_pairs_raises(lfw_tree, lines, message):
    (lfw_tree / "pairs.txt").write_text("\n".join(lines))
    with pytest.raises(UnusableData, match=message):
        verification_pairs(lfw_tree)


def test_a_missing_dataset_raises_with_its_source(tmp_path, lfw_tree):
    (lfw_tree / "pairs.txt").unlink()
    with pytest.raises(DatasetMissing, match=r"no pairs.txt(?s:.*)vis-www\.cs\.umass"):
        verification_pairs(lfw_tree)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetMissing, match="contains no picture"):
        LFW(path=tmp_path / "empty")
