"""The benchmark as files: what goes out, what comes back, and what is wrong with it."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from facekit.cli import main
from facekit.evaluation.benchmark import CannotEvaluate, export_benchmark, open_edits, synthetic_benchmark
from facekit.evaluation.benchmark.requests import full_requests, run_edits, self_requests
from facekit.workspace.files import read_json, write_json
from facekit.workspace.folders import checkout

PAGE = checkout() / "docs" / "benchmark.md"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exchange") / "out"
    export_benchmark(folder, faces=7, sizes=(32,))
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
    assert set(manifest["files"]) == {"32/requests.csv", *(f"32/inputs/{i:04d}.png" for i in range(7))}
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
        export_benchmark(tmp_path / word, faces=7, sizes=(32,), secret=word)
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


def test_the_pages_example_runs_from_end_to_end(tmp_path, capsys):
    folder, script = tmp_path / "example", tmp_path / "example.py"
    assert main(["benchmark", "export", str(folder), "--faces", "14", "--sizes", "48"]) == 0
    script.write_text(re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])
    assert "facekit" not in script.read_text()
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    assert main(["evaluate", "--edits", str(folder), "--name", "mean difference", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "mean difference" in printed
    assert "ground truth" in printed
    table = (tmp_path / "out" / "synthetic-48px-14" / "leaderboard.csv").read_text()
    assert "mean difference" in table
    assert main(["evaluate", "stargan-synthetic", "--edits", str(folder)]) == 2
    assert "name no weights" in capsys.readouterr().err
