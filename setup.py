"""Stops `pip install` on a Python that facekit does not support, before pip downloads anything; pip's own check of
`requires-python` comes after the downloads. Everything else about the package is in pyproject.toml."""

import sys

_VERSION = sys.version_info[:3]
if not (3, 11) <= _VERSION < (3, 15) or _VERSION == (3, 14, 1):
    sys.exit("facekit needs Python 3.11 to 3.14 (not 3.14.1), and this is Python " + ".".join(map(str, _VERSION)))

from setuptools import setup  # noqa: E402

setup()
