import csv

import numpy as np
import pytest
import torch
from trees import all_of, open_splits, save

from facekit.datasets import DatasetMissing
from facekit.datasets.affectnet import AffectNet
from facekit.datasets.alignment import EYE_DISTANCE, EYE_HEIGHT
from facekit.datasets.sources import UnusableData
from facekit.faces.emotions import DATASET_LABELS, EMOTIONS


def number(name: str) -> int:
    """The row of the fixture `rendered` for the name of an image."""
    stem = name.rsplit("/", 1)[1].removesuffix(".jpg")
    return int(stem, 16 if "Images" in name else 10)


def check(splits, rendered, count):
    assert sum(map(len, splits.values())) == count
    for split, dataset in splits.items():
        faces = all_of(dataset)
        rows = [number(name) for name in faces.names]
        assert all((row >= 48) == (split == "test") for row in rows)
        assert torch.equal(faces.emotion, rendered.emotion[rows])
        eyes = faces.landmarks[:, 36:48].mean(1)
        assert torch.allclose(eyes, torch.tensor([0, 2 * EYE_HEIGHT - 1.0]), atol=1e-5)
        apart = (faces.landmarks[:, 42:48].mean(1) - faces.landmarks[:, 36:42].mean(1)).norm(dim=1)
        assert torch.allclose(apart, torch.tensor(2 * EYE_DISTANCE), atol=1e-5)
        yield faces, rows


def test_annotations_in_arrays(affectnet_arrays, rendered):
    for faces, rows in check(open_splits("affectnet", affectnet_arrays), rendered, 62):
        assert {0, 48}.isdisjoint(rows)  # uncertain
        wanted = torch.tensor([round(np.sin(row), 3) for row in rows], dtype=torch.float32)
        assert torch.allclose(faces.attributes["valence"], wanted, atol=1e-6)
        assert torch.allclose(faces.attributes["arousal"], wanted, atol=1e-6)


def test_annotations_in_tables(affectnet_tables, rendered):
    for faces, _ in check(open_splits("affectnet", affectnet_tables), rendered, 64):
        assert faces.attributes["valence"].unique().tolist() == [0.25]
        assert faces.attributes["arousal"].unique().tolist() == [-0.5]


def test_tables_in_the_root_folder_are_found(affectnet_tables):
    for name in ("training.csv", "validation.csv"):
        (affectnet_tables / "Manually_Annotated_file_lists" / name).rename(affectnet_tables / name)
    (affectnet_tables / "Manually_Annotated_file_lists").rmdir()
    assert sum(map(len, open_splits("affectnet", affectnet_tables).values())) == 64


def test_small_files_are_read_once(affectnet_arrays, monkeypatch):
    before = AffectNet("test", path=affectnet_arrays)
    with monkeypatch.context() as patch:
        patch.setattr("facekit.datasets.affectnet._array", lambda _: pytest.fail("the file was read again"))
        assert len(AffectNet("test", path=affectnet_arrays)) == len(before)
    np.save(affectnet_arrays / "val_set" / "annotations" / "60_exp.npy", np.array("10"))
    assert len(AffectNet("test", path=affectnet_arrays)) == len(before) - 1


def test_train_and_valid_are_disjoint(affectnet_arrays):
    splits = open_splits("affectnet", affectnet_arrays)
    names = [set(all_of(splits[split]).names) for split in ("train", "valid")]
    assert names[0].isdisjoint(names[1])
    assert len(names[0] | names[1]) == 47


ARRAYS = {
    "a label out of range": ("exp", np.array("11"), "label 11 is out of range"),
    "a label that is a word": ("exp", np.array("happy"), "could not convert"),
    "a valence out of range": ("val", np.array("-2"), "valence is -2"),
    "an arousal that is not finite": ("aro", np.array(np.nan), "arousal is nan"),
    "too few landmarks": ("lnd", np.zeros(134), "134 landmark coordinates"),
    "landmarks that are not finite": ("lnd", np.full(136, np.inf), "136 landmark coordinates"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_an_invalid_array_is_reported(affectnet_arrays, kind):
    part, value, message = ARRAYS[kind]
    np.save(affectnet_arrays / "train_set" / "annotations" / f"7_{part}.npy", value)
    dataset = AffectNet(path=affectnet_arrays)
    assert [problem.where for problem in dataset.problems] == ["train_set/annotations/7_exp.npy"]
    assert message in dataset.problems[0].what
    with pytest.raises(UnusableData, match="7_exp"):
        AffectNet(path=affectnet_arrays, strict=True)


def test_missing_damaged_and_dangerous_files_are_reported(affectnet_arrays):
    annotations = affectnet_arrays / "train_set" / "annotations"
    (annotations / "3_val.npy").unlink()
    (annotations / "4_aro.npy").write_bytes(b"\x93NUMPY")
    np.save(annotations / "5_lnd.npy", np.array([print], dtype=object), allow_pickle=True)  # code, if unpickled
    images = affectnet_arrays / "train_set" / "images"
    (images / "6.jpg").unlink()
    (images / "9.jpg").write_text("text")
    problems = {}
    for dataset in open_splits("affectnet", affectnet_arrays).values():
        problems |= {problem.where: problem.what for problem in dataset.problems}
    assert "there is no 3_val.npy" in problems["train_set/annotations/3_exp.npy"]
    assert "4_exp" in str(problems)
    assert "allow_pickle" in problems["train_set/annotations/5_exp.npy"]
    assert "no such file" in problems["train_set/images/6.jpg"]
    assert "not a picture" in problems["train_set/images/9.jpg"]
    assert len(problems) == 5


ROWS = {
    "a path outside of the folder": ("subDirectory_filePath", "../../secret.jpg", "leads out of"),
    "a missing image": ("subDirectory_filePath", "0/none.jpg", "no such file"),
    "too few landmarks": ("facial_landmarks", "1;2;3", "3 landmark coordinates"),
    "landmarks that are words": ("facial_landmarks", "a;b", "facial_landmarks are not numbers"),
    "a label that is not a number": ("expression", "", "expression is ''"),
    "a label out of range": ("expression", "12", "label 12 is out of range"),
    "a valence out of range": ("valence", "1.5", "valence is 1.5"),
}


@pytest.mark.parametrize("kind", ROWS)
def test_an_invalid_row_is_reported(affectnet_tables, kind):
    column, value, message = ROWS[kind]
    table = affectnet_tables / "Manually_Annotated_file_lists" / "validation.csv"
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[4][column] = value
    with table.open("w", newline="") as stream:
        out = csv.DictWriter(stream, rows[0])
        out.writeheader()
        out.writerows(rows)
    dataset = AffectNet("test", path=affectnet_tables)
    assert len(dataset) == 15
    assert "validation.csv:6" in dataset.problems[0].where or "none.jpg" in dataset.problems[0].where
    assert message in dataset.problems[0].what
    with pytest.raises(UnusableData):
        AffectNet("test", path=affectnet_tables, strict=True)


def test_a_missing_column_is_reported(affectnet_tables):
    table = affectnet_tables / "Manually_Annotated_file_lists" / "training.csv"
    table.write_text(table.read_text().replace("valence", "mood", 1))
    assert "no column valence" in str(AffectNet("test", path=affectnet_tables).problems[0])


def test_a_missing_dataset_raises_with_its_source(tmp_path):
    with pytest.raises(DatasetMissing, match=r"neither train_set nor training\.csv(?s:.*)mohammadmahoor"):
        AffectNet(path=tmp_path)


def test_copies_in_numbered_folders(tmp_path, rendered):
    codes = DATASET_LABELS["affectnet"]
    for i in range(len(rendered)):
        folder = tmp_path / ("train" if i < 48 else "val") / str(codes.index(EMOTIONS[rendered.emotion[i]]))
        save(rendered.images[i], folder / f"{i}.jpg")
    splits = open_splits("affectnet", tmp_path)
    assert len(splits["train"]) == 48
    assert len(splits["test"]) == 16  # as no other is public
    faces = all_of(splits["test"])
    assert faces.emotion.tolist() == [rendered.emotion[int(name.split("/")[-1][:-4])] for name in faces.names]


def test_copies_with_a_table_of_paths(tmp_path, rendered):
    rows = [",pth,label,relFCs"]
    for i in range(8):
        name = EMOTIONS[rendered.emotion[i]]
        save(rendered.images[i], tmp_path / name / f"image{i:07d}.jpg")
        rows.append(f"{i},{name}/image{i:07d}.jpg,{name},0.87")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    splits = open_splits("affectnet", tmp_path)
    assert sum(map(len, splits.values())) == 8
    assert not next(iter(splits.values())).problems
