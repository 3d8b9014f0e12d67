"""What a run leaves behind: its folder, and the metrics that it publishes there."""

from __future__ import annotations

import os
from pathlib import Path


def checkout() -> Path:
    """The folder that holds `notebooks/`, `data/` and `runs/`: the checkout, or the current folder without one."""
    root = Path(__file__).parents[2]
    return root if (root / "pyproject.toml").exists() else Path.cwd()


def data_home() -> Path:
    """The folder in which each dataset is looked for under its name: `FACEKIT_DATA`, or `data` in the checkout."""
    home = os.environ.get("FACEKIT_DATA")
    return Path(home).expanduser() if home else checkout() / "data"


def runs_home() -> Path:
    """The folder that holds what runs write: FACEKIT_RUNS, or the checkout's `runs`."""
    return Path(os.environ.get("FACEKIT_RUNS") or checkout() / "runs").expanduser()


def run_dir() -> Path:
    """The folder that the run going on may write in; it exists.

    A batch run names it in `FACEKIT_RUN_DIR`. A notebook that a person runs by hand has `runs/interactive`.
    """
    folder = Path(os.environ.get("FACEKIT_RUN_DIR") or runs_home() / "interactive")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
