"""The weights that a notebook works with: those that ship, or those that a training run makes."""

from __future__ import annotations

from collections.abc import Mapping

from facekit.training.run import train
from facekit.weights import available_weights
from facekit.workspace import runs_home


def trained_weights(
    system: str,
    *,
    profile: str,
    data: str = "synthetic",
    seed: int = 0,
    name: str | None = None,
    overrides: Mapping[str, object] | None = None,
) -> str:
    """The name of weights that ship, or the path of weights from a training run, for `load_system`.

    In the `smoke` profile the shipped weights are used where there are some: the profile trains for seconds, which
    shows how training works and no more. Every other profile trains, in `runs/NAME-PROFILE-SEED`; called again, an
    interrupted run goes on and a finished one is loaded. The card of the loaded system names the profile.

    system     key in `SYSTEMS`
    profile    name of the profile and of the system's preset
    data       key in `DATASETS`
    seed       of everything drawn at random
    name       of the weights and of the run; `SYSTEM-DATA` unless given
    overrides  as `train` takes them

    Raises what `train` raises.
    """
    name = name or f"{system}-{data}"
    if profile == "smoke" and name in available_weights():
        return name
    run = runs_home() / f"{name}-{profile}-{seed}"
    quiet = profile == "smoke"
    return str(train(system, profile=profile, data=data, out=run, seed=seed, overrides=overrides, progress=not quiet))
