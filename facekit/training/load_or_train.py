"""The weights that a notebook uses: distributed ones, or those of a training run."""

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
    """The name of distributed weights, or the path of weights from a training run, for `load_system`.

    The `smoke` profile uses distributed weights where they exist, since it trains for a few seconds only. Every other
    profile trains, in `runs/NAME-PROFILE-SEED`; a second call resumes an interrupted run, and returns the weights of a
    finished one. The card of the loaded system names the profile.

    system     key in `SYSTEMS`
    profile    name of the profile and of the system's preset
    data       key in `DATASETS`
    seed       of all random numbers
    name       of the weights and of the run; None: `SYSTEM-DATA`
    overrides  as `train` takes them

    Raises what `train` raises.
    """
    name = name or f"{system}-{data}"
    if profile == "smoke" and name in available_weights():
        return name
    run = runs_home() / f"{name}-{profile}-{seed}"
    quiet = profile == "smoke"
    return str(train(system, profile=profile, data=data, out=run, seed=seed, overrides=overrides, progress=not quiet))
