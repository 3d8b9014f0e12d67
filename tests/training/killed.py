"""A run to be killed: `killed.py OUT` trains slowly, `killed.py OUT STEP` dies while it writes that checkpoint."""

import os
import signal
import sys
from pathlib import Path

import torch
import toys

from facekit.training import checkpoint, fit


def main(out: str, *dies_at: str) -> None:
    """Train from first weights that differ from call to call: only the first call's may matter."""
    torch.set_num_threads(1)
    seal = checkpoint.write_json

    def die_or_seal(path: Path, state: dict) -> None:
        if str(state["step"]) in dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        seal(path, state)

    checkpoint.write_json = die_or_seal
    system = toys.build("adversaries", seed=len(dies_at))
    for _ in fit(system, toys.Squares(delay=0.01), out=out, profile="smoke"):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
