"""Writing small datasets in the layout of the real ones."""

import csv
import gzip
from contextlib import suppress
from pathlib import Path

from PIL import Image

from facekit.datasets import open_dataset
from facekit.datasets.sources import EmptySplit
from facekit.faces.faces import to_uint8

# Names of the emotions in each dataset.
CK48 = {"angry": "anger", "happy": "happy", "sad": "sadness"}
RAFD = {
    "disgust": "disgusted",
    "fear": "fearful",
    "surprise": "surprised",
    "contempt": "contemptuous",
}
FERG = {"angry": "anger", "happy": "joy", "sad": "sadness"}

CK_PEOPLE = ("S005", "S010", "S011", "S014", "S022", "S026")
CK_CORNER = (200, 150)  # of the face in the 640 x 490 image

AFFECTNET_COLUMNS = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression",
    "valence", "arousal",
)  # fmt: skip

CELEBA_CORNER = (41, 60)  # of the face of 96 pixels in the 178 x 218 image
CELEBA_POINTS = (
    "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
)

LFW_CORNER = (62, 70)  # of the face of 125 pixels in the 250 x 250 image
LFW_PEOPLE = ("Ann_A", "Bob_B", "Cem_C", "Dana_D", "Eve_E", "Finn_F", "Gil_G", "Hana_H")
LFW_PAIRS = (
    "Ann_A\t1\t2", "Bob_B\t3\t4", "Ann_A\t1\tBob_B\t2", "Cem_C\t1\tDana_D\t8",
    "Eve_E\t1\t2", "Finn_F\t3\t4", "Eve_E\t5\tFinn_F\t2", "Gil_G\t1\tHana_H\t8",
)  # fmt: skip


def emotionet_name(i: int) -> str:
    """The file name of the i-th photograph of EmotioNet."""
    return f"N_{i:010d}_00001.jpg"


def emotionet_row(i: int, units: dict[int, float]) -> list[str]:
    """A row of EmotioNet's tables: two addresses and 60 action units, unknown where they are not given."""
    address = f"http://emotionet.example/Images/0001/{emotionet_name(i)}"
    return [address, f"http://elsewhere.example/{i}.jpg", *(str(units.get(unit, 999)) for unit in range(1, 61))]


def image(picture) -> Image.Image:
    """Convert an image (C, H, W) in [-1, 1] to a Pillow image."""
    pixels = to_uint8(picture).numpy()
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def save(picture, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image(picture).save(path, quality=95)
    return path


def write_fer(path: Path, rows, form: str = "fer2013") -> Path:
    """Write rows in the format of `fer2013.csv` or of `icml_face_data.csv`, gzipped if the path ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="") as stream:
        table = csv.writer(stream)
        if form == "fer2013":
            table.writerow(["emotion", "pixels", "Usage"])
            table.writerows(rows)
        else:
            table.writerow(["emotion", " Usage", " pixels"])
            table.writerows([e, u, p] for e, p, u in rows)
    return path


def write_numbers(path: Path, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join("".join(f"   {value:.7e}" for value in row) for row in rows) + "\n")


def open_splits(name: str, path: Path, **options) -> dict:
    """The non-empty splits of a dataset; random splits of a small dataset may be empty."""
    splits = {}
    for split in ("train", "valid", "test"):
        with suppress(EmptySplit):
            splits[split] = open_dataset(name, split, path=path, **options)
    return splits


def all_of(dataset):
    """All faces of a dataset."""
    return dataset.faces(range(len(dataset)))
