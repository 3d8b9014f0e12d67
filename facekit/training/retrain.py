"""Retraining of the distributed weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from facekit.training.run import train
from facekit.weights.shipped import SHIPPED, variant_of
from facekit.workspace.files import atomic_path, read_json, write_json
from facekit.workspace.folders import checkout, runs_home


def retrain(name: str) -> Path:
    """Train a set of weights again, in `runs/weights/NAME`, and copy it with its card into `data/weights`.

    An interrupted run is resumed. Returns the path of the copied weights.
    """
    recipe = SHIPPED[name]
    shared = {"profile": recipe.profile, "data": recipe.data, "seed": recipe.seed}
    folder = runs_home() / "weights" / name
    trained = recipe.start
    for number, overrides in enumerate(recipe.runs, 1):
        out = folder if number == 1 else folder / f"run{number}"
        trained = train(recipe.system, **shared, out=out, overrides=overrides, start=trained)
    shipped = checkout() / "data" / "weights" / f"{name}.safetensors"
    card = read_json(trained.with_suffix(".json")) | {"variant": variant_of(name)}
    write_json(shipped.with_suffix(".json"), card)  # until the weights are copied too, loading reports a mismatch
    with atomic_path(shipped) as draft:
        shutil.copyfile(trained, draft)
    return shipped
