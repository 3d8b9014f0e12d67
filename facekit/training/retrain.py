"""The weights that ship, trained again by their recipes."""

from __future__ import annotations

import shutil
from pathlib import Path

from facekit.training.run import train
from facekit.weights.shipped import SHIPPED
from facekit.workspace.files import atomic_path
from facekit.workspace.folders import checkout, runs_home


def retrain(name: str) -> Path:
    """Train a set of weights again, in `runs/weights/NAME`, and put it with its card into `data/weights`.

    A run that was interrupted goes on. Returns the path of the weights that ship now.
    """
    recipe = SHIPPED[name]
    shared = {"profile": recipe.profile, "data": recipe.data}
    folder = runs_home() / "weights" / name
    made = train(recipe.system, **shared, out=folder, overrides=recipe.overrides)
    if recipe.then is not None:
        again = {**recipe.overrides, **recipe.then}
        made = train(recipe.system, **shared, out=folder / "then", overrides=again, start=made)
    ships = checkout() / "data" / "weights" / f"{name}.safetensors"
    for suffix in (".json", ".safetensors"):  # whoever reads between the two finds that they do not match
        with atomic_path(ships.with_suffix(suffix)) as draft:
            shutil.copyfile(made.with_suffix(suffix), draft)
    return ships
