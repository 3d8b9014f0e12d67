"""onnxruntime-web, the library that runs ONNX files in a browser. It comes from npm, in a version that is known."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from facekit.workspace.files import atomic_path
from facekit.workspace.folders import runs_home

VERSION = "1.30.0"
_INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""SHA-512 of the package, in base64, as npm publishes it."""

_ARCHIVE = f"onnxruntime-web-{VERSION}.tgz"
_CODE, _BINARY = "package/dist/ort.wasm.bundle.min.mjs", "package/dist/ort-wasm-simd-threaded.wasm"


class NoRuntime(RuntimeError):
    """onnxruntime-web is missing, or another file than it should be. The message says how to get it."""


class Runtime(NamedTuple):
    """The two files of the library: its module, and the WebAssembly."""

    code: bytes
    binary: bytes


def runtime(archive: Path | None = None) -> Runtime:
    """The library from its npm package.

    archive  a downloaded package; by default one that npm fetched before, or fetches now

    Raises `NoRuntime` where there is no npm, where npm fails, and for a package of other content.
    """
    kept = runs_home() / "cache" / _ARCHIVE
    path = archive or kept
    if archive is None and not kept.exists():
        _fetch(kept)
    if not path.is_file():
        raise NoRuntime(f"there is no {path}")
    found = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if found != _INTEGRITY:
        raise NoRuntime(f"{path} is not the package onnxruntime-web {VERSION}: its content differs; delete it")
    with tarfile.open(path) as package:
        return Runtime(*(package.extractfile(name).read() for name in (_CODE, _BINARY)))


def _fetch(target: Path) -> None:
    """Fetch the package by npm, which needs the network once."""
    npm = shutil.which("npm")
    if npm is None:
        raise NoRuntime(
            f"the page needs onnxruntime-web {VERSION} from npm, and npm is not installed: install Node.js, or "
            f"download the package elsewhere (npm pack onnxruntime-web@{VERSION}) and name it by --runtime"
        )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [npm, "pack", "--silent", f"onnxruntime-web@{VERSION}"], cwd=folder, capture_output=True, text=True
        )
        if done.returncode:
            reason = " ".join(done.stderr.split())[-300:]
            raise NoRuntime(f"npm could not fetch onnxruntime-web {VERSION}: {reason}")
        with atomic_path(target) as draft:
            shutil.copyfile(Path(folder) / _ARCHIVE, draft)
