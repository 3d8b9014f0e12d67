import csv

import pytest
import torch
from PIL import Image
from trees import all_of, image, open_splits, save

from facekit.datasets import DatasetMissing, open_dataset
from facekit.datasets.folder import PictureFolder
from facekit.datasets.sources import UnusableData
from facekit.faces.emotions import EMOTIONS
from facekit.faces.faces import to_uint8

SPLITS = ("train", "valid", "test")


def everything(path, **options):
    return open_splits("folder", path, **options)


@pytest.fixture
def split_folder(tmp_path, rendered):
    """A folder with one image in valid and test each, so that no split is random."""
    for split in ("valid", "test"):
        save(rendered.images[-1], tmp_path / split / "fear" / "a.png")
    return tmp_path


def names(dataset):
    return set(all_of(dataset).names)


def write_list(root, rows, header=("file", "emotion")):
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return root


def test_folders_by_emotion(by_emotion_tree, rendered):
    opened = everything(by_emotion_tree, size=96)
    assert sum(map(len, opened.values())) == 64
    for dataset in opened.values():
        faces = all_of(dataset)
        for i, name in enumerate(faces.names):
            number = int(name.rsplit("_", 1)[1].removesuffix(".png"))
            assert faces.emotion[i] == rendered.emotion[number] == dataset.labels[i]
            assert torch.equal(to_uint8(faces.images[i]), to_uint8(rendered.images[number]))


def test_the_split_of_an_image_does_not_depend_on_the_others(by_emotion_tree):
    first = {split: names(dataset) for split, dataset in everything(by_emotion_tree).items()}
    gone = sorted(by_emotion_tree.rglob("*.png"))[:20]
    for file in gone:
        file.unlink()
    second = {split: names(dataset) for split, dataset in everything(by_emotion_tree).items()}
    lost = {file.relative_to(by_emotion_tree).as_posix() for file in gone}
    assert second == {split: kept - lost for split, kept in first.items() if kept - lost}


def test_splits_share_no_identity(by_emotion_tree, rendered):
    opened = everything(by_emotion_tree, person=r"/p(\d+)_")
    assert len(opened) > 1
    people = {split: set(dataset.persons.tolist()) for split, dataset in opened.items()}
    assert sum(map(len, people.values())) == len(set().union(*people.values())) == 8
    for dataset in opened.values():
        faces = all_of(dataset)
        by_name = {name.split("/p")[1].split("_")[0] for name in faces.names}
        assert len(by_name) == len(faces.person.unique())


def test_folders_named_by_split_assign_the_split(tmp_path, rendered):
    for i, split in enumerate(("train", "val", "test")):
        for j in range(8):
            save(rendered.images[8 * i + j], tmp_path / split / EMOTIONS[rendered.emotion[8 * i + j]] / f"{j}.png")
    for split, folder in zip(SPLITS, ("train", "val", "test"), strict=True):
        dataset = PictureFolder(split, path=tmp_path)
        assert len(dataset) == 8
        assert all(name.startswith(f"{folder}/") for name in names(dataset))


def test_without_a_test_folder_test_is_valid_with_a_warning(tmp_path, rendered, caplog):
    save(rendered.images[0], tmp_path / "train" / "happy" / "a.png")
    save(rendered.images[1], tmp_path / "valid" / "sad" / "b.png")
    assert names(PictureFolder("test", path=tmp_path)) == {"valid/sad/b.png"}
    assert "has no test split; its valid split is used as test" in caplog.text


def test_synonyms_of_emotions_are_accepted(split_folder, rendered):
    for folder in ("Joy", "happiness", "SAD"):
        save(rendered.images[0], split_folder / "train" / folder / f"{folder}.png")
    assert PictureFolder(path=split_folder).class_counts() == {"happy": 2, "sad": 1}


def test_images_are_cropped_to_the_central_square(split_folder):
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste("blue", (100, 0, 200, 100))
    (split_folder / "train" / "happy").mkdir(parents=True)
    wide.save(split_folder / "train" / "happy" / "wide.png")
    pixels = to_uint8(PictureFolder(path=split_folder, size=32)[0].images)
    assert (pixels[0, 2, :, 1:-1] == 255).all()
    assert (pixels[0, 0, :, 1:-1] == 0).all()


def test_greyscale_and_rgb(by_emotion_tree):
    gray, rgb = PictureFolder(path=by_emotion_tree, channels=1), PictureFolder(path=by_emotion_tree, channels=3)
    assert gray.faces([0, 1]).images.shape == (2, 1, 64, 64)
    assert (gray.faces([0, 1]).images - rgb.faces([0, 1]).gray().images).abs().max() < 0.02


# ----------------------------------------------------------------------------------------- a CSV file


def test_a_csv_list_of_images(tmp_path, rendered):
    for i in range(6):
        save(rendered.images[i], tmp_path / "photos" / f"{i}.png")
    rows = [[f"photos/{i}.png", EMOTIONS[rendered.emotion[i]] if i else "", f"Ann{i // 2}", "train"] for i in range(6)]
    write_list(tmp_path, rows, ("Path", "Label", "subject", "Split"))
    for path in (tmp_path, tmp_path / "labels.csv"):
        dataset = PictureFolder(path=path)
        assert dataset.labels.tolist() == [-1, *rendered.emotion[1:6].tolist()]
        assert dataset.persons.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_table_as_a_spreadsheet_writes_it(tmp_path, rendered):
    """UTF-16, semicolons, backslashes, columns in another order and case, a quoted name with a comma."""
    for i, name in enumerate(("a, b.png", "ä.png")):
        save(rendered.images[i], tmp_path / "photos" / name)
    text = 'Split;EMOTION;Image\r\ntest;happy;"photos\\a, b.png"\r\nPrivateTest;sad;photos\\ä.png\r\n'
    (tmp_path / "labels.csv").write_text(text, encoding="utf-16")
    dataset = PictureFolder("test", path=tmp_path, strict=True)
    assert [EMOTIONS[label] for label in dataset.labels.tolist()] == ["happy", "sad"]


@pytest.mark.parametrize("prefix", ["C:\\Users\\Ann\\data\\", "/home/ann/data/", None])
def test_absolute_paths_are_found_below_the_folder(tmp_path, rendered, prefix, monkeypatch):
    save(rendered.images[0], tmp_path / "set" / "photos" / "0.png")
    write_list(tmp_path / "set", [[f"{prefix or f'{tmp_path}/set/'}photos/0.png", "happy"]])
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "set", "set"):
        splits = everything(path)
        assert sum(map(len, splits.values())) == 1
        assert not next(iter(splits.values())).problems


def test_numbers_need_the_order_of_a_dataset(tmp_path, rendered):
    for i in range(2):
        save(rendered.images[i], tmp_path / "set" / f"{i}.png")
    write_list(tmp_path / "set", [["0.png", "3", "train"], ["1.png", "1.0", "train"]], ("file", "label", "split"))
    with pytest.raises(DatasetMissing, match="the emotion is the number 3: say whose order it has"):
        PictureFolder(path=tmp_path / "set")
    assert PictureFolder(path=tmp_path / "set", codes="fer2013").class_counts() == {"happy": 1, "disgust": 1}
    assert PictureFolder(path=tmp_path / "set", codes="affectnet").class_counts() == {"happy": 1, "surprise": 1}
    with pytest.raises(ValueError, match="codes is 'fer'; use one of fer2013"):
        PictureFolder(path=tmp_path / "set", codes="fer")


def test_the_order_is_guessed_from_the_name_of_the_folder(tmp_path, rendered, caplog):
    root = tmp_path / "my RAF-DB copy"
    for split in ("train", "test"):
        save(rendered.images[0], root / split / "4" / "a.png")
    assert set(PictureFolder("test", path=root).class_counts()) == {"happy"}
    assert "read in the order of rafdb" in caplog.text


BAD_ROWS = {
    "a path outside of the folder": ("../secret.png", "happy", "leads out of the folder of the dataset"),
    "a path that leaves the folder later": ("a/../../secret.png", "happy", "leads out of the folder of the dataset"),
    "an absolute path": ("/etc/passwd.png", "happy", "leads out of the folder of the dataset"),
    "a missing file": ("none.png", "happy", "no file 'none.png'"),
    "no file": ("", "happy", "no file ''"),
    "an unknown emotion": ("0.png", "bored", "'bored' is not the name of an emotion"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_an_invalid_row_is_reported_and_left_out(tmp_path, rendered, kind):
    save(rendered.images[0], tmp_path / "secret.png")
    root = tmp_path / "set"
    save(rendered.images[0], root / "0.png")
    file, emotion, message = BAD_ROWS[kind]
    write_list(root, [["0.png", "happy", "train"], [file, emotion, "train"]], ("file", "emotion", "split"))
    dataset = PictureFolder(path=root)
    assert len(dataset) == 1
    assert dataset.problems[0].where == "labels.csv:3"
    assert message in dataset.problems[0].what
    with pytest.raises(UnusableData, match=r"labels\.csv:3"):
        PictureFolder(path=root, strict=True)


def test_an_unknown_split_and_a_missing_column_are_reported(tmp_path, rendered):
    save(rendered.images[0], tmp_path / "0.png")
    write_list(tmp_path, [["0.png", "happy", "holdout"]], ("file", "emotion", "split"))
    with pytest.raises(DatasetMissing, match="'holdout' is not a split"):
        PictureFolder(path=tmp_path)
    write_list(tmp_path, [["0.png", "happy"]], ("file", "mood"))
    with pytest.raises(DatasetMissing, match="no column emotion"):
        PictureFolder(path=tmp_path)


def test_an_image_outside_of_the_splits_is_reported(split_folder, rendered):
    save(rendered.images[0], split_folder / "train" / "happy" / "a.png")
    save(rendered.images[1], split_folder / "happy" / "b.png")
    dataset = PictureFolder(path=split_folder)
    assert names(dataset) == {"train/happy/a.png"}
    assert [problem.where for problem in dataset.problems] == ["happy/b.png"]


def test_a_missing_valid_folder_is_taken_out_of_train(tmp_path, rendered):
    for i in range(64):
        folder = tmp_path / ("train" if i < 50 else "test")
        save(rendered.images[i], folder / EMOTIONS[rendered.emotion[i]] / f"{i}.png")
    train, valid, test = (names(PictureFolder(split, path=tmp_path)) for split in SPLITS)
    assert len(train | valid) == len(train) + len(valid) == 50
    assert 0 < len(valid) < 15
    assert len(test) == 14


# ---------------------------------------------------------------------------------------------- bad files


def spoil_text(folder):
    (folder / "bad.jpg").write_text("this is no picture")
    return "bad.jpg", "not a picture"


def spoil_truncated(folder):
    whole = next(folder.glob("*.png")).read_bytes()
    (folder / "bad.png").write_bytes(whole[: len(whole) // 2])
    return "bad.png", "truncated"


def spoil_enormous(folder):
    Image.new("1", (9000, 9000)).save(folder / "bad.png")
    return "bad.png", "9000 x 9000 pixels"


def spoil_empty(folder):
    (folder / "bad.png").touch()
    return "bad.png", "not a picture"


@pytest.mark.parametrize("spoil", [spoil_text, spoil_truncated, spoil_enormous, spoil_empty])
def test_an_invalid_file_is_reported_and_left_out(split_folder, rendered, spoil, caplog):
    folder = split_folder / "train" / "happy"
    for i in range(3):
        save(rendered.images[i], folder / f"{i}.png")
    name, message = spoil(folder)
    for _ in range(2):  # read, and from the cache
        dataset = PictureFolder(path=split_folder)
        assert len(dataset) == 3
        assert [problem.where for problem in dataset.problems] == [f"train/happy/{name}"]
        assert message in dataset.problems[0].what
        with pytest.raises(UnusableData, match=f"train/happy/{name}"):
            PictureFolder(path=split_folder, strict=True)
    assert caplog.text.count("left out 1 unusable") == 2


def test_an_invalid_file_does_not_shift_the_others(split_folder, rendered):
    folder = split_folder / "train" / "happy"
    for i in range(6):
        save(rendered.images[i], folder / f"{i}.png")
    (folder / "2.png").write_text("no picture")
    faces = PictureFolder(path=split_folder, size=96).faces(range(5))
    for i, name in enumerate(faces.names):
        number = int(name[-5])
        assert torch.equal(to_uint8(faces.images[i]), to_uint8(rendered.images[number]))


def test_empty_and_unknown_classes_are_reported(split_folder, rendered):
    save(rendered.images[0], split_folder / "train" / "happy" / "a.png")
    (split_folder / "train" / "sad").mkdir()
    save(rendered.images[0], split_folder / "train" / "bored" / "a.png")
    problems = {p.where: p.what for p in PictureFolder(path=split_folder).problems}
    assert problems["train/sad/"] == "the folder contains no picture"
    assert "'bored' is not the name of an emotion" in problems["train/bored/"]
    with pytest.raises(UnusableData, match="train/bored/"):
        PictureFolder(path=split_folder, strict=True)


def test_a_folder_without_usable_images_raises(tmp_path, rendered):
    with pytest.raises(DatasetMissing, match="no such file"):
        open_dataset("folder", path=tmp_path / "none")
    with pytest.raises(DatasetMissing, match="contains no picture"):
        open_dataset("folder", path=tmp_path)
    (tmp_path / "train" / "sad").mkdir(parents=True)
    (tmp_path / "train" / "sad" / "a.jpg").write_text("text")
    with pytest.raises(ValueError, match="no usable picture in split 'train'"):
        open_dataset("folder", path=tmp_path)


def test_a_changed_image_is_read_again(split_folder, rendered):
    file = save(rendered.images[0], split_folder / "train" / "happy" / "a.png")
    before = PictureFolder(path=split_folder)[0].images
    image(-rendered.images[0]).save(file)
    assert (PictureFolder(path=split_folder)[0].images + before).abs().max() < 0.02


def test_photographs_listed_by_person(outside, tmp_path):
    """470 people, each neutral and happy, listed in a CSV file with identities."""
    import zipfile

    with zipfile.ZipFile(outside("data/muxspace_pairs/muxspace_pairs.zip")) as archive:
        files = [name for name in archive.namelist() if name.endswith(".png")]
        archive.extractall(tmp_path)
    write_list(tmp_path, [[f, f.split("/")[1][:-4], f.split("/")[0]] for f in files], ("file", "emotion", "person"))
    opened = everything(tmp_path, channels=1)
    assert sum(map(len, opened.values())) == 940
    assert {d.emotions for d in opened.values()} == {("happy", "neutral")}
    assert 0.05 < len(opened["test"]) / 940 < 0.15
    people = [set(d.persons.tolist()) for d in opened.values()]
    assert sum(map(len, people)) == len(set().union(*people)) == 470
