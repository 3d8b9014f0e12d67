"""facekit: teaching how machines generate facial expressions.

The rooms, in the order in which they may import one another:
`emotions`, `expression`, `faces`, `datasets`, `layers`, `losses`, `diffusion`, `weights`, `models`,
`training`, `evaluation`, `show`, `batch` and `cli`.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facekit.emotions import ACTION_UNITS, EMOTIONS
    from facekit.expression import Expression
    from facekit.faces import Faces

__version__ = "0.1.0"
__all__ = ["ACTION_UNITS", "EMOTIONS", "Expression", "Faces", "__version__"]

_ROOMS = {
    "ACTION_UNITS": "facekit.emotions",
    "EMOTIONS": "facekit.emotions",
    "Expression": "facekit.expression",
    "Faces": "facekit.faces",
}


def __getattr__(name: str):
    # On first use (PEP 562): the command line and the batch runner start without the seconds that torch takes.
    if name not in _ROOMS:
        raise AttributeError(f"module 'facekit' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS[name]), name)
