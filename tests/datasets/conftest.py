"""Small datasets in the layout of the real ones, rendered by `SyntheticFaces`; helper functions are in `trees.py`."""

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from trees import (
    AFFECTNET_COLUMNS,
    CELEBA_CORNER,
    CELEBA_POINTS,
    CK48,
    CK_CORNER,
    CK_PEOPLE,
    FERG,
    LFW_CORNER,
    LFW_PAIRS,
    LFW_PEOPLE,
    RAFD,
    emotionet_name,
    emotionet_row,
    image,
    save,
    write_numbers,
)

from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.action_units import ACTION_UNITS, action_unit_columns
from facekit.faces.emotions import DATASET_LABELS, EMOTIONS
from facekit.faces.faces import Faces, to_uint8


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def rendered() -> Faces:
    """Eight people with all eight emotions each, 96 pixels, RGB."""
    dataset = SyntheticFaces("train", people=8, faces_per_person=8, size=96, emotions=EMOTIONS)
    return dataset.faces(range(len(dataset)))


@pytest.fixture(scope="session")
def moving() -> Faces:
    """Sequences of five frames from neutral to the peak: six people, two emotions each."""
    dataset = SyntheticFaces(
        "train", people=6, faces_per_person=2, size=96, channels=1, emotions=EMOTIONS, frames=5, until="apex"
    )
    return dataset.faces(range(len(dataset)))


@pytest.fixture
def fer_rows(rendered):
    """Rows (emotion, pixels, Usage) of a small FER-2013: 40 Training, 12 PublicTest, 12 PrivateTest."""
    small = rendered.gray().resized(48)
    pixels = to_uint8(small.images).flatten(1).tolist()
    usages = ["Training"] * 40 + ["PublicTest"] * 12 + ["PrivateTest"] * 12
    labels = [DATASET_LABELS["fer2013"].index(EMOTIONS[e]) if e < 7 else 6 for e in small.emotion.tolist()]
    return [[str(e), " ".join(map(str, p)), u] for e, p, u in zip(labels, pixels, usages, strict=True)]


@pytest.fixture
def by_emotion_tree(rendered, tmp_path):
    """<root>/<emotion>/<person>_<i>.png, 64 images."""
    for i in range(len(rendered)):
        name = EMOTIONS[rendered.emotion[i]]
        save(rendered.images[i], tmp_path / "faces" / name / f"p{rendered.person[i]}_{i}.png")
    return tmp_path / "faces"


@pytest.fixture
def ckplus_tree(ckplus_template, tmp_path):
    """CK+ in its official layout: twelve sequences of five frames, ten of them with an emotion."""
    return shutil.copytree(ckplus_template, tmp_path / "ckplus")


@pytest.fixture(scope="session")
def ckplus_template(moving, tmp_path_factory):
    root = tmp_path_factory.mktemp("ckplus")
    for i in range(len(moving)):
        person, number = CK_PEOPLE[i // 2], f"{i % 2 + 1:03d}"
        stem = f"{person}_{number}_{{:08d}}"
        for t in range(5):
            canvas = Image.new("L", (640, 490), 90)
            canvas.paste(image(moving.images[i, t]).resize((192, 192), Image.Resampling.BICUBIC), CK_CORNER)
            frame = root / "cohn-kanade-images" / person / number / f"{stem.format(t + 1)}.png"
            frame.parent.mkdir(parents=True, exist_ok=True)
            canvas.save(frame)
            points = (moving.landmarks[i, t].numpy() + 1) * 96 + CK_CORNER
            write_numbers(root / "Landmarks" / person / number / f"{stem.format(t + 1)}_landmarks.txt", points)
        (root / "cohn-kanade-images" / person / number / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        scores = [
            (unit.number, 0 if unit.number == 25 else round(5 * intensity))
            for unit in ACTION_UNITS
            if round(5 * (intensity := moving.action_units[i, -1, action_unit_columns(unit.number)[0]].item())) > 0
        ]
        write_numbers(root / "FACS" / person / number / f"{stem.format(5)}_facs.txt", [*scores, (38, 3)])
        (root / "Emotion" / person / number).mkdir(parents=True)
        if i < 10:
            code = DATASET_LABELS["ckplus"].index(EMOTIONS[moving.emotion[i]])
            write_numbers(root / "Emotion" / person / number / f"{stem.format(5)}_emotion.txt", [(code,)])
    return root


@pytest.fixture
def ck48_tree(rendered, tmp_path):
    """CK+ as folders of 48 x 48 pixel images by emotion, without neutral."""
    root, small = tmp_path / "CK+48", rendered.gray().resized(48)
    for i in range(len(small)):
        name = EMOTIONS[small.emotion[i]]
        if name != "neutral":
            person = f"S{100 + int(small.person[i]) % 100}"
            save(small.images[i], root / CK48.get(name, name) / f"{person}_00{i % 5}_000000{10 + i % 9}.png")
    return root


@pytest.fixture
def ferg_tree(ferg_template, tmp_path):
    """FERG-DB: six characters, seven emotions, two images of each."""
    return shutil.copytree(ferg_template, tmp_path / "ferg")


@pytest.fixture(scope="session")
def ferg_template(tmp_path_factory):
    dataset = SyntheticFaces("train", people=6, faces_per_person=7, size=48, domain="cartoon")
    faces, root = dataset.faces(range(len(dataset))), tmp_path_factory.mktemp("ferg")
    characters = ("aia", "bonnie", "jules", "malcolm", "mery", "ray")
    people = faces.person.unique().tolist()
    for i in range(len(faces)):
        character = characters[people.index(int(faces.person[i]))]
        emotion = FERG.get(name := EMOTIONS[faces.emotion[i]], name)
        for copy in range(2):
            name = f"{character}_{emotion}_{i * 2 + copy}.png"
            save(faces.images[i], root / "FERG_DB_256" / character / f"{character}_{emotion}" / name)
    return root


@pytest.fixture
def rafd_tree(rendered, tmp_path):
    """RaFD: eight people and eight emotions from the front, and one person also from the side."""
    root = tmp_path / "rafd"
    people = rendered.person.unique().tolist()
    for i in range(len(rendered)):
        model = people.index(int(rendered.person[i])) + 1
        emotion = RAFD.get(name := EMOTIONS[rendered.emotion[i]], name)
        group = "Kid_male" if model == 8 else "Caucasian_female"
        gaze = ("left", "frontal", "right")[i % 3]
        canvas = Image.new("RGB", (136, 204), "white")
        canvas.paste(image(rendered.images[i]), (20, 54))
        root.mkdir(exist_ok=True)
        canvas.save(root / f"Rafd090_{model:02d}_{group}_{emotion}_{gaze}.jpg", quality=95)
        if model == 1:
            canvas.save(root / f"Rafd180_{model:02d}_{group}_{emotion}_{gaze}.jpg", quality=95)
    return root


@pytest.fixture
def affectnet_arrays(rendered, tmp_path):
    """The later release of AffectNet: 48 training and 16 validation images, one of each uncertain (code 9)."""
    root = tmp_path / "affectnet"
    for i in range(len(rendered)):
        folder = root / ("train_set" if i < 48 else "val_set")
        save(rendered.images[i], folder / "images" / f"{i}.jpg")
        (folder / "annotations").mkdir(exist_ok=True)
        code = 9 if i in (0, 48) else DATASET_LABELS["affectnet"].index(EMOTIONS[rendered.emotion[i]])
        affect = -2.0 if code == 9 else round(np.sin(i), 3)
        annotations = {"exp": np.array(str(code)), "val": np.array(str(affect)), "aro": np.array(str(affect))}
        annotations["lnd"] = ((rendered.landmarks[i].numpy() + 1) * 48).reshape(136)
        for kind, value in annotations.items():
            np.save(folder / "annotations" / f"{i}_{kind}.npy", value)
    return root


@pytest.fixture
def affectnet_tables(rendered, tmp_path):
    """The first release of AffectNet: tables of 48 and 16 rows, and images in numbered folders."""
    root = tmp_path / "affectnet"
    for name, rows in (("training.csv", range(48)), ("validation.csv", range(48, 64))):
        table = root / "Manually_Annotated_file_lists" / name
        table.parent.mkdir(parents=True, exist_ok=True)
        with table.open("w", newline="") as stream:
            out = csv.writer(stream)
            out.writerow(AFFECTNET_COLUMNS)
            for i in rows:
                save(rendered.images[i], root / "Manually_Annotated_Images" / str(i % 3) / f"{i:04x}.jpg")
                code = DATASET_LABELS["affectnet"].index(EMOTIONS[rendered.emotion[i]])
                points = ((rendered.landmarks[i].numpy() + 1) * 48).reshape(136)
                landmarks = ";".join(f"{value:.2f}" for value in points)
                out.writerow([f"{i % 3}/{i:04x}.jpg", 0, 0, 96, 96, landmarks, code, 0.25, -0.5])
    return root


@pytest.fixture
def emotionet_photographs(rendered, tmp_path):
    """The photographs of EmotioNet, in two folders, without annotations."""
    root = tmp_path / "emotionet"
    for i in range(len(rendered)):
        save(rendered.images[i], root / "photographs" / f"{i % 2:04d}" / emotionet_name(i))
    return root


@pytest.fixture
def emotionet_tree(emotionet_photographs):
    """EmotioNet with a table of presence: AU12 is present in every second row, AU1 unknown in every third."""
    rows = [emotionet_row(i, {12: i % 2, 1: 999 if i % 3 == 0 else 1, 60: 1}) for i in range(64)]
    (emotionet_photographs / "dataFile_0001.txt").write_text("\n".join("\t".join(row) for row in rows) + "\n")
    return emotionet_photographs


@pytest.fixture
def celeba_tree(rendered, tmp_path):
    """CelebA in the owners' folders: 64 photographs of eight people, with all four tables."""
    root, names = tmp_path / "celeba", [f"{i + 1:06d}.jpg" for i in range(len(rendered))]
    people = rendered.person.unique().tolist()
    attributes, identity, partition, landmarks = [], [], [], []
    for i, name in enumerate(names):
        canvas = Image.new("RGB", (178, 218), "grey")
        canvas.paste(image(rendered.images[i]), CELEBA_CORNER)
        (root / "Img" / "img_align_celeba").mkdir(parents=True, exist_ok=True)
        canvas.save(root / "Img" / "img_align_celeba" / name, quality=95)
        points = (rendered.landmarks[i].numpy() + 1) * 48 + CELEBA_CORNER
        # Here the left eye is the person's.
        five = np.stack([points[42:48].mean(0), points[36:42].mean(0), points[30], points[48], points[54]])
        person = people.index(int(rendered.person[i]))
        attributes.append([name, "1" if i % 2 else "-1", "-1"])
        identity.append([name, str(1000 + person)])
        partition.append([name, str(max(0, person - 5))])
        landmarks.append([name, *(f"{value:.2f}" for value in five.flatten())])
    heads = {"list_attr_celeba": "Smiling 5_o_Clock_Shadow", "list_landmarks_align_celeba": CELEBA_POINTS}
    tables = {
        "Anno/list_attr_celeba": attributes, "Anno/identity_CelebA": identity,
        "Eval/list_eval_partition": partition, "Anno/list_landmarks_align_celeba": landmarks,
    }  # fmt: skip
    for path, rows in tables.items():
        head = heads.get(Path(path).name)
        lines = [*([str(len(rows)), head] if head else []), *("  ".join(row) for row in rows)]
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).with_suffix(".txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def lfw_tree(rendered, tmp_path):
    """LFW: eight people with eight photographs each, and two folds of four pairs."""
    root = tmp_path / "lfw"
    people = rendered.person.unique().tolist()
    for i in range(len(rendered)):
        person = LFW_PEOPLE[people.index(int(rendered.person[i]))]
        canvas = Image.new("RGB", (250, 250), "grey")
        canvas.paste(image(rendered.images[i]).resize((125, 125)), LFW_CORNER)
        file = root / "lfw_funneled" / person / f"{person}_{i % 8 + 1:04d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        canvas.save(file, quality=95)
    (root / "pairs.txt").write_text("\n".join(["2\t2", *LFW_PAIRS]) + "\n")
    return root
