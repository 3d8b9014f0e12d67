"""Training of one system by several processes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toys

from facekit.training import PROFILES, checkpoint, fit
from facekit.training.accelerator import accelerator
from facekit.training.config import ConfigDiffers
from facekit.training.records import read_log

FLOAT32 = replace(PROFILES["smoke"], precision="float32")


def test_two_processes_with_a_batch_of_4_equal_one_with_8(tmp_path):
    here = Path(__file__).parent
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(here), str(here.parents[1])]),
    }
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, str(here / "parallel.py"), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    # The exit status is ignored: a process may abort at the interpreter's exit, after all files are written.
    assert [folder.name for folder in tmp_path.iterdir()] == ["0"], done.stderr  # only the first process writes
    assert [row["step"] for row in read_log(tmp_path / "0")] == [24]

    system = toys.build("denoiser", "smoke", seed=0, noise=0.0, ema=0.9, batch=8)
    records = list(fit(system, toys.Squares(), profile=FLOAT32))
    written = checkpoint.load_latest(tmp_path / "0" / "checkpoints")
    assert written.step == records[-1].step
    for name, value in system.state_dict().items():
        torch.testing.assert_close(written.average[f"module.{name}"], value, rtol=1e-5, atol=1e-6)
    assert read_log(tmp_path / "0")[-1]["grad_norm/network"] == pytest.approx(
        records[-1].grad_norms["network"], rel=1e-4
    )
    with pytest.raises(ConfigDiffers, match="processes was 2 and is now 1"):
        fit(toys.build("denoiser", "smoke", noise=0.0, ema=0.9), toys.Squares(), out=tmp_path / "0", profile=FLOAT32)


def test_processes_that_are_not_connected_raise(monkeypatch):
    accelerator()  # this process is not connected to others
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match="2 processes were started, but this one is connected to 1"):
        accelerator()
