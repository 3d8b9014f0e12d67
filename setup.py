"""Stops `pip install` on a Python that facekit does not support, before pip downloads anything; pip's own check of
`requires-python` comes after the downloads. Everything else about the package is in pyproject.toml."""

import sys

_VERSION = sys.version_info[:3]
if not (3, 11) <= _VERSION < (3, 15) or _VERSION == (3, 14, 1):
    sys.exit("facekit needs Python 3.11 to 3.14 (not 3.14.1), and this is Python " + ".".join(map(str, _VERSION)))

import shutil  # noqa: E402
from pathlib import Path  # noqa: E402

from setuptools import setup  # noqa: E402
from setuptools.command.build_py import build_py  # noqa: E402

SHIPPED = ("data/weights", "data/results", "data/experiments", "notebooks")


class BuildWithCourse(build_py):
    """Puts weights, recorded results and notebooks into a wheel, where `facekit.workspace.folders.shipped` finds them.
    An editable installation uses those of the checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        root, package = Path(__file__).parent, Path(self.build_lib) / "facekit" / "shipped"
        for folder in SHIPPED:
            hidden = shutil.ignore_patterns(".*")
            shutil.copytree(root / folder, package / folder, ignore=hidden, dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithCourse})
