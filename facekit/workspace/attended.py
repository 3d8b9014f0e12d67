"""Whether a person watches the output of this process."""

from __future__ import annotations

import os
import sys

UNATTENDED = "FACEKIT_UNATTENDED"
"""The environment variable that is set while a program executes notebooks: batch runs, tests, `notebooks execute`."""


def attended() -> bool:
    """Whether the standard error is a terminal, or this is a notebook that a person executes."""
    if UNATTENDED in os.environ:
        return False
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None
