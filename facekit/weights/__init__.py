"""Weights on disk: safetensors with a JSON card beside them, found by name or path; the distributed weights.

>>> from facekit.weights import SHIPPED, available_weights, find_weights, read_card
"""

from facekit.weights.shipped import SHIPPED, Recipe
from facekit.weights.store import (
    WeightsCard,
    WeightsError,
    available_weights,
    find_weights,
    load_weights,
    read_card,
    save_weights,
    weights_folders,
)

__all__ = [
    "SHIPPED",
    "Recipe",
    "WeightsCard",
    "WeightsError",
    "available_weights",
    "find_weights",
    "load_weights",
    "read_card",
    "save_weights",
    "weights_folders",
]
