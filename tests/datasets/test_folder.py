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
def split_folder(tmp_path, drawn):
    """Pictures in train, and one in each of the others, so that none is drawn by lot."""
    for split in ("valid", "test"):
        save(drawn.images[-1], tmp_path / split / "fear" / "a.png")
    return tmp_path


def names(dataset):
    return set(all_of(dataset).names)


def write_list(root, rows, header=("file", "emotion")):
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return root


def test_folders_by_emotion(by_emotion_tree, drawn):
    opened = everything(by_emotion_tree, size=96)
    assert sum(map(len, opened.values())) == 64
    for dataset in opened.values():
        faces = all_of(dataset)
        for i, name in enumerate(faces.names):
            number = int(name.rsplit("_", 1)[1].removesuffix(".png"))
            assert faces.emotion[i] == drawn.emotion[number] == dataset.labels[i]
            assert torch.equal(to_uint8(faces.images[i]), to_uint8(drawn.images[number]))


def test_every_picture_is_in_one_split_the_same_for_ever(by_emotion_tree):
    first = {split: names(dataset) for split, dataset in everything(by_emotion_tree).items()}
    gone = sorted(by_emotion_tree.rglob("*.png"))[:20]
    for file in gone:
        file.unlink()
    second = {split: names(dataset) for split, dataset in everything(by_emotion_tree).items()}
    lost = {file.relative_to(by_emotion_tree).as_posix() for file in gone}
    assert second == {split: kept - lost for split, kept in first.items() if kept - lost}


def test_people_are_in_one_split_only(by_emotion_tree, drawn):
    opened = everything(by_emotion_tree, person=r"/p(\d+)_")
    assert len(opened) > 1
    people = {split: set(dataset.persons.tolist()) for split, dataset in opened.items()}
    assert sum(map(len, people.values())) == len(set().union(*people.values())) == 8
    for dataset in opened.values():
        faces = all_of(dataset)
        by_name = {name.split("/p")[1].split("_")[0] for name in faces.names}
        assert len(by_name) == len(faces.person.unique())


def test_folders_named_by_split_decide(tmp_path, drawn):
    for i, split in enumerate(("train", "val", "test")):
        for j in range(8):
            save(drawn.images[8 * i + j], tmp_path / split / EMOTIONS[drawn.emotion[8 * i + j]] / f"{j}.png")
    for split, folder in zip(SPLITS, ("train", "val", "test"), strict=True):
        dataset = PictureFolder(split, path=tmp_path)
        assert len(dataset) == 8
        assert all(name.startswith(f"{folder}/") for name in names(dataset))


def test_a_missing_test_folder_is_the_valid_one_and_says_so(tmp_path, drawn, caplog):
    save(drawn.images[0], tmp_path / "train" / "happy" / "a.png")
    save(drawn.images[1], tmp_path / "valid" / "sad" / "b.png")
    assert names(PictureFolder("test", path=tmp_path)) == {"valid/sad/b.png"}
    assert "has no test split, so test is its valid split" in caplog.text


def test_synonyms_are_understood(split_folder, drawn):
    for folder in ("Joy", "happiness", "SAD"):
        save(drawn.images[0], split_folder / "train" / folder / f"{folder}.png")
    assert PictureFolder(path=split_folder).class_counts() == {"happy": 2, "sad": 1}


def test_pictures_that_are_not_square_lose_their_longer_ends(split_folder):
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste("blue", (100, 0, 200, 100))
    (split_folder / "train" / "happy").mkdir(parents=True)
    wide.save(split_folder / "train" / "happy" / "wide.png")
    pixels = to_uint8(PictureFolder(path=split_folder, size=32)[0].images)
    assert (pixels[0, 2, :, 1:-1] == 255).all()
    assert (pixels[0, 0, :, 1:-1] == 0).all()


def test_grey_and_colour(by_emotion_tree):
    grey, colour = PictureFolder(path=by_emotion_tree, channels=1), PictureFolder(path=by_emotion_tree, channels=3)
    assert grey.faces([0, 1]).images.shape == (2, 1, 64, 64)
    assert (grey.faces([0, 1]).images - colour.faces([0, 1]).gray().images).abs().max() < 0.02


# ---------------------------------------------------------------------------------------------- a csv


def test_a_list_of_pictures(tmp_path, drawn):
    for i in range(6):
        save(drawn.images[i], tmp_path / "photos" / f"{i}.png")
    rows = [[f"photos/{i}.png", EMOTIONS[drawn.emotion[i]] if i else "", f"Ann{i // 2}", "train"] for i in range(6)]
    write_list(tmp_path, rows, ("Path", "Label", "subject", "Split"))
    for path in (tmp_path, tmp_path / "labels.csv"):
        dataset = PictureFolder(path=path)
        assert dataset.labels.tolist() == [-1, *drawn.emotion[1:6].tolist()]
        assert dataset.persons.tolist() == [0, 0, 1, 1, 2, 2]


BAD_ROWS = {
    "a path that climbs out": ("../secret.png", "happy", "leads out of the dataset's folder"),
    "a path that climbs out later": ("a/../../secret.png", "happy", "leads out of the dataset's folder"),
    "a path from the root": ("/etc/passwd.png", "happy", "leads out of the dataset's folder"),
    "a missing file": ("none.png", "happy", "no file 'none.png'"),
    "no file": ("", "happy", "no file ''"),
    "a word for no emotion": ("0.png", "bored", "'bored' is not the name of an emotion"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_named_and_left_out(tmp_path, drawn, kind):
    save(drawn.images[0], tmp_path / "secret.png")
    root = tmp_path / "set"
    save(drawn.images[0], root / "0.png")
    file, emotion, said = BAD_ROWS[kind]
    write_list(root, [["0.png", "happy", "train"], [file, emotion, "train"]], ("file", "emotion", "split"))
    dataset = PictureFolder(path=root)
    assert len(dataset) == 1
    assert dataset.problems[0].where == "labels.csv:3"
    assert said in dataset.problems[0].what
    with pytest.raises(UnusableData, match=r"labels\.csv:3"):
        PictureFolder(path=root, strict=True)


def test_an_unknown_split_and_a_missing_column_are_named(tmp_path, drawn):
    save(drawn.images[0], tmp_path / "0.png")
    write_list(tmp_path, [["0.png", "happy", "holdout"]], ("file", "emotion", "split"))
    with pytest.raises(DatasetMissing, match="'holdout' is no split"):
        PictureFolder(path=tmp_path)
    write_list(tmp_path, [["0.png", "happy"]], ("file", "mood"))
    with pytest.raises(DatasetMissing, match="no column emotion"):
        PictureFolder(path=tmp_path)


def test_a_picture_outside_of_the_splits_is_named(split_folder, drawn):
    save(drawn.images[0], split_folder / "train" / "happy" / "a.png")
    save(drawn.images[1], split_folder / "happy" / "b.png")
    dataset = PictureFolder(path=split_folder)
    assert names(dataset) == {"train/happy/a.png"}
    assert [problem.where for problem in dataset.problems] == ["happy/b.png"]


def test_a_missing_valid_folder_is_taken_out_of_train(tmp_path, drawn):
    for i in range(64):
        save(drawn.images[i], tmp_path / ("train" if i < 50 else "test") / EMOTIONS[drawn.emotion[i]] / f"{i}.png")
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
def test_a_bad_file_is_named_and_left_out(split_folder, drawn, spoil, caplog):
    folder = split_folder / "train" / "happy"
    for i in range(3):
        save(drawn.images[i], folder / f"{i}.png")
    name, said = spoil(folder)
    for _ in range(2):  # freshly read, and from the cache
        dataset = PictureFolder(path=split_folder)
        assert len(dataset) == 3
        assert [problem.where for problem in dataset.problems] == [f"train/happy/{name}"]
        assert said in dataset.problems[0].what
        with pytest.raises(UnusableData, match=f"train/happy/{name}"):
            PictureFolder(path=split_folder, strict=True)
    assert caplog.text.count("left out 1 unusable") == 2


def test_a_bad_file_among_good_ones_does_not_shift_them(split_folder, drawn):
    folder = split_folder / "train" / "happy"
    for i in range(6):
        save(drawn.images[i], folder / f"{i}.png")
    (folder / "2.png").write_text("no picture")
    faces = PictureFolder(path=split_folder, size=96).faces(range(5))
    for i, name in enumerate(faces.names):
        number = int(name[-5])
        assert torch.equal(to_uint8(faces.images[i]), to_uint8(drawn.images[number]))


def test_an_empty_class_and_an_unknown_one_are_named(split_folder, drawn):
    save(drawn.images[0], split_folder / "train" / "happy" / "a.png")
    (split_folder / "train" / "sad").mkdir()
    save(drawn.images[0], split_folder / "train" / "bored" / "a.png")
    problems = {p.where: p.what for p in PictureFolder(path=split_folder).problems}
    assert problems["train/sad/"] == "the folder holds no picture"
    assert "'bored' is not the name of an emotion" in problems["train/bored/"]
    with pytest.raises(UnusableData, match="train/bored/"):
        PictureFolder(path=split_folder, strict=True)


def test_nothing_usable_is_missing(tmp_path, drawn):
    with pytest.raises(DatasetMissing, match="no such file"):
        open_dataset("folder", path=tmp_path / "none")
    with pytest.raises(DatasetMissing, match="holds no picture"):
        open_dataset("folder", path=tmp_path)
    (tmp_path / "train" / "sad").mkdir(parents=True)
    (tmp_path / "train" / "sad" / "a.jpg").write_text("text")
    with pytest.raises(ValueError, match="no usable picture in split 'train'"):
        open_dataset("folder", path=tmp_path)


def test_a_changed_picture_is_read_again(split_folder, drawn):
    file = save(drawn.images[0], split_folder / "train" / "happy" / "a.png")
    before = PictureFolder(path=split_folder)[0].images
    image(-drawn.images[0]).save(file)
    assert (PictureFolder(path=split_folder)[0].images + before).abs().max() < 0.02


def test_real_pairs(outside, tmp_path):
    """470 people, each neutral and happy, listed in a csv with who is who."""
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
