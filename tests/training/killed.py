"""A run to be killed: `python killed.py OUT` trains slowly; `python killed.py OUT STEP` dies writing that checkpoint."""

import os
import signal
import sys
from pathlib import Path

import toys
import torch

from facekit.training import checkpoint, fit

torch.set_num_threads(1)
out, dies_at = Path(sys.argv[1]), [int(step) for step in sys.argv[2:]]
seal = checkpoint.write_json


def die_or_seal(path, state):
    if state["step"] in dies_at:
        os.kill(os.getpid(), signal.SIGKILL)
    seal(path, state)


checkpoint.write_json = die_or_seal
for _ in fit(toys.build("adversaries", seed=len(dies_at)), toys.Squares(delay=0.01), out=out, profile="smoke"):
    pass
