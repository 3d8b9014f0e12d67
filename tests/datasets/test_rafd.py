import pytest
from trees import all_of, open_splits

from facekit.datasets import DatasetMissing
from facekit.datasets.rafd import RaFD
from facekit.datasets.sources import UnusableData
from facekit.faces.emotions import EMOTIONS, emotion_name


def test_annotations_are_read_from_file_names(rafd_tree):
    total = 0
    for dataset in open_splits("rafd", rafd_tree).values():
        faces = all_of(dataset)
        for i, name in enumerate(faces.names):
            camera, model, group, _, emotion, gaze = name.removesuffix(".jpg").split("_")
            assert camera == "Rafd090"
            assert EMOTIONS[faces.emotion[i]] == emotion_name(emotion)
            assert faces.person[i] == int(model) - 1
            assert faces.attributes["camera"][i] == 90
            assert faces.attributes["child"][i] == (group == "Kid")
            assert ("left", "frontal", "right")[int(faces.attributes["gaze"][i]) + 1] == gaze
        total += len(faces)
    assert total == 64


def test_splits_share_no_identity(rafd_tree):
    splits = open_splits("rafd", rafd_tree)
    assert len(splits) > 1
    people = [set(dataset.persons.tolist()) for dataset in splits.values()]
    assert sum(map(len, people)) == len(set().union(*people)) == 8


def test_other_cameras_are_optional(rafd_tree):
    cameras = [all_of(d).attributes["camera"] for d in open_splits("rafd", rafd_tree, cameras=(90, 180)).values()]
    assert sum(map(len, cameras)) == 72
    assert sum(int((c == 180).sum()) for c in cameras) == 8
    with pytest.raises(ValueError, match=r"no camera at \[30\] degrees"):
        RaFD(path=rafd_tree, cameras=(30,))
    with pytest.raises(DatasetMissing, match=r"from cameras \(45,\)"):
        RaFD(path=rafd_tree, cameras=(45,))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("portrait.jpg", "not of the form"),
        ("Rafd090_01_Caucasian_female_bored_frontal.jpg", "'bored' is not the name of an emotion"),
        ("Rafd090_01_Caucasian_female_angry_up.jpg", "not of the form"),
    ],
)
def test_an_invalid_name_is_reported(rafd_tree, name, message):
    next(rafd_tree.glob("*.jpg")).rename(rafd_tree / name)
    dataset = RaFD(path=rafd_tree)
    assert dataset.problems[0].where == name
    assert message in dataset.problems[0].what
    with pytest.raises(UnusableData, match=name):
        RaFD(path=rafd_tree, strict=True)


def test_folders_are_irrelevant(rafd_tree):
    (rafd_tree / "session1").mkdir()
    for file in list(rafd_tree.glob("*.jpg"))[:30]:
        file.rename(rafd_tree / "session1" / file.name)
    assert sum(len(dataset) for dataset in open_splits("rafd", rafd_tree).values()) == 64


def test_a_missing_dataset_raises_with_its_source(tmp_path):
    with pytest.raises(DatasetMissing, match=r"rafd\.socsci\.ru\.nl"):
        RaFD(path=tmp_path)
