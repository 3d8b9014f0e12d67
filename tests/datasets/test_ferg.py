import pytest
from trees import all_of, open_splits, save

from facekit.datasets import DatasetMissing
from facekit.datasets.ferg import CHARACTERS, FERG
from facekit.datasets.sources import UnusableData
from facekit.faces.emotions import EMOTIONS, PROTOCOL_EMOTIONS, emotion_name
from facekit.faces.parts import DOMAINS


@pytest.mark.parametrize("inner", ["FERG_DB_256", "."])
def test_characters_are_identities_and_splits_share_none(ferg_tree, inner):
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


def test_unknown_emotions_empty_folders_and_damaged_images_are_reported(ferg_tree, rendered):
    home = ferg_tree / "FERG_DB_256"
    (home / "aia" / "aia_pride").mkdir()
    (home / "ray" / "ray_contempt").mkdir()
    bad = next((home / "jules" / "jules_joy").glob("*.png"))
    bad.write_bytes(bad.read_bytes()[:100])
    save(rendered.images[0], home / "notes" / "notes_joy" / "a.png")  # not a character, so ignored
    dataset = FERG(path=ferg_tree)
    problems = {problem.where: problem.what for problem in dataset.problems}
    assert set(problems) == {"aia/aia_pride/", "ray/ray_contempt/", bad.relative_to(home).as_posix()}
    assert "'pride' is not the name of an emotion" in problems["aia/aia_pride/"]
    assert problems["ray/ray_contempt/"] == "the folder contains no picture"
    assert len(dataset) == 55
    with pytest.raises(UnusableData, match="aia/aia_pride/"):
        FERG(path=ferg_tree, strict=True)


def test_a_missing_dataset_raises_with_its_source(tmp_path):
    with pytest.raises(DatasetMissing, match=r"no folder of aia(?s:.*)grail\.cs\.washington"):
        FERG(path=tmp_path)
