"""facekit: teaching how machines generate facial expressions.

The rooms, in the order in which they may import one another:
`emotions`, `expression`, `faces`, `datasets`, `layers`, `losses`, `diffusion`, `weights`, `models`,
`training`, `evaluation`, `show`, `batch` and `cli`.
"""

from facekit.emotions import ACTION_UNITS, EMOTIONS
from facekit.expression import Expression
from facekit.faces import Faces

__version__ = "0.1.0"
__all__ = ["ACTION_UNITS", "EMOTIONS", "Expression", "Faces", "__version__"]
