"""Images packed in parquet files or in tar files (WebDataset), as Hugging Face serves datasets."""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from facekit.datasets.cache import cached_arrays, file_stamp
from facekit.datasets.pictures import PICTURE_SUFFIXES, list_pictures
from facekit.datasets.records import PackedPicture, Record, split_named
from facekit.datasets.sources import Problems

_VERSION = 1  # of the cached arrays: increase it when the same file is read differently
_SUFFIXES = (".parquet", ".tar")
_IMAGES = ("image", "img", "picture", "jpg", "png")
_LABELS = ("label", "labels", "emotion", "emotions", "expression", "class", "cls", "fine_label")
_CLASS_NAMES = "classnames.txt"
_LARGEST_TEXT = 1 << 16  # bytes of an annotation in a tar file

_Row = tuple[str, bytes, str]
"""Name, bytes of the image file and label (a name, a number or "") of one image."""


def packed_files(root: Path) -> list[Path]:
    """The parquet and tar files in a folder, or the file itself if it is one. None in a folder that holds pictures too:
    there a tar file may be anything."""
    if root.is_file():
        return [root] if root.suffix in _SUFFIXES else []
    files = sorted(file for suffix in _SUFFIXES for file in root.rglob(f"*{suffix}"))
    return [] if files and any(list_pictures(root)) else files


def packed_records(files: Sequence[Path], problems: Problems, label_of: Callable[[str], int]) -> list[Record]:
    """The images in parquet and tar files.

    Splits are those that the name of a file, or of a folder of files, begins with. In parquet files, the image is in a
    column `image` and the label in `label`, `labels` or `emotion`, whose names may be in the schema. In tar files, the
    label of `0001.jpg` is in `0001.cls`, `0001.txt` or `0001.json`, or is the name of its folder; the names of numbers
    may be in a file classnames.txt beside.

    label_of  the index into `EMOTIONS` of a label; raises `ValueError` for one that it does not know
    """
    records, unknown = [], Counter()
    for file in files:
        stored = cached_arrays("packed", [_VERSION, *file_stamp(file), _names_beside(file)], partial(_unpack, file))
        problems.add_array(stored["problems"])
        ends, split = stored["ends"].tolist(), _split(file)
        for i, (name, label) in enumerate(zip(stored["names"].tolist(), stored["labels"].tolist(), strict=True)):
            try:
                index = label_of(label)
            except ValueError as error:
                unknown[str(error)] += 1
                continue
            content = stored["content"][ends[i - 1] if i else 0 : ends[i]]
            picture = PackedPicture(name, content, [*file_stamp(file), i])
            records.append(Record((picture,), f"{file.name}: {name}", index, split=split))
    for error, count in unknown.items():
        problems.add(files[0].parent, f"{count} pictures are left out: {error}")
    return records


def _split(file: Path) -> str | None:
    """The split that a word in the file's name stands for, or its folder's name."""
    words = [*re.split(r"[_\W]+", file.stem), file.parent.name]
    return next((split for word in words if (split := split_named(word))), None)


def _unpack(file: Path, folder: Path) -> None:
    """Write the images of a file as arrays: all bytes, where each image ends, names, labels, problems."""
    problems, names, labels, ends, end = Problems(), [], [], [], 0
    with (folder / "content.bin").open("wb") as content:
        try:
            for name, picture, label in _parquet(file) if file.suffix == ".parquet" else _tar(file):
                end += content.write(picture)
                names.append(name)
                labels.append(label)
                ends.append(end)
        except (OSError, ValueError, KeyError, tarfile.TarError) as error:
            problems.add(file.name, f"the file cannot be read to its end ({error})")
    raw = np.memmap(folder / "content.bin", np.uint8, "r") if end else np.empty(0, np.uint8)
    np.save(folder / "content.npy", raw)
    (folder / "content.bin").unlink()
    np.save(folder / "ends.npy", np.array(ends, np.int64))
    for name, values in (("names", names), ("labels", labels)):
        np.save(folder / f"{name}.npy", np.array(values, np.str_))
    np.save(folder / "problems.npy", problems.to_array())


# --------------------------------------------------------------------------------------------------- parquet


def _parquet(file: Path) -> Iterator[_Row]:
    """Raises `ValueError` for a file without images or labels."""
    import pyarrow.parquet  # slow to import, and most datasets do without

    table = pyarrow.parquet.ParquetFile(file)
    columns = table.schema_arrow.names
    image, label = (next((name for name in known if name in columns), None) for known in (_IMAGES, _LABELS))
    if image is None or label is None:
        raise ValueError(f"it has the columns {', '.join(columns)}; it needs image and label")
    names, number = _schema_names(table.schema_arrow.metadata or {}, label), 0
    for batch in table.iter_batches(batch_size=256, columns=[image, label]):
        for row in batch.to_pylist():
            held = row[image]
            picture, name = (held.get("bytes"), held.get("path")) if isinstance(held, dict) else (held, None)
            if picture is None:
                raise ValueError(f"picture {number} is a path and not in the file: {name}")
            yield name or f"{number}", picture, _named(row[label], names)
            number += 1


def _schema_names(metadata: Mapping[bytes, bytes], label: str) -> list[str]:
    """The names of the classes, which Hugging Face's datasets writes into the schema."""
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    feature = features.get(label) or {}
    return (feature.get("feature") or feature).get("names") or []  # a list of labels has a feature inside


def _named(label: object, names: Sequence[str]) -> str:
    """A label as text: the name of its class if it is known. Of a list with one label, that label."""
    if isinstance(label, list):
        label = label[0] if len(label) == 1 else None
    if label is None:
        return ""
    text = str(label).strip()
    return names[int(text)] if text.isdecimal() and int(text) < len(names) else text


# ------------------------------------------------------------------------------------------------------- tar


def _tar(file: Path) -> Iterator[_Row]:
    """Members with the same name up to the first dot of its last part belong together, and follow each other."""
    names = _names_beside(file)
    with tarfile.open(file) as archive:
        key, parts = None, {}
        for member in archive:
            path = PurePosixPath(member.name)
            stem, _, suffix = path.name.partition(".")
            if not member.isfile() or not stem:
                continue
            if (own := str(path.parent / stem)) != key:
                yield from _sample(key, parts, names)
                key, parts = own, {}
            wanted = f".{suffix.lower()}" in PICTURE_SUFFIXES or member.size <= _LARGEST_TEXT
            parts[suffix.lower()] = archive.extractfile(member).read() if wanted else b""
        yield from _sample(key, parts, names)


def _sample(key: str | None, parts: Mapping[str, bytes], names: Sequence[str]) -> Iterator[_Row]:
    suffix = next((suffix for suffix in parts if f".{suffix}" in PICTURE_SUFFIXES), None)
    if suffix is not None:
        yield f"{key}.{suffix}", parts[suffix], _named(_annotation(key, parts), names)


def _annotation(key: str, parts: Mapping[str, bytes]) -> object:
    for suffix in ("cls", "txt"):
        if suffix in parts:
            return parts[suffix].decode("utf-8", errors="replace").strip()
    if "json" in parts:
        values = json.loads(parts["json"])
        return next((values[name] for name in _LABELS if name in values), None)
    return PurePosixPath(key).parent.name


def _names_beside(file: Path) -> list[str]:
    """The names of the classes in classnames.txt, in the file's folder or the one above."""
    for folder in (file.parent, file.parent.parent):
        if (folder / _CLASS_NAMES).is_file():
            return (folder / _CLASS_NAMES).read_text(encoding="utf-8-sig").split()
    return []
