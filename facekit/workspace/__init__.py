"""The workspace: its folders, atomically written files, published metrics, Markdown templates and the machine."""

from facekit.workspace.folders import checkout, data_home, run_dir, runs_home
from facekit.workspace.metrics import publish

__all__ = ["checkout", "data_home", "publish", "run_dir", "runs_home"]
