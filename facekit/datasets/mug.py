"""MUG: clips of 86 people in even light, each from neutral to the peak of an emotion and back.

Source  Aifanti, Papachristou & Delopoulos, *The MUG facial expression database*, WIAMIS 2010.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facekit.datasets.clips import Clip, ClipFaces, read_clip
from facekit.datasets.sources import Problems, Source
from facekit.faces.emotions import emotion_index

SOURCE = Source(
    name="mug",
    title="MUG",
    address="https://mug.ee.auth.gr/fed/",
    terms="for research, by a signed agreement; the pictures of 52 people may be shown in print",
    layout="mug/subjects3/001/anger/take000/img_0000.jpg ...\n"
    "mug/subjects3/001/session0/anger/take000/img_0000.jpg ... (takes that end in `end` are the way back)",
)

_TO_PEAK = 0.5
"""Share of a take that leads to the peak; the second half leads back to neutral (P4 §4)."""


class MUG(ClipFaces):
    """MUG. Of each take the first half is used, from neutral to the peak. Where the way back is a take of its own,
    whose name ends in `end`, that one is skipped, and the other is used whole.

    Folders of mixed emotions (`mixed`, `all`) are skipped. Arguments are those of `ClipFaces`.
    """

    name = "mug"
    source = SOURCE

    def _clips(self, root: Path, problems: Problems) -> Iterator[Clip]:
        folders = sorted(path for path in root.glob("**/*") if path.is_dir() and _is_take(path))
        halves = {str(path).removesuffix("end") for path in folders if path.name.endswith("end")}
        for folder in folders:
            if folder.name.endswith("end") or folder.parent.name in ("mixed", "all"):
                continue
            above = folder.parent.parent
            person = above.parent.name if above.name.startswith("session") else above.name
            try:
                share = 1.0 if str(folder) in halves else _TO_PEAK
                yield read_clip(root, folder, person, folder.parent.name, share)
            except ValueError as error:
                problems.add(folder.relative_to(root).as_posix(), error)


def _is_take(folder: Path) -> bool:
    """Whether a folder is inside one that is named after an emotion, and may contain frames."""
    if folder.name.startswith("take"):
        return True
    try:
        emotion_index(folder.parent.name)
    except ValueError:
        return False
    return True
