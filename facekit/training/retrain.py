"""Retraining of the distributed weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from facekit.training.run import train
from facekit.weights.shipped import SHIPPED
from facekit.workspace.files import atomic_path
from facekit.workspace.folders import checkout, runs_home


def retrain(name: str) -> Path:
    """Train a set of weights again, in `runs/weights/NAME`, and copy it with its card into `data/weights`.

    An interrupted run is resumed. Returns the path of the copied weights.
    """
    recipe = SHIPPED[name]
    shared = {"profile": recipe.profile, "data": recipe.data}
    folder = runs_home() / "weights" / name
    trained = train(recipe.system, **shared, out=folder, overrides=recipe.overrides)
    if recipe.then is not None:
        again = {**recipe.overrides, **recipe.then}
        trained = train(recipe.system, **shared, out=folder / "then", overrides=again, start=trained)
    shipped = checkout() / "data" / "weights" / f"{name}.safetensors"
    for suffix in (".json", ".safetensors"):  # between the two copies, loading reports a mismatch
        with atomic_path(shipped.with_suffix(suffix)) as draft:
            shutil.copyfile(trained.with_suffix(suffix), draft)
    return shipped
