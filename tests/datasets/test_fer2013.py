import gzip
import logging
import pickle

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import all_of, open_splits, save, write_fer

from facekit.datasets import DatasetMissing, loader, open_dataset
from facekit.datasets import pixel_table as module
from facekit.datasets.fer2013 import FER2013
from facekit.datasets.sources import UnusableData
from facekit.faces.emotions import EMOTIONS
from facekit.faces.faces import to_uint8


@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013.csv.gz", "icml_face_data.csv", "icml_face_data.csv.gz"])
def test_every_file_format_returns_the_rows_as_written(tmp_path, fer_rows, name):
    write_fer(tmp_path / name, fer_rows, name.split(".")[0])
    counted = 0
    for split in ("train", "valid", "test"):
        dataset = open_dataset("fer2013", split, path=tmp_path)
        faces = dataset.faces(range(len(dataset)))
        for i, row_name in enumerate(faces.names):
            row = fer_rows[int(row_name.split(":")[1]) - 2]
            assert row[2] == {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}[split]
            assert to_uint8(faces.images[i]).flatten().tolist() == [int(p) for p in row[1].split()]
            assert EMOTIONS[faces.emotion[i]] == EMOTIONS[int(row[0])]  # both have the same order
        counted += len(dataset)
    assert counted == len(fer_rows)


def test_the_dataset_is_found_under_data_home(tmp_path, fer_rows, monkeypatch):
    write_fer(tmp_path / "fer2013" / "fer2013.csv", fer_rows)
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path))
    assert len(open_dataset("fer2013", "train")) == 40


def test_a_missing_dataset_raises_with_its_source(tmp_path):
    with pytest.raises(DatasetMissing, match=r"kaggle(?s:.*)fer2013\.csv"):
        FER2013(path=tmp_path / "nowhere")
    with pytest.raises(DatasetMissing, match="contains none of"):
        FER2013(path=tmp_path)


def test_without_private_rows_test_is_public_with_a_warning(tmp_path, fer_rows, caplog):
    file = write_fer(tmp_path / "fer2013.csv", [row for row in fer_rows if row[2] != "PrivateTest"])
    valid = FER2013("valid", path=file)
    assert "PrivateTest" not in caplog.text
    test = FER2013("test", path=file)
    assert "no PrivateTest rows; PublicTest is used as test" in caplog.text
    assert torch.equal(test.faces(range(12)).images, valid.faces(range(12)).images)


def test_size_and_channels(tmp_path, fer_rows):
    file = write_fer(tmp_path / "fer2013.csv", fer_rows)
    faces = FER2013(path=file, size=64, channels=3).faces([5, 1])
    assert faces.images.shape == (2, 3, 64, 64)
    assert torch.equal(faces.images[:, 0], faces.images[:, 2])
    assert FER2013(path=file)[-1].names == FER2013(path=file).faces([39]).names
    with pytest.raises(ValueError, match="channels is 2"):
        FER2013(path=file, channels=2)


BAD = {
    "too few pixels": (lambda row: [row[0], row[1].rsplit(" ", 1)[0], row[2]], "2303 pixels; it must have 2304"),
    "too many pixels": (lambda row: [row[0], row[1] + " 7", row[2]], "2305 pixels"),
    "no pixels": (lambda row: [row[0], "", row[2]], "0 pixels"),
    "a pixel that is a word": (lambda row: [row[0], "x" + row[1], row[2]], "not a whole number from 0 to 255"),
    "a pixel of 256": (lambda row: [row[0], "256" + row[1][row[1].index(" ") :], row[2]], "not a whole number"),
    "a negative pixel": (lambda row: [row[0], "-1" + row[1][row[1].index(" ") :], row[2]], "not a whole number"),
    "a label out of range": (lambda row: ["7", *row[1:]], "label 7 is out of range"),
    "a label that is a word": (lambda row: ["happy", *row[1:]], "emotion is 'happy'"),
    "a negative label": (lambda row: ["-1", *row[1:]], "emotion is '-1'"),
    "an unknown usage": (lambda row: [*row[:2], "Test"], "Usage is 'Test'"),
    "a row cut short": (lambda row: row[:1], "Usage is ''"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_invalid_row_is_reported_and_left_out(tmp_path, fer_rows, kind, caplog):
    spoil, message = BAD[kind]
    fer_rows[10] = spoil(fer_rows[10])
    file = write_fer(tmp_path / "fer2013.csv", fer_rows)
    dataset = FER2013(path=file)
    assert len(dataset) == 39
    assert [problem.where for problem in dataset.problems] == ["fer2013.csv:12"]
    assert message in dataset.problems[0].what
    assert "FER-2013: left out 1 unusable" in caplog.text
    for _ in range(2):  # freshly read, and from the cache
        with pytest.raises(UnusableData, match=r"fer2013\.csv:12") as raised:
            FER2013(path=file, strict=True)
        assert message in raised.value.problem.what


def test_valid_data_pass_strict_mode_without_log_records(tmp_path, fer_rows, caplog):
    caplog.set_level(logging.INFO)
    assert FER2013(path=write_fer(tmp_path / "fer2013.csv", fer_rows), strict=True).problems == ()
    assert not caplog.records


def test_a_missing_column_is_reported(tmp_path, fer_rows):
    (tmp_path / "fer2013.csv").write_text("emotion,pixel,Usage\n0,1 2,Training\n")
    with pytest.raises(DatasetMissing, match="no column pixels"):
        FER2013(path=tmp_path)
    with pytest.raises(UnusableData, match="no column pixels"):
        FER2013(path=tmp_path, strict=True)


def test_of_a_truncated_gz_file_the_readable_rows_are_used(tmp_path, fer_rows):
    rng = np.random.default_rng(0)  # noise, so that the last bytes of the archive do not contain several rows
    rows = [[e, " ".join(map(str, rng.integers(0, 256, 2304))), u] for e, _, u in fer_rows]
    file = write_fer(tmp_path / "fer2013.csv.gz", rows)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    dataset = FER2013(path=file)
    assert 10 < len(dataset) < 40
    assert "cannot be read from this line on" in dataset.problems[-1].what
    with pytest.raises(UnusableData):
        FER2013(path=file, strict=True)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b broken", gzip.compress(b"", mtime=0)])
def test_a_file_without_rows_raises(tmp_path, content):
    file = tmp_path / "fer2013.csv.gz"
    file.write_bytes(content)
    with pytest.raises(DatasetMissing, match="no usable row"):
        FER2013(path=file)


def test_the_csv_is_read_once(tmp_path, fer_rows, monkeypatch):
    file = write_fer(tmp_path / "fer2013.csv", fer_rows)
    first = FER2013(path=file).faces([3])
    with monkeypatch.context() as patch:
        patch.setattr(module, "_read", lambda *_: pytest.fail("the CSV file was read again"))
        assert torch.equal(FER2013(path=file).faces([3]).images, first.images)
    write_fer(file, fer_rows[:20])
    assert len(FER2013(path=file)) == 20


def test_a_pickled_dataset_maps_the_cache_again(tmp_path, fer_rows):
    dataset = FER2013(path=write_fer(tmp_path / "fer2013.csv", fer_rows))
    sent = pickle.dumps(dataset)
    assert len(sent) < 64 * 48 * 48
    assert torch.equal(pickle.loads(sent).faces(range(40)).images, dataset.faces(range(40)).images)


def test_the_train_table_of_the_challenge_is_split_at_random(tmp_path, fer_rows):
    lines = ["emotion,pixels", *(f"{emotion},{pixels}" for emotion, pixels, _ in fer_rows)]
    (tmp_path / "train.csv").write_text("\n".join(lines))
    faces = [all_of(dataset) for dataset in open_splits("fer2013", tmp_path).values()]
    names = [name for part in faces for name in part.names]
    assert len(faces) == 3
    assert sorted(names) == sorted(f"train.csv:{line}" for line in range(2, 66))
    assert not FER2013("test", path=tmp_path).problems


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_other_encodings_and_separators_are_read(tmp_path, fer_rows, encoding):
    lines = ["USAGE;Emotion;pixels", *(f"{usage};{emotion};{pixels}" for emotion, pixels, usage in fer_rows)]
    (tmp_path / "fer2013.csv").write_text("\n".join(lines), encoding=encoding)
    assert len(FER2013(path=tmp_path, strict=True)) == 40


# ------------------------------------------------------------------------------------------------ FER+

VOTES_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def write_votes(folder, rows, special):
    """Votes: contempt for every face, except for the rows in `special`."""
    lines = [VOTES_HEADER]
    for i, (_, _, usage) in enumerate(rows):
        lines.append(f"{usage},fer{i:07d}.png,{special.get(i, '1,0,0,0,0,0,0,9,0,0')}")
    (folder / "fer2013new.csv").write_text("\n".join(lines))


def test_labels_by_the_votes_of_fer_plus(tmp_path, fer_rows):
    write_fer(tmp_path / "fer2013.csv", fer_rows)
    special = {0: "0,5,5,0,0,0,0,0,0,0", 1: "1,2,0,0,0,0,0,0,7,0", 2: "0,0,0,0,0,0,0,0,0,10", 3: "0,8,2,0,0,0,0,0,0,0"}
    write_votes(tmp_path, fer_rows, special)
    train = FER2013(path=tmp_path, labels="ferplus", strict=True)
    assert len(train) == 37
    faces = train.faces(range(37))
    assert faces.names[0] == "fer2013.csv:5"
    assert [EMOTIONS[label] for label in faces.emotion[:2].tolist()] == ["happy", "contempt"]
    shares = dict(zip(EMOTIONS, faces.attributes["votes"][0].tolist(), strict=True))
    assert shares["happy"] == pytest.approx(0.8)
    assert shares["surprise"] == pytest.approx(0.2)
    [problem] = train.problems
    assert "3 faces of train have no emotion by their votes" in problem.what
    for reason in ("1 tied", "1 unknown", "1 no face"):
        assert reason in problem.what
    assert not FER2013("valid", path=tmp_path, labels="ferplus").problems
    assert FER2013(path=tmp_path).labels[3] == int(fer_rows[3][0])  # the original labels


def test_votes_for_other_rows_raise(tmp_path, fer_rows):
    file = write_fer(tmp_path / "fer2013.csv", fer_rows)
    with pytest.raises(DatasetMissing, match=r"no fer2013new\.csv beside the CSV file"):
        FER2013(path=file, labels="ferplus")
    write_votes(tmp_path, fer_rows[1:], {})
    with pytest.raises(ValueError, match="the tables have different rows"):
        FER2013("test", path=file, labels="ferplus")
    write_votes(tmp_path, fer_rows, {4: "many,0,0,0,0,0,0,9,0,0"})
    with pytest.raises(ValueError, match=r"fer2013new\.csv:6 is not a row of votes"):
        FER2013(path=file, labels="ferplus")
    with pytest.raises(ValueError, match="labels is 'both'; use one of original, ferplus"):
        FER2013(path=file, labels="both")


def test_folders_of_images(tmp_path, rendered):
    small = rendered.gray().resized(48)
    for i in range(len(small)):
        name, part = EMOTIONS[small.emotion[i]], "train" if i < 40 else "test"
        if name != "contempt":
            save(small.images[i], tmp_path / part / name / f"{i}.jpg")
    train, valid, test = (FER2013(split, path=tmp_path) for split in ("train", "valid", "test"))
    assert len(train) + len(valid) + len(test) == 56
    assert all(name.startswith("test/") for name in test.faces(range(len(test))).names)
    # Without a validation folder, the split is taken out of train, and the two are disjoint.
    taken = set(valid.faces(range(len(valid))).names)
    assert taken
    assert taken.isdisjoint(train.faces(range(len(train))).names)
    faces = train.faces(range(len(train)))
    assert [name.split("/")[1] for name in faces.names] == [EMOTIONS[e] for e in faces.emotion]
    assert faces.images.shape[1:] == (1, 48, 48)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.integers(1, 9),
    workers=st.just(0),
    order=st.lists(st.integers(0, 39), min_size=1, max_size=20),
)
def test_a_face_does_not_depend_on_how_it_is_fetched(tmp_path, fer_rows, batches, workers, order):
    file = tmp_path / "fer2013.csv"
    if not file.exists():
        write_fer(file, fer_rows)
    dataset = FER2013(path=file)
    together = dataset.faces(order)
    for i, index in enumerate(order):
        assert torch.equal(dataset[index].images[0], together.images[i])
    through = torch.cat([faces.images for faces in loader(dataset, batches, workers=workers)])
    assert torch.equal(through, dataset.faces(range(40)).images)


def test_the_original_file(outside):
    path = outside("data/fer2013/fer2013.csv.gz")
    train, valid = (open_dataset("fer2013", split, path=path, size=48, channels=1) for split in ("train", "valid"))
    assert len(train) == 16_036
    assert len(valid) == 3_589
    assert train.class_counts()["disgust"] == 436
    assert valid.class_counts() == {
        "angry": 467, "disgust": 56, "fear": 496, "happy": 895, "sad": 653, "surprise": 415, "neutral": 607,
    }  # fmt: skip
    assert not train.problems
    assert train.faces(range(64)).images.isfinite().all()
