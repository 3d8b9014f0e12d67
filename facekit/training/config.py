"""The configuration of a run, written to `config.json` in its folder and compared when the run is resumed."""

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

# Fields that may change when a run is resumed, since the weights do not depend on them.
_CHANGEABLE = {
    "profile.promise",
    "profile.duration",
    "profile.workers",
    "profile.log_every",
    "preset.checkpoint_every",
    "preset.checkpoints_kept",
}


class ConfigDiffers(ValueError):
    """The folder belongs to a run with another configuration. The message names every difference."""


def config_of(system: System, dataset: FaceDataset, profile: Profile, seed: int, processes: int) -> dict[str, object]:
    """The configuration of a run, as JSON values."""
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
    """A description that distinguishes datasets, computed without loading images."""
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
    """Write `config.json` into the folder of a new run, or compare it with that of a resumed run.

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
        for name in sorted((before.keys() | now.keys()) - _CHANGEABLE)
        if before.get(name) != now.get(name)
    ]
    if differences:
        raise ConfigDiffers(
            f"{folder} contains a run with another configuration: {'; '.join(differences)}. "
            "Use another folder for this run, or restart with resume=False"
        )


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
