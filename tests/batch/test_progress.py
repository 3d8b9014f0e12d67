"""The messages of a batch, with a clock that the tests set."""

from pathlib import Path

import pytest

from facekit.batch import progress as progress_module
from facekit.batch.plan import Entry, Run, plan_runs
from facekit.batch.progress import SECONDS, Progress, expected_seconds, keep_seconds, longest_first
from facekit.workspace.files import read_json, write_json

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


class Batch:
    """The progress of a batch whose clock stands at `now`."""

    def __init__(self, *ids, jobs=2, expected=None):
        self.now, self.lines = 0.0, []
        self.progress = Progress(len(ids), expected or {}, jobs, self.lines.append, lambda: self.now)
        self.progress.waits(ids)

    def at(self, now):
        self.now = now
        return self.progress

    def said(self):
        lines, self.lines[:] = list(self.lines), []
        return [line.strip() for line in lines]


def test_what_runs_and_what_waits_is_said_every_half_minute():
    batch = Batch("a", "b", "c", "d")
    batch.at(2).starts("a")
    batch.at(3).starts("b")
    assert batch.said() == ["a starts", "b starts"]
    batch.at(29).tick()
    assert batch.said() == []
    batch.at(31).tick()
    batch.at(32).tick()
    assert batch.said() == ["running: a 29 s, b 28 s; waiting: c, d"]
    batch.at(61).tick()
    assert batch.said() == ["running: a 59 s, b 58 s; waiting: c, d"]


def test_nothing_is_said_to_run_before_a_kernel_has_started():
    batch = Batch("a", "b")
    batch.at(40).tick()
    assert batch.said() == ["waiting: a, b"]


def test_each_end_is_one_line_with_seconds_and_an_estimate():
    batch = Batch("a", "b", "c", jobs=1, expected={"a": 100.0, "b": 50.0, "c": 100.0})
    batch.at(0).starts("a")
    batch.at(200).ends("a", "done in 200 s", 200.0)  # half as fast as expected
    batch.at(200).starts("b")
    batch.at(300).ends("b", "FAILED in 100 s", 100.0)
    batch.at(300).starts("c")
    batch.at(470).tick()
    batch.at(500).ends("c", "done in 200 s", 200.0)
    assert batch.said() == [
        "a starts",
        "[  1/3] a done in 200 s; about 5 min left",
        "b starts",
        "[  2/3] b FAILED in 100 s; about 4 min left",
        "c starts",
        "running: c 170 s; about 30 s left",
        "[  3/3] c done in 200 s",
    ]


def test_the_estimate_knows_how_many_run_at_once():
    expected = {"a": 60.0, "b": 60.0, "c": 60.0, "long": 100.0}
    for jobs, seconds in ((1, 280), (2, 160), (4, 100)):
        assert Batch(*expected, jobs=jobs, expected=expected).progress.remaining() == seconds


def test_without_measurements_the_runs_that_ended_are_the_estimate():
    batch = Batch("a", "b", "c", jobs=1)
    assert batch.progress.remaining() is None
    batch.at(0).starts("a")
    batch.at(70).ends("a", "done in 70 s", 70.0)
    assert batch.progress.remaining() == 140


def test_a_run_that_never_gets_a_kernel_ends_too():
    batch = Batch("a")
    batch.at(1).ends("a", "FAILED in 0 s", 0.0)
    assert batch.said() == ["[  1/1] a FAILED in 0 s"]
    batch.at(60).tick()
    assert batch.progress.remaining() == 0


def test_long_runs_come_first_and_unknown_ones_before_them():
    runs = [Run(id, Path(f"{id}.ipynb"), {}) for id in ("01_a", "02_b", "03_c", "04_d")]
    order = longest_first(runs, {"01_a": 10.0, "02_b": 90.0, "04_d": 40.0})
    assert [run.id for run in order] == ["03_c", "02_b", "04_d", "01_a"]


def test_expected_seconds_are_those_of_the_last_execution_else_of_the_smoke_profile(tmp_path, notebook, monkeypatch):
    monkeypatch.setattr(progress_module, "SECONDS", tmp_path / "seconds.json")
    write_json(tmp_path / "seconds.json", {"01_a": 10, "02_b": 20})
    paths = notebook("01_a"), notebook("02_b"), notebook("03_c")
    write_json(tmp_path / "02_b" / "record.json", {"status": "done", "seconds": 77.0})
    write_json(tmp_path / "03_c" / "record.json", {"status": "failed", "seconds": 1.0})
    runs = plan_runs([Entry(paths, {"PROFILE": ["smoke", "laptop"]})])
    assert expected_seconds(runs, tmp_path) == {"01_a": 10, "02_b": 77.0}


def test_seconds_of_finished_runs_with_default_parameters_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(progress_module, "SECONDS", tmp_path / "seconds.json")
    for id, status in (("01_a", "done"), ("01_a--SEED-1", "done"), ("02_b", "failed")):
        write_json(tmp_path / id / "record.json", {"id": id, "status": status, "seconds": 12.3})
    assert keep_seconds(tmp_path) == {"01_a": 12}
    assert read_json(tmp_path / "seconds.json") == {"01_a": 12}


@pytest.mark.parametrize("name", read_json(SECONDS))
def test_measured_notebooks_exist(name):
    assert (NOTEBOOKS / f"{name}.ipynb").is_file()
