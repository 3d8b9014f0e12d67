"""Checkpoints of a training run. A resumed run is identical to an uninterrupted one.

checkpoints/step_00000500/model.safetensors    all weights and buffers, in full precision
                          average.safetensors  their moving average, where there is one
                          optimisers.pt        tensors and numbers only, loaded with `weights_only=True`
                          state.json           the step, and the SHA-256 of the other files
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from facekit.workspace.files import atomic_path, read_json, remove, remove_drafts, sha256, write_json

logger = logging.getLogger("facekit.training")


@dataclass(frozen=True)
class Snapshot:
    """The complete state of a run; the tensors are on the CPU."""

    step: int  # number of completed training steps
    seconds: float  # their duration
    model: Mapping[str, Tensor]
    optimisers: Mapping[str, dict]
    average: Mapping[str, Tensor] | None = None


def save(folder: Path, snapshot: Snapshot, kept: int) -> None:
    """Write a checkpoint into the folder of checkpoints, then remove all but the newest `kept` (0 keeps all)."""
    with atomic_path(_place(folder, snapshot.step)) as draft:
        draft.mkdir()
        (draft / "model.safetensors").write_bytes(safetensors.torch.save(dict(snapshot.model)))
        if snapshot.average is not None:
            (draft / "average.safetensors").write_bytes(safetensors.torch.save(dict(snapshot.average)))
        torch.save(dict(snapshot.optimisers), draft / "optimisers.pt")
        sums = {file.name: sha256(file) for file in sorted(draft.iterdir())}
        write_json(draft / "state.json", {"step": snapshot.step, "seconds": snapshot.seconds, "files": sums})
    for old in _written(folder)[:-kept] if kept else []:
        remove(old)


def load_latest(folder: Path) -> Snapshot | None:
    """The newest undamaged checkpoint, or None. Damaged and incomplete ones are removed, with a warning."""
    remove_drafts(folder)
    for place in reversed(_written(folder)):
        try:
            return _load(place)
        except (OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
            logger.warning("the checkpoint %s is damaged (%s); the previous one is used", place, error)
            remove(place)
    return None


def latest_step(folder: Path) -> int:
    """The step of the newest checkpoint; 0 without checkpoints."""
    written = _written(folder)
    return int(written[-1].name.partition("_")[2]) if written else 0


def tensors_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """The state of a module on the CPU; each tensor is a contiguous copy, as safetensors requires."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in module.state_dict().items()}


def _load(place: Path) -> Snapshot:
    state = read_json(place / "state.json")
    for name, checksum in state["files"].items():
        if sha256(place / name) != checksum:
            raise ValueError(f"the checksum of {name} is wrong")
    averaged = "average.safetensors" in state["files"]
    return Snapshot(
        step=state["step"],
        seconds=state["seconds"],
        model=safetensors.torch.load_file(place / "model.safetensors"),
        optimisers=torch.load(place / "optimisers.pt", map_location="cpu", weights_only=True),
        average=safetensors.torch.load_file(place / "average.safetensors") if averaged else None,
    )


def _place(folder: Path, step: int) -> Path:
    return folder / f"step_{step:08d}"


def _written(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(folder.glob("step_*"))
