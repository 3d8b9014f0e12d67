import pytest
from trees import all_of, open_splits, save

from facekit.datasets import DatasetMissing
from facekit.datasets.rafdb import RAFDB
from facekit.datasets.sources import UnusableData
from facekit.faces.emotions import DATASET_LABELS, EMOTIONS

ORDER = DATASET_LABELS["rafdb"]


@pytest.fixture
def labelled(rendered):
    """The faces with one of the seven emotions: index and number of the emotion."""
    names = [EMOTIONS[emotion] for emotion in rendered.emotion.tolist()]
    return [(i, ORDER.index(name)) for i, name in enumerate(names) if name in ORDER]


@pytest.fixture
def rafdb_tree(tmp_path, rendered, labelled):
    """RAF-DB as its owners distribute it: 56 aligned images and a list."""
    lines = []
    for k, (i, number) in enumerate(labelled):
        stem = f"{'train' if k < 40 else 'test'}_{k:05d}"
        save(rendered.images[i], tmp_path / "rafdb" / "basic" / "Image" / "aligned" / f"{stem}_aligned.jpg")
        lines.append(f"{stem}.jpg {number}")
    table = tmp_path / "rafdb" / "basic" / "EmoLabel" / "list_patition_label.txt"
    table.parent.mkdir()
    table.write_text("\n".join(lines) + "\n")
    return tmp_path / "rafdb"


def test_the_owners_list(rafdb_tree, rendered, labelled):
    splits = open_splits("rafdb", rafdb_tree)
    assert len(splits["test"]) == 16
    assert len(splits["train"]) + len(splits["valid"]) == 40
    for dataset in splits.values():
        faces = all_of(dataset)
        rows = [labelled[int(name.split("_")[1])][0] for name in faces.names]
        assert faces.emotion.tolist() == rendered.emotion[rows].tolist()


@pytest.mark.parametrize("home", ["", "DATASET"])
def test_numbered_folders(tmp_path, rendered, labelled, home):
    for k, (i, number) in enumerate(labelled):
        save(rendered.images[i], tmp_path / home / ("train" if k < 40 else "test") / str(number) / f"{i}.jpg")
    faces = all_of(RAFDB("test", path=tmp_path))
    assert len(faces) == 16
    assert faces.emotion.tolist() == [rendered.emotion[int(name.split("/")[-1][:-4])] for name in faces.names]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train_00003.jpg", "is not of the form"),
        ("train_00003.jpg happy", "is not of the form"),
        ("train_00003.jpg 8", "label 8 is out of range"),
        ("train_99999.jpg 1", "there is no picture"),
    ],
)
def test_an_invalid_line_is_reported(rafdb_tree, line, message):
    table = rafdb_tree / "basic" / "EmoLabel" / "list_patition_label.txt"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:3], line, *lines[4:]]))
    [problem] = RAFDB(path=rafdb_tree).problems
    assert problem.where == "list_patition_label.txt:4"
    assert message in problem.what
    with pytest.raises(UnusableData, match=r"txt:4"):
        RAFDB(path=rafdb_tree, strict=True)


def test_a_missing_dataset_raises_with_its_source(tmp_path):
    with pytest.raises(DatasetMissing, match=r"contains no picture(?s:.*)whdeld"):
        RAFDB(path=tmp_path)
