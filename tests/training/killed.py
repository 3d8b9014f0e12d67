"""A run for tests that kill it.

`killed.py OUT` hangs in its 13th step; `killed.py OUT STEP` kills itself while it writes the checkpoint of that step.
"""

import os
import signal
import sys
import time
from pathlib import Path

import torch
import toys

from facekit.training import checkpoint, fit


class Hanging(toys.Adversaries):
    """Hangs in the 13th step, between the updates of the critic and the generator."""

    def training_step(self, batch, clock):
        for step in super().training_step(batch, clock):
            yield step
            if clock.step == 12:
                time.sleep(60)


def main(out: str, *dies_at: str) -> None:
    """Train from other initial weights in each call; those of later calls must have no effect."""
    torch.set_num_threads(1)
    write_json = checkpoint.write_json

    def die_or_write(path: Path, state: dict) -> None:
        if str(state["step"]) in dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        write_json(path, state)

    checkpoint.write_json = die_or_write
    torch.manual_seed(len(dies_at))
    kind = toys.Adversaries if dies_at else Hanging
    for _ in fit(kind(kind.presets["laptop"]), toys.Squares(), out=out, profile="smoke"):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
