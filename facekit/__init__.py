"""facekit: teaching how machines generate facial expressions.

The rooms, each of which imports only from those above it:

    workspace   folders, files, published metrics, the machine
    faces       emotions, action units, landmarks, `Expression`, `Faces`, augmentation
    layers      blocks of networks
    losses      losses as functions of tensors
    diffusion   noise schedules, samplers, guidance
    weights     safetensors with a card, and what ships
    datasets    SyntheticFaces and the real datasets
    models      the contract, then a room for each family: judges, autoencoders, gans, diffusion,
                editors, video
    training    profiles, the training loop, checkpoints
    evaluation  metrics, the benchmark, experiments, the data and model cards
    show        figures, animations, sliders, the studio of the notebooks
    studio      the studio as a web page, served or as static files
    batch       papermill runs and their page, copies for a course, slides
    cli         the command line
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facekit.faces import ACTION_UNITS, EMOTIONS, Expression, Faces

__version__ = "0.1.0"
__all__ = ["ACTION_UNITS", "EMOTIONS", "Expression", "Faces", "__version__"]


def __getattr__(name: str):
    # On first use (PEP 562): the command line and the batch runner start without the seconds that torch takes.
    if name not in __all__:
        raise AttributeError(f"module 'facekit' has no attribute {name!r}")
    return getattr(importlib.import_module("facekit.faces"), name)
