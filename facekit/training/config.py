"""What a run was asked to do, written beside it as `config.json` and compared when it goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

import facekit
from facekit.datasets.base import FaceDataset
from facekit.models.system import System
from facekit.training.profiles import Profile
from facekit.workspace.files import read_json, write_json

# What may change from one part of a run to the next, since the weights do not depend on it.
_FREE = {
    "profile.promise",
    "profile.duration",
    "profile.workers",
    "profile.log_every",
    "preset.checkpoint_every",
    "preset.checkpoints_kept",
}


class ConfigDiffers(ValueError):
    """A run's folder belongs to a run that was asked to do something else. The message names every difference."""


def config_of(system: System, dataset: FaceDataset, profile: Profile, seed: int, processes: int) -> dict[str, object]:
    """What a run was asked to do, as JSON knows it."""
    config = {
        "system": system.name,
        "channels": system.channels,
        "seed": seed,
        "processes": processes,
        "preset": dataclasses.asdict(system.preset),
        "profile": dataclasses.asdict(profile),
        "data": describe_data(dataset),
    }
    if system.started_from:
        config["started_from"] = sorted(system.started_from.values())
    return json.loads(json.dumps(config))


def describe_data(dataset: FaceDataset) -> dict[str, object]:
    """What tells one dataset from another without loading its pictures."""
    labels = hashlib.sha256(dataset.labels.numpy().tobytes()).hexdigest()
    return {
        "name": dataset.name,
        "split": dataset.split,
        "faces": len(dataset),
        "size": dataset.size,
        "channels": dataset.channels,
        "labels": labels[:16],
    }


def claim(folder: Path, config: Mapping[str, object]) -> None:
    """Make a folder the run's own by writing its `config.json`, or find that it is.

    Raises `ConfigDiffers` where the folder belongs to a run with another configuration.
    """
    path = folder / "config.json"
    if not path.exists():
        machine = {"facekit": facekit.__version__, "torch": str(torch.__version__), "platform": platform.platform()}
        write_json(path, {"run": config, "machine": machine})
        return
    before, now = (dict(_flat(values)) for values in (read_json(path)["run"], config))
    differences = [
        f"{name} was {before.get(name)!r} and is now {now.get(name)!r}"
        for name in sorted((before.keys() | now.keys()) - _FREE)
        if before.get(name) != now.get(name)
    ]
    if differences:
        raise ConfigDiffers(
            f"{folder} holds a run that was asked for something else: {'; '.join(differences)}. "
            "Train into another folder, or start this one anew with resume=False"
        )


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
