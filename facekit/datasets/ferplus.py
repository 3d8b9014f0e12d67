"""FER+: ten people's votes on the emotion of each face of FER-2013, in a table with the same rows.

Source  Barsoum, Zhang, Canton Ferrer & Zhang, *Training deep networks for facial expression recognition with
        crowd-sourced label distribution*, ICMI 2016.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np

from facekit.datasets.base import Problem
from facekit.datasets.sources import Problems
from facekit.datasets.stored import Table
from facekit.datasets.tables import open_table, open_text
from facekit.faces.emotions import EMOTIONS, emotion_index

VOTES = "fer2013new.csv"
"""The name of the table."""

_USAGES = {"train": "training", "valid": "publictest", "test": "privatetest"}
_NO_EMOTION = {"unknown": "unknown", "nf": "no face"}


def with_votes(table: Table, split: str, file: Path, problems: Problems) -> Table:
    """FER-2013's faces with the emotion that has the most votes, and the attribute `votes`, (N, E) shares.

    table  the rows of one split, whose names end with their line in FER-2013's table
    file   the table of votes

    Faces without a majority for an emotion are left out, with one problem that counts them. Raises `ValueError` if the
    table of votes has other rows than FER-2013's.
    """
    votes = _read(file)
    lines = [int(name.rsplit(":", 1)[1]) for name in table.names]
    kept, labels, shares, left_out = [], [], [], Counter()
    for i, line in enumerate(lines):
        usage, emotions, others = votes.get(line, ("", None, {}))
        if usage not in (_USAGES[split], "publictest" if split == "test" else ""):
            raise ValueError(f"{file.name}:{line} is not the row of {table.names[i]}: the tables have different rows")
        if reason := _reason(emotions, others):
            left_out[reason] += 1
            continue
        kept.append(i)
        labels.append(int(emotions.argmax()))
        shares.append(emotions / emotions.sum())
    if left_out:
        counts = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common())
        # Not by `add`: in strict mode this is no error, since nothing is wrong with the file.
        what = f"{left_out.total()} faces of {split} have no emotion by their votes: {counts}"
        problems.append(Problem(file.name, what))
    return dataclasses.replace(
        table,
        rows=table.rows[kept],
        labels=np.array(labels, np.int64),
        names=[table.names[i] for i in kept],
        known={name: values[kept] for name, values in table.known.items()},
        attributes={"votes": np.array(shares, np.float32).reshape(-1, len(EMOTIONS))},
    )


def _read(file: Path) -> dict[int, tuple[str, np.ndarray, dict[str, float]]]:
    """Usage, votes for each emotion (E,) and other votes, by the number of the line."""
    votes = {}
    with open_text(file) as stream:
        table = open_table(stream)
        names = {
            name: emotion_index(name) for name in table.columns if name not in ("usage", "image name", *_NO_EMOTION)
        }
        for line, row in table.rows:
            emotions = np.zeros(len(EMOTIONS))
            try:
                for name, index in names.items():
                    emotions[index] = float(row[name])
                others = {name: float(row[name]) for name in _NO_EMOTION}
            except (KeyError, ValueError) as error:
                raise ValueError(f"{file.name}:{line} is not a row of votes ({error})") from None
            votes[line] = row.get("usage", "").lower(), emotions, others
    return votes


def _reason(emotions: np.ndarray, others: dict[str, float]) -> str | None:
    """Why votes give no emotion, or None."""
    most, other = emotions.max(), max(others, key=others.get)
    if others[other] >= most:
        return _NO_EMOTION[other]
    return "tied" if (emotions == most).sum() > 1 else None
