"""External networks in ONNX files."""

from __future__ import annotations

import os
from pathlib import Path


def open_network(path: str | os.PathLike, *, threads: int | None = None):
    """An onnxruntime session for a file, on a GPU where onnxruntime finds one.

    threads  number of CPU threads; None leaves the choice to onnxruntime

    Raises `FileNotFoundError` where there is no such file, and `ValueError` for a file that is no ONNX network.
    """
    import onnxruntime  # imported here, as it takes a second and is rarely needed

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no ONNX network at {path}")
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=onnxruntime.get_available_providers())
    except Exception as error:  # onnxruntime's errors share no base class of their own
        raise ValueError(f"{path} cannot be read as an ONNX network: {error}") from None
