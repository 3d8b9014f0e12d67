"""The benchmark as files: what goes out, what comes back, and what is wrong with it."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from facekit.cli import main
from facekit.evaluation.benchmark import (
    CannotEvaluate,
    export_benchmark,
    open_edits,
    open_videos,
    synthetic_benchmark,
    video_benchmark,
)
from facekit.evaluation.benchmark.requests import full_requests, run_edits, self_requests
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.workspace.files import read_json, write_json
from facekit.workspace.folders import checkout

PAGE = checkout() / "docs" / "benchmark.md"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exchange") / "out"
    export_benchmark(folder, faces=7, sizes=(32,), videos=6)
    return folder


@pytest.fixture
def folder(exported, tmp_path):
    return Path(shutil.copytree(exported, tmp_path / "mine"))


def requests_of(folder):
    with (folder / "32" / "requests.csv").open() as file:
        return list(csv.DictReader(file))


def copy_inputs(folder):
    for row in requests_of(folder):
        shutil.copy(folder / "32" / row["input"], folder / "32" / row["edit"])


def test_the_folder_has_inputs_and_requests_and_no_answers(exported):
    manifest, rows = read_json(exported / "manifest.json"), requests_of(exported)
    assert (manifest["split"], manifest["faces"], manifest["sizes"]) == ("public", 7, [32])
    assert len(rows) == 7 * 7 + 6  # the neutral face's own expression is asked for already
    assert len({row["edit"] for row in rows}) == len(rows)
    assert not list((exported / "32" / "edits").iterdir())
    assert {path.name for path in (exported / "32" / "inputs").iterdir()} == {f"{i:04d}.png" for i in range(7)}
    stills = {"32/requests.csv", *(f"32/inputs/{i:04d}.png" for i in range(7))}
    assert {name for name in manifest["files"] if "videos" not in name} == stills
    own = [row for row in rows if row["edit"].endswith("_own.png")]
    assert all((row["emotion"], row["intensity"]) == (row["input_emotion"], row["input_intensity"]) for row in own)


def test_edits_are_returned_as_they_were_asked_for(folder):
    benchmark = synthetic_benchmark(7, 32, 3)
    requests, own = full_requests(benchmark), self_requests(benchmark)
    for i, row in enumerate(requests_of(folder)):
        colour = (i, 255 - i, 7)
        Image.new("RGB", (32, 32), colour).save(folder / "32" / row["edit"])
    ((edits, opened),) = open_edits(folder, "mine")
    assert (edits.name, opened.faces.size, opened.name) == ("mine", 32, benchmark.name)
    asked = (requests, own)
    red = [(run_edits(edits, opened, part)[:, 0, 0, 0] * 127.5 + 127.5).round().int().tolist() for part in asked]
    assert red[0] == list(range(49))
    assert sorted(red[1])[1:] == list(range(49, 55))
    assert red[0][red[1].index(min(red[1])) * 7 + 6] == min(red[1])  # the neutral face, to neutral


def video_requests(folder):
    with (folder / "32" / "videos" / "requests.csv").open() as file:
        return list(csv.DictReader(file))


def test_videos_have_a_first_frame_and_a_request_for_each_frame(exported):
    rows, place = video_requests(exported), exported / "32" / "videos"
    truth = video_benchmark(6, 32).truth
    assert len(rows) == truth.emotion.shape[0] * truth.frames == len({row["edit"] for row in rows})
    assert {path.name for path in (place / "inputs").iterdir()} == {f"{i:04d}.png" for i in range(6)}
    assert not list((place / "edits").iterdir())
    first = rows[0]
    assert (first["edit"], first["input"], first["frame"]) == ("edits/0000_00.png", "inputs/0000.png", "0")
    assert float(first["intensity"]) == 0
    apex = rows[int(truth.intensity[0].argmax())]
    units = torch.tensor([float(apex[name]) for name in ACTION_UNIT_COLUMNS])
    torch.testing.assert_close(units, truth.action_units[0, int(apex["frame"])], atol=1e-3, rtol=0)
    x, y = float(apex["x30"]), float(apex["y30"])  # the tip of the nose
    assert 12 < x < 20
    assert 14 < y < 24


def test_edited_videos_are_opened_with_their_truth(folder):
    place = folder / "32" / "videos"
    for row in video_requests(folder):
        shutil.copy(place / row["input"], place / row["edit"])
    assert list(open_edits(folder)) == []  # no stills
    ((frames, benchmark),) = open_videos(folder)
    assert frames.shape == benchmark.truth.images.shape
    frozen = benchmark.first.images[:, None].expand_as(frames)
    torch.testing.assert_close(frames, frozen, atol=1 / 127, rtol=0)
    (place / "edits" / "0003_04.png").unlink()
    with pytest.raises(CannotEvaluate, match=r"1 cannot be used: 0003_04\.png is missing"):
        list(open_videos(folder))


def test_a_changed_request_for_a_video_is_refused(folder):
    place = folder / "32" / "videos"
    shutil.copy(place / "inputs" / "0000.png", place / "edits" / "0000_00.png")
    (place / "requests.csv").write_text("edit,input\n")
    with pytest.raises(CannotEvaluate, match=r"1 files .* were changed \(32/videos/requests.csv\)"):
        list(open_videos(folder))


def test_unusable_edits_are_named(folder):
    copy_inputs(folder)
    edits = folder / "32" / "edits"
    (edits / "0000_angry.png").unlink()
    (edits / "0001_sad.png").write_text("no image")
    Image.new("RGB", (16, 32)).save(edits / "0002_happy.png")
    with pytest.raises(CannotEvaluate, match="of 55 edits of 32 x 32 pixels") as caught:
        list(open_edits(folder))
    text = str(caught.value)
    assert "3 cannot be used" in text
    for problem in ("0000_angry.png is missing", "0001_sad.png is no readable image", "0002_happy.png has 16 x 32"):
        assert problem in text


def test_a_folder_that_was_changed_is_refused(folder):
    with pytest.raises(CannotEvaluate, match="there are no edits"):
        list(open_edits(folder))
    copy_inputs(folder)
    assert len(list(open_edits(folder))) == 1
    with pytest.raises(CannotEvaluate, match="is public: leave --secret out"):
        list(open_edits(folder, secret="x"))
    Image.new("RGB", (32, 32)).save(folder / "32" / "inputs" / "0003.png")
    with pytest.raises(CannotEvaluate, match=r"1 files .* were changed \(32/inputs/0003.png\)"):
        list(open_edits(folder))
    write_json(folder / "manifest.json", read_json(folder / "manifest.json") | {"version": 1})
    with pytest.raises(CannotEvaluate, match="version 1 of the benchmark"):
        list(open_edits(folder))
    (folder / "manifest.json").unlink()
    with pytest.raises(CannotEvaluate, match="benchmark export"):
        list(open_edits(folder))


def test_nothing_is_overwritten(folder):
    with pytest.raises(CannotEvaluate, match="is not empty"):
        export_benchmark(folder)


def test_a_secret_decides_who_is_drawn_and_stays_secret(exported, tmp_path):
    for word in ("apple", "pear"):
        export_benchmark(tmp_path / word, faces=7, sizes=(32,), videos=0, secret=word)
        assert word not in "".join(
            p.read_text() for p in (tmp_path / word).rglob("*.*") if p.suffix in (".json", ".csv")
        )
    pixels = [Image.open(f / "32" / "inputs" / "0000.png").tobytes() for f in (exported, *tmp_path.iterdir())]
    assert len(set(pixels)) == 3
    copy_inputs(tmp_path / "apple")
    ((_, benchmark),) = open_edits(tmp_path / "apple", secret="apple")
    assert benchmark.name.endswith("other-people")
    with pytest.raises(CannotEvaluate, match="the secret is another one"):
        list(open_edits(tmp_path / "apple", secret="pear"))
    with pytest.raises(CannotEvaluate, match="give its word by --secret"):
        list(open_edits(tmp_path / "apple"))


def test_other_edits_under_the_same_name_are_told_apart(folder):
    copy_inputs(folder)
    ((first, _),) = open_edits(folder)
    Image.new("RGB", (32, 32)).save(folder / "32" / "edits" / "0000_angry.png")
    ((second, _),) = open_edits(folder)
    assert first.fingerprint != second.fingerprint


def test_the_pages_examples_run_from_end_to_end(tmp_path, capsys):
    """A baseline of stills and videos, and a peer that moves faces. Neither uses facekit."""
    folder, script = tmp_path / "example", tmp_path / "example.py"
    baseline, peer = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert main(["benchmark", "export", str(folder), "--faces", "14", "--sizes", "48", "--videos", "12"]) == 0
    errors = {}
    for name, program in (("mean difference", baseline), ("thin-plate splines", peer)):
        assert "facekit" not in program
        script.write_text(program)
        subprocess.run([sys.executable, str(script), str(folder)], check=True)
        assert main(["evaluate", "--edits", str(folder), "--name", name, "--out", str(tmp_path / "out")]) == 0
        with (tmp_path / "out" / "videos-48px-12" / "leaderboard.csv").open() as file:
            rows = {row["name"]: row for row in csv.DictReader(file)}
        errors[name] = float(rows[name]["relative_error"])
        assert name in (tmp_path / "out" / "synthetic-48px-14" / "leaderboard.csv").read_text()
        assert float(rows["ground truth"]["relative_error"]) == 0
    assert errors["thin-plate splines"] < 0.7 < errors["mean difference"]
    assert "ground truth" in capsys.readouterr().out
    assert main(["evaluate", "stargan-synthetic", "--edits", str(folder)]) == 2
    assert "name no weights" in capsys.readouterr().err
