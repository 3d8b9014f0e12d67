"""Whether a person watches."""

import sys
from types import SimpleNamespace

import pytest

from facekit.workspace.attended import UNATTENDED, attended


@pytest.mark.parametrize(
    ("terminal", "kernel", "program", "expected"),
    [
        (True, False, False, True),
        (False, True, False, True),
        (False, False, False, False),
        (False, True, True, False),
        (True, False, True, False),
    ],
)
def test_a_terminal_and_a_notebook_are_watched_unless_a_program_executes_it(
    monkeypatch, terminal, kernel, program, expected
):
    shell = SimpleNamespace(kernel=object()) if kernel else None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: terminal))
    monkeypatch.delenv(UNATTENDED, raising=False)
    if program:
        monkeypatch.setenv(UNATTENDED, "1")
    assert attended() is expected
