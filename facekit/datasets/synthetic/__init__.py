"""Faces drawn by rule: the embedded data set, with the true answer to every edit."""

from facekit.datasets.synthetic.dataset import SyntheticFaces
from facekit.datasets.synthetic.identity import AGE_GROUPS, BEARDS, CHARACTERS, GLASSES, HAIR_STYLES, Identity
from facekit.datasets.synthetic.render import RENDERER_VERSION, render
from facekit.datasets.synthetic.view import View

__all__ = [
    "AGE_GROUPS",
    "BEARDS",
    "CHARACTERS",
    "GLASSES",
    "HAIR_STYLES",
    "RENDERER_VERSION",
    "Identity",
    "SyntheticFaces",
    "View",
    "render",
]
