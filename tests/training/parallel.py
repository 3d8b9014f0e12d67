"""One of several processes: `torchrun parallel.py OUT` trains twelve steps, stops, and trains to the end."""

import os
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
import toys

from facekit.training import PROFILES, fit
from facekit.training.accelerator import disconnect_processes


def main(out: str) -> None:
    """The processes have different initial weights and write to different folders."""
    torch.set_num_threads(1)
    rank = os.environ["RANK"]
    for seed, steps in ((0, 12), (100, None)):
        records = fit(
            toys.build("denoiser", "smoke", seed=seed + int(rank), noise=0.0, ema=0.9),
            toys.Squares(),
            out=Path(out) / rank,
            profile=replace(PROFILES["smoke"], precision="float32", log_every=50),
        )
        for _ in islice(records, steps):
            pass
        records.close()
    disconnect_processes()


if __name__ == "__main__":
    main(*sys.argv[1:])
