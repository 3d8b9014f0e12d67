"""Does a run that is killed at random moments, and started again each time, end in the same weights?

A run writes checkpoints whole or not at all, and its random numbers depend on the step alone. This check tries it with
the command that a user gives: it kills the process and all its children (SIGKILL), which leaves no time to tidy up.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.training.records import read_log
from facekit.weights.store import read_card
from facekit.workspace.files import read_json, remove
from facekit.workspace.folders import child_environment

SYSTEMS = ("emotion_cnn", "conditional_vae", "label_diffusion", "stargan", "cyclegan", "paired_oracle")
"""One system of each kind: a judge, an autoencoder, a diffusion model, GANs with one and with many optimisers, and an
editor trained on pairs."""

_SETTINGS = (
    "steps=60", "batch=8", "checkpoint_every=4", "profile.people=24", "profile.log_every=1", "profile.workers=0"
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """The comparison of a run in one piece with one that was killed.

    moments  after how many seconds the process was killed, for each time
    differs  what is not equal; empty if everything is
    """

    moments: Sequence[float]
    differs: Sequence[str]


def kill_training(system: str, folder: Path, kills: int = 20, seed: int = 0) -> Outcome:
    """Compare the weights and the log of two trainings in a folder, of which one is killed so many times.

    A run that ends before all kills are used up is started again from nothing. Raises `RuntimeError`, with the output,
    for a run that fails by itself.
    """
    settings = [word for setting in _SETTINGS for word in ("--set", setting)]
    command = ["train", system, "--profile", "smoke", *settings, "--out"]
    whole, killed = folder / f"{system}-whole", folder / f"{system}-killed"
    for each in (whole, killed):
        remove(each)
    seconds = _run([*command, str(whole)])
    moments = _kill([*command, str(killed)], kills, seconds, seed, again=lambda: remove(killed))
    digests = [read_card(each / "weights.safetensors").sha256 for each in (whole, killed)]
    logs = [[_without_time(row) for row in read_log(each)] for each in (whole, killed)]
    differs = [name for name, pair in {"weights": digests, "log": logs}.items() if pair[0] != pair[1]]
    return Outcome(moments, differs)


def kill_batch(notebooks: Sequence[str], folder: Path, kills: int = 20, seed: int = 0) -> Outcome:
    """Compare the records of two batch runs of notebooks in the smoke profile, of which one is killed so many times."""
    whole, killed = folder / "batch-whole", folder / "batch-killed"
    for each in (whole, killed):
        remove(each)
    command = ["run", "--jobs", "1", "--notebooks", *notebooks]
    seconds = _run(command, {"FACEKIT_RUNS": str(whole)})
    moments = _kill(command, kills, seconds, seed, {"FACEKIT_RUNS": str(killed)}, again=lambda: remove(killed))
    return Outcome(moments, [] if _records(whole) == _records(killed) else ["records"])


def _kill(
    command: Sequence[str],
    kills: int,
    seconds: float,
    seed: int,
    environment: Mapping[str, str] | None = None,
    *,
    again: Callable[[], None],
) -> list[float]:
    """Start a command again and again, kill it at random moments of its duration, and let it end. Returns the moments.

    again  is called where the command ended before it was killed, and removes what it did
    """
    draw, moments = random.Random(seed), []
    while len(moments) < kills:
        process, moment = _start(command, environment), draw.uniform(0, seconds)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            moments.append(moment)
        else:
            _check(process)
            again()
    _run(command, environment)
    return moments


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Run a command of facekit to its end. Returns its duration in seconds."""
    began, process = time.monotonic(), _start(command, environment)
    _check(process)
    return time.monotonic() - began


def _start(command: Sequence[str], environment: Mapping[str, str] | None) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "facekit", *command],
        env=child_environment() | {"OMP_NUM_THREADS": "1"} | dict(environment or {}),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def _check(process: subprocess.Popen) -> None:
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(process.args[1:])} failed by itself:\n{output}")


def _without_time(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != "seconds"}


def _records(folder: Path) -> dict[str, str]:
    """The status of each finished run of a batch, by its name."""
    records = (read_json(path) for path in sorted(folder.glob("smoke/*/record.json")))
    return {record["id"]: record["status"] for record in records}
