import pytest
from PIL import Image
from trees import all_of, image, open_splits

from facekit.datasets import DatasetMissing
from facekit.datasets.expw import ExpW
from facekit.datasets.sources import UnusableData
from facekit.faces.emotions import DATASET_LABELS, EMOTIONS
from facekit.faces.faces import resize


@pytest.fixture
def expw_tree(tmp_path, rendered):
    """ExpW: 32 photographs of two people each."""
    lines = []
    for i in range(32):
        photo = Image.new("RGB", (320, 200), "grey")
        for face, left in enumerate((20, 180)):
            row = 2 * i + face
            photo.paste(image(rendered.images[row]), (left, 40))
            name = EMOTIONS[rendered.emotion[row]]
            code = DATASET_LABELS["expw"].index(name) if name in DATASET_LABELS["expw"] else 6
            lines.append(f"{i}.jpg {face} 40 {left} {left + 96} 136 {90 - face * 50}.5 {code}")
        (tmp_path / "image" / "origin").mkdir(parents=True, exist_ok=True)
        photo.save(tmp_path / "image" / "origin" / f"{i}.jpg", quality=95)
    (tmp_path / "label.lst").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_faces_are_cropped_to_their_boxes(expw_tree, rendered):
    splits = open_splits("expw", expw_tree, size=48)
    assert sum(map(len, splits.values())) == 64
    seen = []
    for dataset in splits.values():
        faces = all_of(dataset)
        rows = [2 * int(name.split(".")[0]) + int(name[-1]) for name in faces.names]
        assert (faces.images - resize(rendered.images[rows], 48)).abs().mean() < 0.08
        seen.append({name.split("#")[0] for name in faces.names})
    assert sum(map(len, seen)) == len(set().union(*seen)) == 32  # a photograph is in one split


def test_uncertain_boxes_can_be_left_out(expw_tree):
    assert sum(map(len, open_splits("expw", expw_tree, confidence=60).values())) == 32


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1.jpg 0 40 20 116 136 90.5", "7 values; it must have 8"),
        ("1.jpg 0 40 20 x 136 90.5 3", "not a number"),
        ("1.jpg 0 40 116 20 136 90.5 3", "is empty"),
        ("1.jpg 0 40 20 116 136 90.5 9", "label 9 is out of range"),
        ("../1.jpg 0 40 20 116 136 90.5 3", "leads out of the folder"),
    ],
)
def test_an_invalid_line_is_reported(expw_tree, line, message):
    lines = (expw_tree / "label.lst").read_text().splitlines()
    (expw_tree / "label.lst").write_text("\n".join([*lines[:5], line, *lines[6:]]))
    [problem] = ExpW(path=expw_tree).problems
    assert problem.where == "label.lst:6"
    assert message in problem.what
    with pytest.raises(UnusableData):
        ExpW(path=expw_tree, strict=True)


def test_a_missing_dataset_raises_with_its_source(tmp_path):
    with pytest.raises(DatasetMissing, match=r"no label\.lst(?s:.*)socialrelation"):
        ExpW(path=tmp_path)
