"""Files and folders that are written atomically: completely or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DRAFT = re.compile(r"\..+-[0-9a-f]{16}(\.[^.]+)?")


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path` for a file or a folder, which replaces `path` when the block ends.

    Other processes, also after a crash, see the old content or the new, never a part of it. If the block raises, the
    temporary file is removed and `path` stays unchanged. The temporary name starts with a dot and keeps the ending. A
    folder cannot replace a folder that is not empty.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "greeting.txt"
    >>> with atomic_path(target) as draft:
    ...     _ = draft.write_text("hello")
    >>> target.read_text()
    'hello'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}-{secrets.token_hex(8)}{path.suffix}")  # matched by _DRAFT
    try:
        yield draft
        draft.replace(path)
    except BaseException:
        remove(draft)
        raise


def remove_drafts(folder: Path) -> None:
    """Remove temporary files that killed processes left. No other process may be writing into the folder."""
    for path in folder.glob(".*-*"):
        if _DRAFT.fullmatch(path.name):
            remove(path)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file in UTF-8 atomically."""
    with atomic_path(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value: object) -> None:
    """Write a value as indented JSON atomically. Raises `ValueError` for NaN and infinity, which JSON lacks."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike) -> object:
    """Read a JSON file in UTF-8."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's content as hexadecimal digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remove(path: Path) -> None:
    """Remove a file or a folder with its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
