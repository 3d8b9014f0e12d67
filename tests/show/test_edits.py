"""Sheets and animations of faces edited to every emotion."""

import dataclasses

import pytest
import torch

from facekit import cli
from facekit.evaluation.baselines import NoOp
from facekit.evaluation.benchmark import synthetic_benchmark
from facekit.models.system import Preset
from facekit.show.edits import ENLARGEMENT, HOLD, RISE, edit_animation, edit_sheet


class Unedited(NoOp):
    preset, channels = Preset(size=48), 3


@pytest.fixture(scope="module")
def benchmark():
    return synthetic_benchmark(faces=8, size=48)


def test_a_sheet_has_a_row_per_person_and_one_of_ground_truth(benchmark):
    with_truth = edit_sheet(Unedited(), benchmark, people=3, first=2)
    without = edit_sheet(Unedited(), dataclasses.replace(benchmark, ground_truth=None), people=3, first=2)
    side = ENLARGEMENT * 48
    assert with_truth.width >= 8 * side
    assert with_truth.width == pytest.approx(without.width, abs=side)
    assert with_truth.height - without.height >= 3 * side
    last = edit_sheet(Unedited(), benchmark, people=20, first=7)  # only one person is left
    assert last.height < 3 * side


def test_a_sheet_shows_the_input_the_edits_and_the_ground_truth(benchmark, monkeypatch):
    drawn = {}
    monkeypatch.setattr("facekit.show.edits.grid", lambda images, **options: drawn.update(options, images=images))
    edit_sheet(Unedited(), benchmark, people=2, first=3)
    assert drawn["rows"] == ["edit", "ground truth"] * 2
    edited, true = drawn["images"][2:]
    assert all(torch.equal(image, benchmark.faces.images[4]) for image in edited)
    own = 1 + int(benchmark.faces.emotion[4])
    differences = [(image - benchmark.faces.images[4]).abs().mean() for image in true]
    assert differences[0] == 0
    assert min(differences[1:own] + differences[own + 1 :]) > 0.003


def test_an_animation_returns_to_neutral():
    animation = edit_animation(Unedited(), people=1, first=0, size=48)
    assert len(animation.frames) == 7 * (RISE + HOLD)


def test_the_command_writes_a_sheet_or_refuses(tmp_path, capsys):
    path = tmp_path / "sheet.png"
    assert cli.main(["edits", str(path), "--people", "1"]) == 0
    assert path.is_file()
    assert str(path) in capsys.readouterr().out
    for first in (-1, 256):
        assert cli.main(["edits", str(path), f"--first={first}"]) != 0
        assert f"--first is {first}; the people of synthetic are 0 to 255" in capsys.readouterr().err
    assert cli.main(["edits", str(tmp_path / "edits.webp"), "--data", "fer2013"]) != 0
    assert "write a sheet (.png)" in capsys.readouterr().err
