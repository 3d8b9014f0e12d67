"""RAF-DB: 15,339 faces from the web with one of seven emotions, each the vote of about forty annotators.

Source  Li, Deng & Du, *Reliable crowdsourcing and deep locality-preserving learning for expression recognition in the
        wild*, CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facekit.datasets.folder import by_emotion
from facekit.datasets.pictures import list_pictures
from facekit.datasets.records import Record, RecordedFaces
from facekit.datasets.sources import Problems, Source, first_existing
from facekit.faces.emotions import dataset_code_to_index

SOURCE = Source(
    name="rafdb",
    title="RAF-DB",
    address="http://www.whdeld.cn/s/RAF/model1.html",
    terms="for non-commercial research, by a request with an academic address",
    layout="rafdb/basic/EmoLabel/list_patition_label.txt with basic/Image/aligned/train_00001_aligned.jpg\n"
    "rafdb/{train,test}/{1,...,7}/*.jpg (copies; also in DATASET)",
)

_LISTS = tuple(f"{home}list_patition_label.txt" for home in ("basic/EmoLabel/", "EmoLabel/", ""))
_COPIES = ("DATASET", ".")


class RAFDB(RecordedFaces):
    """RAF-DB's basic emotions, from the owners' list or from folders that are numbered by emotion.

    split       the owners' train and test; valid is 10 % of train
    path        the folder of `basic`, of the list, or of train and test; by default `data_home() / "rafdb"`

    Other arguments are those of `RecordedFaces`. The aligned images (100 x 100 pixels) are used where they are.
    """

    name = "rafdb"
    source = SOURCE

    def _records(self, root: Path, problems: Problems) -> Iterator[Record]:
        table = first_existing(root, _LISTS)
        if table is None:
            yield from by_emotion(first_existing(root, _COPIES), problems, codes=SOURCE.name)
            return
        pictures = {file.stem: file for file in list_pictures(root)}
        for number, line in enumerate(table.read_text(encoding="utf-8-sig").splitlines(), start=1):
            try:
                if line.strip():
                    yield _record(line.split(), pictures)
            except ValueError as error:
                problems.add(f"{table.name}:{number}", error)


def _record(words: list[str], pictures: dict[str, Path]) -> Record:
    """The face of a line such as "train_00001.jpg 5"."""
    if len(words) != 2 or not words[1].isdecimal():
        raise ValueError(f"{' '.join(words)!r} is not of the form 'train_00001.jpg 5'")
    stem, split = Path(words[0]).stem, words[0].split("_")[0]
    file = pictures.get(f"{stem}_aligned") or pictures.get(stem)
    if file is None:
        raise ValueError(f"there is no picture {stem}_aligned.jpg or {stem}.jpg")
    if split not in ("train", "test"):
        raise ValueError(f"{words[0]} begins with neither train_ nor test_")
    return Record((file,), file.name, dataset_code_to_index(SOURCE.name, int(words[1])), split=split)
