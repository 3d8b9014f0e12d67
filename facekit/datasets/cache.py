"""A cache on disk for arrays that take long to compute: verified when opened, and computed again if damaged."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from facekit.workspace.files import atomic_path, read_json, remove, write_json
from facekit.workspace.folders import data_home

logger = logging.getLogger("facekit.datasets")

_SUMS = "checksums.json"
_CHUNK = 1 << 24


def cache_home() -> Path:
    """The folder of all caches: `FACEKIT_CACHE`, or `cache` in `data_home()`. It may be deleted at any time."""
    return Path(os.environ.get("FACEKIT_CACHE") or data_home() / "cache").expanduser()


def cached_arrays(
    name: str, key: object, make: Callable[[Path], None], home: Path | None = None
) -> dict[str, np.ndarray]:
    """The arrays that `make(folder)` writes as `.npy` files, mapped into memory, by file name without suffix.

    name    the start of the name of the cache's folder
    key     everything that the arrays depend on, as JSON; another key is another cache
    make    called only if there is no complete and undamaged cache; a damaged one is replaced, with a warning
    home    the folder of all caches; by default `cache_home()`

    If the cache cannot be written, the arrays are loaded into memory, with a warning.
    """
    folder = (home or cache_home()) / f"{name}-{_digest(key)}"
    if folder.exists():
        if (fault := _fault(folder)) is None:
            return _open(folder)
        logger.warning("the cache %s is damaged (%s) and is computed again", folder, fault)
        remove(folder)
    if fault := _not_writable(folder.parent):
        logger.warning("no cache can be written to %s (%s); its arrays are computed each time", folder.parent, fault)
        with tempfile.TemporaryDirectory() as scratch:
            make(Path(scratch))
            return {array: np.array(values) for array, values in _open(Path(scratch)).items()}
    try:
        with atomic_path(folder) as draft:
            draft.mkdir()
            make(draft)
            write_json(draft / _SUMS, {file.name: _checksum(file) for file in draft.glob("*.npy")})
    except OSError:
        if not folder.exists():  # otherwise another process has just written the same arrays
            raise
    return _open(folder)


def file_stamp(path: Path) -> list:
    """Path, size and modification time of a file, for the key of a cache that depends on it."""
    stat = path.stat()
    return [str(path.absolute()), stat.st_size, stat.st_mtime_ns]


def folder_stamp(folder: Path) -> list:
    """The same for all files directly in a folder; a million files take some seconds."""
    digest = hashlib.sha256()
    for file in sorted(os.scandir(folder), key=lambda file: file.name):
        stat = file.stat()
        digest.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return [str(folder.absolute()), digest.hexdigest()]


def _digest(key: object) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def _open(folder: Path) -> dict[str, np.ndarray]:
    return {file.stem: np.load(file, mmap_mode="r") for file in sorted(folder.glob("*.npy"))}


def _not_writable(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror


def _fault(folder: Path) -> str | None:
    """The defect of a cache, or None."""
    try:
        damaged = [name for name, checksum in read_json(folder / _SUMS).items() if _checksum(folder / name) != checksum]
    except (OSError, ValueError, AttributeError) as error:
        return str(error)
    return f"the checksum of {', '.join(damaged)} differs" if damaged else None


def _checksum(file: Path) -> int:
    checksum = 0
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    return checksum
