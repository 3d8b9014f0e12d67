import pytest
from trees import all_of, open_splits, save

from facekit.datasets import DatasetMissing
from facekit.datasets.kdef import KDEF
from facekit.datasets.sources import UnusableData
from facekit.faces.emotions import EMOTIONS

CODES = {"angry": "AN", "disgust": "DI", "fear": "AF", "happy": "HA", "neutral": "NE", "sad": "SA", "surprise": "SU"}


@pytest.fixture
def kdef_tree(tmp_path, rendered):
    """KDEF: eight people and seven emotions from the front, and one person also from half left."""
    people = rendered.person.unique().tolist()
    for i in range(len(rendered)):
        if (name := EMOTIONS[rendered.emotion[i]]) in CODES:
            person = people.index(int(rendered.person[i])) + 1
            stem = f"{'AB'[i % 2]}{'FM'[person % 2]}{person:02d}"
            save(rendered.images[i], tmp_path / stem / f"{stem}{CODES[name]}S.JPG")
            if person == 1:
                save(rendered.images[i], tmp_path / stem / f"{stem}{CODES[name]}HL.JPG")
    return tmp_path


def test_annotations_are_read_from_file_names(kdef_tree):
    splits = open_splits("kdef", kdef_tree)
    assert sum(map(len, splits.values())) == 56
    for dataset in splits.values():
        faces = all_of(dataset)
        for i, path in enumerate(faces.names):
            name = path.split("/")[1]
            assert CODES[EMOTIONS[faces.emotion[i]]] == name[4:6]
            assert faces.attributes["session"][i] == (name[0] == "B")
            assert faces.attributes["angle"][i] == 0
    people = [set(dataset.persons.tolist()) for dataset in splits.values()]
    assert sum(map(len, people)) == len(set().union(*people)) == 8


def test_other_angles_are_optional(kdef_tree):
    splits = open_splits("kdef", kdef_tree, angles=("S", "HL"))
    assert sum(map(len, splits.values())) == 63
    assert sum(int((all_of(dataset).attributes["angle"] == -45).sum()) for dataset in splits.values()) == 7
    with pytest.raises(ValueError, match="no angle UP; KDEF has FL"):
        KDEF(path=kdef_tree, angles=("UP",))
    with pytest.raises(DatasetMissing, match=r"kdef\.se"):
        KDEF(path=kdef_tree, angles=("FR",))


def test_an_invalid_name_is_reported(kdef_tree):
    file = next(kdef_tree.rglob("*S.JPG"))
    file.rename(file.with_name("AF01XXS.JPG"))
    [problem] = KDEF(path=kdef_tree).problems
    assert "not of the form AF01ANS" in problem.what
    with pytest.raises(UnusableData):
        KDEF(path=kdef_tree, strict=True)
