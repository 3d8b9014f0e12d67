import pytest
from trees import all_of, image, open_splits

from facekit.datasets.jaffe import JAFFE
from facekit.datasets.sources import UnusableData
from facekit.faces.emotions import EMOTIONS

CODES = {"angry": "AN", "disgust": "DI", "fear": "FE", "happy": "HA", "neutral": "NE", "sad": "SA", "surprise": "SU"}
PEOPLE = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM")


@pytest.fixture
def jaffe_tree(tmp_path, rendered):
    """JAFFE: eight people and seven emotions, as greyscale TIFF files."""
    people = rendered.person.unique().tolist()
    for i in range(len(rendered)):
        if (name := EMOTIONS[rendered.emotion[i]]) in CODES:
            person = PEOPLE[people.index(int(rendered.person[i]))]
            (tmp_path / "jaffedbase").mkdir(exist_ok=True)
            image(rendered.images[i]).convert("L").save(tmp_path / "jaffedbase" / f"{person}.{CODES[name]}1.{i}.tiff")
    return tmp_path


def test_annotations_are_read_from_file_names(jaffe_tree, rendered):
    splits = open_splits("jaffe", jaffe_tree)
    assert sum(map(len, splits.values())) == 56
    seen = []
    for dataset in splits.values():
        faces = all_of(dataset)
        assert faces.emotion.tolist() == [rendered.emotion[int(name.split(".")[2])] for name in faces.names]
        assert [PEOPLE[person] for person in faces.person.tolist()] == [name.split("/")[1][:2] for name in faces.names]
        seen += faces.person.unique().tolist()
    assert sorted(seen) == list(range(8))  # no person is in two splits


@pytest.mark.parametrize(("name", "message"), [("KA.tiff", "not of the form"), ("KA.XX1.7.tiff", "'XX' is not the")])
def test_an_invalid_name_is_reported(jaffe_tree, name, message):
    next((jaffe_tree / "jaffedbase").iterdir()).rename(jaffe_tree / "jaffedbase" / name)
    [problem] = JAFFE(path=jaffe_tree).problems
    assert problem.where == f"jaffedbase/{name}"
    assert message in problem.what
    with pytest.raises(UnusableData):
        JAFFE(path=jaffe_tree, strict=True)
