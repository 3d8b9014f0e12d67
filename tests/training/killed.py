"""A run to be killed: `killed.py OUT` hangs in its 13th step, `killed.py OUT STEP` dies writing that checkpoint."""

import os
import signal
import sys
import time
from pathlib import Path

import torch
import toys

from facekit.training import checkpoint, fit


class Hanging(toys.Adversaries):
    """Hangs when the critic has stepped in the 13th step and the generator has not."""

    def training_step(self, batch, clock):
        for step in super().training_step(batch, clock):
            yield step
            if clock.step == 12:
                time.sleep(60)


def main(out: str, *dies_at: str) -> None:
    """Train from first weights that differ from call to call: only the first call's may matter."""
    torch.set_num_threads(1)
    seal = checkpoint.write_json

    def die_or_seal(path: Path, state: dict) -> None:
        if str(state["step"]) in dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        seal(path, state)

    checkpoint.write_json = die_or_seal
    torch.manual_seed(len(dies_at))
    kind = toys.Adversaries if dies_at else Hanging
    for _ in fit(kind(kind.presets["laptop"]), toys.Squares(), out=out, profile="smoke"):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
