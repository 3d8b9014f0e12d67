import io
import json
import tarfile

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from trees import all_of, image, open_splits, save

from facekit.datasets import DatasetMissing
from facekit.datasets.fer2013 import FER2013
from facekit.datasets.folder import PictureFolder
from facekit.datasets.sources import UnusableData
from facekit.faces.emotions import DATASET_LABELS, EMOTIONS
from facekit.faces.faces import to_uint8

NAMES = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise", "contempt"]


def png(picture) -> bytes:
    stream = io.BytesIO()
    image(picture).save(stream, "PNG")
    return stream.getvalue()


def emotion_names(rendered, rows):
    return [EMOTIONS[emotion] for emotion in rendered.emotion[rows].tolist()]


def write_parquet(file, rendered, rows, labels, column="label", names=None, nested=False):
    """A parquet file as Hugging Face's datasets writes it."""
    pictures = [{"bytes": png(rendered.images[i]), "path": f"{i}.png"} for i in rows]
    table = pyarrow.table({"image": pictures, column: [[label] for label in labels] if nested else labels})
    if names:
        feature = {"names": names, "_type": "ClassLabel"}
        features = {"image": {"_type": "Image"}, column: {"feature": feature} if nested else feature}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, file)


def write_tar(file, members):
    """A tar file of WebDataset, from names and bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def number(name):
    return int(name.split(": ")[1].split("/")[-1].split(".")[0])


def check(dataset, rendered, count):
    faces = all_of(dataset)
    rows = [number(name) for name in faces.names]
    assert len(faces) == count
    assert faces.emotion.tolist() == rendered.emotion[rows].tolist()
    assert torch.equal(to_uint8(faces.images), to_uint8(rendered.images[rows]))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("column", ["label", "labels"])
def test_parquet_with_names_in_its_schema(tmp_path, rendered, column, nested):
    order = [EMOTIONS.index(name) for name in ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")]
    order.append(EMOTIONS.index("contempt"))
    for split, rows in {"train": range(48), "validation": range(48, 56), "test": range(56, 64)}.items():
        labels = [order.index(emotion) for emotion in rendered.emotion[list(rows)].tolist()]
        file = tmp_path / "data" / f"{split}-00000-of-00001.parquet"
        write_parquet(file, rendered, rows, labels, column, NAMES, nested)
    for split, count in (("train", 48), ("valid", 8), ("test", 8)):
        check(PictureFolder(split, path=tmp_path, size=96, strict=True), rendered, count)


def test_parquet_by_the_folder_of_a_split_and_with_words_as_labels(tmp_path, rendered):
    for split, rows in {"train": range(8), "test": range(8, 16)}.items():
        write_parquet(tmp_path / split / "0000.parquet", rendered, rows, emotion_names(rendered, list(rows)))
    check(PictureFolder("test", path=tmp_path, size=96), rendered, 8)
    found = open_splits("folder", tmp_path / "test" / "0000.parquet", size=96)
    assert sum(map(len, found.values())) == 8


def test_numbers_without_names_need_an_order(tmp_path, rendered):
    rows = [i for i in range(16) if rendered.emotion[i] < 7]
    codes = [DATASET_LABELS["fer2013"].index(name) for name in emotion_names(rendered, rows)]
    write_parquet(tmp_path / "hub" / "test.parquet", rendered, rows, codes)
    with pytest.raises(
        DatasetMissing, match=r"pictures are left out: the emotion is the number \d: say whose order it has"
    ):
        PictureFolder("test", path=tmp_path / "hub")
    check(PictureFolder("test", path=tmp_path / "hub", size=96, codes="fer2013"), rendered, 14)
    faces = all_of(FER2013("test", path=tmp_path / "hub"))
    assert faces.emotion.tolist() == rendered.emotion[rows].tolist()
    assert faces.images.shape == (14, 1, 48, 48)


def test_tar_files_with_every_kind_of_label(tmp_path, rendered):
    names = emotion_names(rendered, list(range(8)))
    members = []
    for i, name in enumerate(names):
        label = {0: ("cls", name), 1: ("json", json.dumps({"emotion": name})), 2: ("txt", name)}[i % 3]
        members += [(f"{i}.png", png(rendered.images[i])), (f"{i}.{label[0]}", label[1].encode())]
    write_tar(tmp_path / "train" / "faces-000000.tar", members)
    others = list(range(8, 16))
    folders = [
        (f"{name}/{i}.png", png(rendered.images[i]))
        for i, name in zip(others, emotion_names(rendered, others), strict=True)
    ]
    write_tar(tmp_path / "fer-test-000000.tar", [*folders, ("happy/notes.pkl", b"not read")])
    check(PictureFolder("test", path=tmp_path, size=96, strict=True), rendered, 8)
    found = [PictureFolder(split, path=tmp_path, size=96) for split in ("train", "valid")]
    assert sum(map(len, found)) == 8
    for dataset in found:
        check(dataset, rendered, len(dataset))


def test_tar_files_with_numbers_and_their_names_beside(tmp_path, rendered):
    names = emotion_names(rendered, list(range(8)))
    (tmp_path / "classnames.txt").write_text("\n".join(EMOTIONS))
    members = [
        part
        for i, name in enumerate(names)
        for part in ((f"s{i}/{i}.png", png(rendered.images[i])), (f"s{i}/{i}.cls", b"%d" % EMOTIONS.index(name)))
    ]
    write_tar(tmp_path / "test" / "0.tar", members)
    check(PictureFolder("test", path=tmp_path, size=96), rendered, 8)


def test_labels_that_are_no_emotion_are_counted(tmp_path, rendered):
    write_parquet(tmp_path / "test.parquet", rendered, range(8), ["happy"] * 5 + ["bored"] * 3)
    dataset = PictureFolder("test", path=tmp_path)
    assert len(dataset) == 5
    [problem] = dataset.problems
    assert problem.what.startswith("3 pictures are left out: 'bored' is not the name of an emotion")
    with pytest.raises(UnusableData):
        PictureFolder("test", path=tmp_path, strict=True)


def test_an_archive_beside_pictures_is_left_alone(tmp_path, rendered):
    save(rendered.images[0], tmp_path / "test" / "happy" / "0.png")
    write_tar(tmp_path / "backup.tar", [("sad/1.png", png(rendered.images[1]))])
    assert PictureFolder("test", path=tmp_path).class_counts() == {"happy": 1}


def test_damaged_and_unsuitable_files_are_reported(tmp_path, rendered):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "test.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(DatasetMissing, match="cannot be read to its end"):
        PictureFolder("test", path=tmp_path / "a")
    (tmp_path / "b").mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"text": ["x"], "label": [0]}), tmp_path / "b" / "test.parquet")
    with pytest.raises(DatasetMissing, match="it has the columns text, label; it needs image and label"):
        PictureFolder("test", path=tmp_path / "b")
    write_tar(tmp_path / "c" / "test.tar", [("happy/0.png", png(rendered.images[0])), ("happy/1.png", b"text")])
    dataset = PictureFolder("test", path=tmp_path / "c")
    assert len(dataset) == 1
    assert "not a picture" in dataset.problems[0].what
    whole = (tmp_path / "c" / "test.tar").read_bytes()
    (tmp_path / "c" / "test.tar").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(DatasetMissing, match="cannot be read to its end"):
        PictureFolder("test", path=tmp_path / "c")


def test_the_files_are_unpacked_once(tmp_path, rendered, monkeypatch):
    write_parquet(tmp_path / "test.parquet", rendered, range(4), ["happy"] * 4)
    first = PictureFolder("test", path=tmp_path).faces([2])
    monkeypatch.setattr("facekit.datasets.packed._parquet", lambda _: pytest.fail("the file was read again"))
    assert torch.equal(PictureFolder("test", path=tmp_path, size=64).faces([2]).images, first.images)
    assert np.isfinite(PictureFolder("test", path=tmp_path, size=32).faces([0]).images.numpy()).all()
