"""Progress of a run: a bar where it is watched, and a line every ten seconds at most elsewhere."""

from types import SimpleNamespace

import pytest
import toys

from facekit.training import fit, records
from facekit.training.records import ProgressBar, Record
from facekit.workspace.attended import UNATTENDED


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(records, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def record(step, total):
    scalars = {"loss/generator": 0.12345, "loss/discriminator": 1.5, "real": 0.7}
    return Record(step, total, 0, scalars, {}, {}, 0.1, None)


def test_a_file_or_a_pipe_gets_a_line_every_ten_seconds_at_most(clock, capsys):
    bar = ProgressBar("stargan", 100, 400)
    for step in range(101, 401):  # ten steps a second
        clock.now += 0.1
        bar.write(record(step, 400))
    bar.close()
    printed = capsys.readouterr().err
    assert "\r" not in printed
    lines = printed.splitlines()
    assert 2 <= len(lines) <= 3
    assert lines[0] in {
        f"stargan: step {step} of 400, loss generator 0.123, discriminator 1.5; about 20 s left" for step in (200, 201)
    }


def test_a_short_run_that_is_not_watched_prints_nothing(capsys):
    for _ in fit(toys.build("denoiser", steps=5), toys.Squares(), profile="smoke", progress=True):
        pass
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.delenv(UNATTENDED, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    bar = ProgressBar("stargan", 0, 2)
    for step in (1, 2):
        bar.write(record(step, 2))
    bar.close()
    printed = capsys.readouterr().err
    assert "\r" in printed
    assert "2/2" in printed
    assert "generator=0.123" in printed
