"""A resumed run is bitwise identical to an uninterrupted one."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toys

from facekit.training import PROFILES, checkpoint, fit
from facekit.training.config import ConfigDiffers
from facekit.training.records import read_log

SMOKE = PROFILES["smoke"]


def run(name, out, steps=None, seed=0, **options):
    """Train a toy system in a folder, to the end or for some steps.

    seed  of the initial weights, which must have no effect on a resumed run
    """
    system = toys.build(name, seed=seed)
    records = fit(system, toys.Squares(), out=out, profile=SMOKE, **options)
    taken = list(records) if steps is None else [next(records) for _ in range(steps)]
    records.close()
    return system, taken


def start_killed(out, *arguments):
    here = Path(__file__).parent
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(here), str(here.parents[1])]),
    }
    command = [sys.executable, str(here / "killed.py"), str(out), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def rows_without_seconds(out):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in read_log(out)]


def test_a_run_killed_in_a_step_and_in_a_checkpoint_resumes_exactly(tmp_path):
    process = start_killed(tmp_path / "killed")
    log = tmp_path / "killed" / "log.jsonl"
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= 12):
        time.sleep(0.05)
    time.sleep(0.1)  # until it is in the 13th step
    process.kill()
    assert process.wait() == -signal.SIGKILL, process.stderr.read()
    assert checkpoint.latest_step(tmp_path / "killed" / "checkpoints") == 10

    process = start_killed(tmp_path / "killed", 25)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    folder = tmp_path / "killed" / "checkpoints"
    assert [place.name for place in folder.glob(".step_*")] != []  # an incomplete checkpoint
    assert checkpoint.latest_step(folder) == 20
    system, records = run("adversaries", tmp_path / "killed")
    assert records[0].step == 21
    assert list(folder.glob(".step_*")) == []

    whole, _ = run("adversaries", tmp_path / "whole")
    assert toys.same(system.state_dict(), whole.state_dict())
    left, right = (checkpoint.load_latest(tmp_path / name / "checkpoints") for name in ("killed", "whole"))
    assert toys.same(left.model, right.model)
    assert toys.same(left.average, right.average)
    assert str(left.optimisers) == str(right.optimisers)
    assert rows_without_seconds(tmp_path / "killed") == rows_without_seconds(tmp_path / "whole")


@pytest.mark.parametrize("name", ["denoiser", "adversaries"])
@pytest.mark.parametrize("stop", [1, 5, 13, 23])
def test_a_run_stopped_at_any_step_resumes_exactly(tmp_path, name, stop):
    run(name, tmp_path / "stopped", steps=stop)
    resumed, records = run(name, tmp_path / "stopped", seed=9) if stop >= 5 else run(name, tmp_path / "stopped")
    assert records[0].step == stop // 5 * 5 + 1
    whole, _ = run(name, tmp_path / "whole")
    assert toys.same(resumed.state_dict(), whole.state_dict())


def test_a_run_stops_at_its_time_limit_and_resumes_exactly(tmp_path):
    _, records = run("denoiser", tmp_path / "sliced", minutes=0)
    assert [record.step for record in records] == [1]
    assert checkpoint.latest_step(tmp_path / "sliced" / "checkpoints") == 1
    resumed, records = run("denoiser", tmp_path / "sliced", seed=9, minutes=5)
    assert [record.step for record in records] == list(range(2, 25))
    whole, _ = run("denoiser", tmp_path / "whole")
    assert toys.same(resumed.state_dict(), whole.state_dict())


def test_a_finished_run_returns_its_weights_without_training(tmp_path):
    whole, _ = run("denoiser", tmp_path)
    again, records = run("denoiser", tmp_path, seed=9)
    assert records == []
    assert toys.same(again.state_dict(), whole.state_dict())
    assert not again.training


def test_a_damaged_checkpoint_is_replaced_by_the_previous_one(tmp_path, caplog):
    whole, _ = run("adversaries", tmp_path / "whole")
    run("adversaries", tmp_path / "damaged", steps=23)
    newest = tmp_path / "damaged" / "checkpoints" / "step_00000020" / "optimisers.pt"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        resumed, records = run("adversaries", tmp_path / "damaged", seed=9)
    assert "step_00000020 is damaged (the checksum of optimisers.pt is wrong)" in caplog.text
    assert records[0].step == 16
    assert toys.same(resumed.state_dict(), whole.state_dict())
    assert rows_without_seconds(tmp_path / "damaged") == rows_without_seconds(tmp_path / "whole")


def test_without_an_undamaged_checkpoint_a_run_restarts(tmp_path):
    run("denoiser", tmp_path, steps=11)
    for place in (tmp_path / "checkpoints").iterdir():
        (place / "state.json").write_text("{")
    _, records = run("denoiser", tmp_path)
    assert records[0].step == 1


def test_the_newest_checkpoints_are_kept(tmp_path):
    def steps_kept(kept):
        system = toys.build("denoiser", checkpoints_kept=kept)
        list(fit(system, toys.Squares(), out=tmp_path / str(kept), profile=SMOKE))
        return sorted(int(place.name[5:]) for place in (tmp_path / str(kept) / "checkpoints").iterdir())

    assert steps_kept(2) == [20, 24]
    assert steps_kept(0) == [5, 10, 15, 20, 24]


def test_a_folder_with_another_configuration_raises_and_names_every_difference(tmp_path):
    run("denoiser", tmp_path, steps=7)
    other = toys.build("denoiser", learning_rate=0.5, widths=(8,))
    with pytest.raises(ConfigDiffers) as raised:
        fit(other, toys.Squares(count=41), out=tmp_path, profile=SMOKE, seed=3)
    for difference in (
        "preset.learning_rate was 0.01 and is now 0.5",
        "preset.widths was [4, 4] and is now [8]",
        "data.faces was 40 and is now 41",
        "seed was 0 and is now 3",
    ):
        assert difference in str(raised.value)
    assert "preset.batch" not in str(raised.value)
    with pytest.raises(ConfigDiffers, match="system was 'denoiser' and is now 'adversaries'"):
        run("adversaries", tmp_path)


def test_fields_that_do_not_affect_the_weights_may_change(tmp_path):
    run("denoiser", tmp_path, steps=6)
    other = replace(SMOKE, promise="another", duration="another", log_every=7)
    system = toys.build("denoiser", checkpoint_every=9, checkpoints_kept=1)
    assert next(fit(system, toys.Squares(), out=tmp_path, profile=other)).step == 6
    with pytest.raises(ConfigDiffers, match=r"profile.precision was 'auto' and is now 'float32'"):
        fit(toys.build("denoiser"), toys.Squares(), out=tmp_path, profile=replace(SMOKE, precision="float32"))


def test_a_run_can_be_restarted_with_resume_false(tmp_path):
    run("denoiser", tmp_path, steps=12)
    _, records = run("adversaries", tmp_path, resume=False)
    assert records[0].step == 1
    assert len(read_log(tmp_path)) == records[-1].step


def test_loading_a_checkpoint_does_not_execute_code(tmp_path):
    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    run("denoiser", tmp_path, steps=5)
    place = tmp_path / "checkpoints" / "step_00000005"
    torch.save({"network": Malicious()}, place / "optimisers.pt")
    sums = {file.name: checkpoint.sha256(file) for file in place.iterdir() if file.name != "state.json"}
    checkpoint.write_json(place / "state.json", {"step": 5, "seconds": 1.0, "files": sums})
    run("denoiser", tmp_path)
    assert not (tmp_path / "executed").exists()
