"""The folders that facekit reads and writes, and how child processes find facekit."""

import subprocess
import sys

import facekit
from facekit.workspace import folders

# -S: without site-packages, in which this environment may name the checkout
_WHERE = [sys.executable, "-S", "-c", "from importlib.util import find_spec; print(find_spec('facekit').origin)"]


def test_child_processes_find_facekit_where_it_is_on_sys_path_only(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    environment = folders.child_environment()
    found = subprocess.run(_WHERE, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.stdout.strip() == facekit.__file__, found.stderr
    assert environment["PYTHONPATH"].startswith(str(tmp_path))  # the user's own folders come first


def test_an_installed_facekit_needs_no_path(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(folders.site, "getsitepackages", lambda: [str(folders._ROOT)])
    assert "PYTHONPATH" not in folders.child_environment()
