"""The folders that facekit reads and writes."""

from __future__ import annotations

import os
import site
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def is_checkout() -> bool:
    """Whether facekit runs in a checkout of its repository, and not from an installed package."""
    return (_ROOT / "pyproject.toml").exists()


def checkout() -> Path:
    """The folder with `notebooks/`, `data/` and `runs/`: the checkout, or the current folder if there is none."""
    return _ROOT if is_checkout() else Path.cwd()


def shipped() -> Path:
    """The folder with the `data` and the `notebooks` that come with facekit: the checkout, or, where facekit was
    installed from a wheel, a folder of the package, which may be read-only."""
    return _ROOT if is_checkout() else Path(__file__).parents[1] / "shipped"


def child_environment() -> dict[str, str]:
    """The environment of child processes of Python, which find facekit as this one does.

    Hosted notebooks often put a checkout on `sys.path` instead of installing it; children do not inherit that.
    """
    if str(_ROOT) in (*site.getsitepackages(), site.getusersitepackages()):
        return dict(os.environ)
    paths = (os.environ.get("PYTHONPATH"), str(_ROOT))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def data_home() -> Path:
    """The folder that holds each dataset in a subfolder of its name: `FACEKIT_DATA`, or `data` in the checkout."""
    home = os.environ.get("FACEKIT_DATA")
    return Path(home).expanduser() if home else checkout() / "data"


def runs_home() -> Path:
    """The folder for the outputs of runs: `FACEKIT_RUNS`, or `runs` in the checkout."""
    return Path(os.environ.get("FACEKIT_RUNS") or checkout() / "runs").expanduser()


def run_dir() -> Path:
    """The output folder of the current run, which is created if needed.

    Batch runs set it in `FACEKIT_RUN_DIR`. Notebooks that are executed interactively use `runs/interactive`.
    """
    folder = Path(os.environ.get("FACEKIT_RUN_DIR") or runs_home() / "interactive")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
