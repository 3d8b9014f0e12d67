"""Weights on disk: safetensors with a JSON card beside them, found by name or path; and what ships."""

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
    "WeightsCard",
    "WeightsError",
    "available_weights",
    "find_weights",
    "load_weights",
    "read_card",
    "save_weights",
    "weights_folders",
]
