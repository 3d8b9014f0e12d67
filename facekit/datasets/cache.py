"""Arrays that took long to make, kept on disk: made once, checked when opened, made again where damaged."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from facekit.datasets.sources import data_home

logger = logging.getLogger("facekit.datasets")

_MANIFEST = "manifest.json"
_CHUNK = 1 << 24


def cache_home() -> Path:
    """Where caches lie: FACEKIT_CACHE, or `cache` in `data_home()`."""
    return Path(os.environ.get("FACEKIT_CACHE") or data_home() / "cache")


def cached_arrays(name: str, key: object, make: Callable[[Path], None]) -> dict[str, np.ndarray]:
    """The arrays that `make(folder)` writes as `.npy` files, memory-mapped, by file name without its ending.

    name    a word that starts the cache folder's name, for people
    key     all that the arrays depend on, as JSON; another key is another cache
    make    called only where no whole and undamaged cache is there (a damaged one is replaced with a notice)

    Where the cache cannot be written, the arrays are made in a temporary folder and read into memory.
    """
    folder = cache_home() / f"{name}-{_digest(key)}"
    if folder.exists():
        if (fault := _fault(folder)) is None:
            return _open(folder, mmap_mode="r")
        logger.warning("the cache %s is damaged (%s) and is made again", folder, fault)
        shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = folder.with_name(f".{folder.name}-{os.getpid()}")
        staging.mkdir()
    except OSError as error:
        logger.warning("nothing can be kept in %s (%s), so it is made each time", folder.parent, error.strerror)
        with tempfile.TemporaryDirectory() as scratch:
            make(Path(scratch))
            return _open(Path(scratch), mmap_mode=None)
    try:
        make(staging)
        _seal(staging, key)
        if not folder.exists():  # another process may have been faster, with the same result
            staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return _open(folder, mmap_mode="r")


def file_stamp(path: Path) -> list:
    """What tells whether a file has changed: its path, size and time of change. For a cache's key."""
    stat = path.stat()
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns]


def _digest(key: object) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def _open(folder: Path, mmap_mode: str | None) -> dict[str, np.ndarray]:
    return {file.stem: np.load(file, mmap_mode=mmap_mode) for file in sorted(folder.glob("*.npy"))}


def _seal(folder: Path, key: object) -> None:
    sums = {file.name: _checksum(file) for file in folder.glob("*.npy")}
    (folder / _MANIFEST).write_text(json.dumps({"files": sums, "key": key}, indent=1))


def _fault(folder: Path) -> str | None:
    """What is wrong with a cache, or None."""
    try:
        sums = json.loads((folder / _MANIFEST).read_text())["files"]
        damaged = [name for name, checksum in sums.items() if _checksum(folder / name) != checksum]
    except (OSError, ValueError, KeyError) as error:
        return str(error)
    return f"checksum of {', '.join(damaged)}" if damaged else None


def _checksum(file: Path) -> int:
    checksum = 0
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    return checksum
