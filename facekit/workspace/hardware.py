"""The software versions and the machine that a result was computed with."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


PRECISIONS = ("auto", "float32", "bfloat16")
"""Of networks, by name. "auto" is bfloat16 where the device computes in it natively; elsewhere it is float32."""


def describe() -> dict[str, str]:
    """Versions and properties of the machine, by name.

    >>> list(describe())
    ['facekit', 'Python', 'PyTorch', 'system', 'processor', 'cores', 'GPU']
    """
    import torch

    import facekit

    return {
        "facekit": facekit.__version__,
        "Python": platform.python_version(),
        "PyTorch": torch.__version__,
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }


def fastest_device() -> torch.device:
    """The GPU if there is one, else the CPU. `ACCELERATE_USE_CPU=1` leaves a GPU unused, as in training."""
    import torch
    from accelerate.utils import parse_flag_from_env

    if parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available():
        return torch.device("cpu")
    return torch.accelerator.current_accelerator()


@functools.cache
def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 natively. Elsewhere it is emulated, and much slower than float32."""
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        features = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch lack it
        return any(features.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
    return False


def dtype_named(precision: str, device: torch.device) -> torch.dtype:
    """`torch.float32` or `torch.bfloat16`, by the name of a precision, on a device. Raises `ValueError` for another
    name."""
    import torch

    if precision not in PRECISIONS:
        raise ValueError(f"the precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
    if precision == "auto":
        precision = "bfloat16" if computes_bfloat16(device) else "float32"
    return getattr(torch, precision)


def _processor() -> str:
    # On Linux, platform.processor() is often empty.
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
