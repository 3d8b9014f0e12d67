import pytest
from trees import all_of, open_splits, save

from facekit.datasets import DatasetMissing
from facekit.datasets.ferg import CHARACTERS, FERG
from facekit.datasets.sources import UnusableData
from facekit.faces.emotions import EMOTIONS, PROTOCOL_EMOTIONS, emotion_name
from facekit.faces.parts import DOMAINS


@pytest.mark.parametrize("inner", ["FERG_DB_256", "."])
def test_characters_are_people_and_each_is_in_one_split(ferg_tree, inner):
    splits = open_splits("ferg", ferg_tree / inner)
    names = {split: {name.split("/")[0] for name in all_of(dataset).names} for split, dataset in splits.items()}
    assert names == {"train": {"aia", "bonnie", "jules", "malcolm"}, "valid": {"mery"}, "test": {"ray"}}
    for dataset in splits.values():
        faces = all_of(dataset)
        assert [CHARACTERS[p] for p in faces.person] == [name.split("/")[0] for name in faces.names]
    assert sum(map(len, splits.values())) == 84
    assert splits["train"].emotions == PROTOCOL_EMOTIONS


def test_labels_come_from_the_folders_and_the_domain_is_cartoon(ferg_tree):
    faces = all_of(FERG(path=ferg_tree, size=48))
    for name, label, domain in zip(faces.names, faces.emotion, faces.domain, strict=True):
        assert emotion_name(name.split("/")[1].split("_")[1]) == EMOTIONS[label]
        assert DOMAINS[domain] == "cartoon"
    assert faces.images.shape[1:] == (3, 48, 48)


def test_known_characters_are_in_every_split(ferg_tree):
    splits = open_splits("ferg", ferg_tree, known_characters=True)
    assert sum(map(len, splits.values())) == 84
    assert len(splits["train"].persons.unique()) == 6
    names = [set(all_of(dataset).names) for dataset in splits.values()]
    assert len(set().union(*names)) == 84


def test_a_wrong_folder_an_empty_one_and_a_bad_picture_are_named(ferg_tree, drawn):
    home = ferg_tree / "FERG_DB_256"
    (home / "aia" / "aia_pride").mkdir()
    (home / "ray" / "ray_contempt").mkdir()
    bad = next((home / "jules" / "jules_joy").glob("*.png"))
    bad.write_bytes(bad.read_bytes()[:100])
    save(drawn.images[0], home / "notes" / "notes_joy" / "a.png")  # no character: not looked at
    dataset = FERG(path=ferg_tree)
    said = {problem.where: problem.what for problem in dataset.problems}
    assert set(said) == {"aia/aia_pride/", "ray/ray_contempt/", bad.relative_to(home).as_posix()}
    assert "'pride' is not the name of an emotion" in said["aia/aia_pride/"]
    assert said["ray/ray_contempt/"] == "the folder holds no picture"
    assert len(dataset) == 55
    with pytest.raises(UnusableData, match="aia/aia_pride/"):
        FERG(path=ferg_tree, strict=True)


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(DatasetMissing, match=r"no folder of aia(?s:.*)grail\.cs\.washington"):
        FERG(path=tmp_path)
