import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import facekit
from facekit import cli, show
from facekit.cli import maintenance
from facekit.datasets import open_dataset
from facekit.faces.action_units import ACTION_UNITS
from facekit.training import retrain as retraining
from facekit.weights import shipped
from facekit.weights.store import WeightsCard
from facekit.workspace.files import read_json, write_json


def status_and_message(capsys, *arguments):
    status = cli.main(list(arguments))
    return status, capsys.readouterr().err


def test_help_imports_nothing_slow():
    code = "import sys, facekit.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "run" in loaded
    assert not {"torch", "papermill", "distributed", "numpy"} & set(loaded)


def test_user_errors_exist():
    for name in cli.USER_ERRORS:
        module, _, error = name.partition(":")
        assert issubclass(getattr(importlib.import_module(module), error), Exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "stargen"], "'stargen' is no system"),
        (["train", "emotion_cnn", "--profile", "huge"], "'huge' is no profile"),
        (["train", "emotion_cnn", "--data", "fer"], "'fer' is not a dataset"),
        (["train", "emotion_cnn", "--set", "stepz=3"], "has no 'stepz'"),
        (["train", "emotion_cnn", "--set", "steps=many"], "steps is 'many'; it must be int"),
        (["train", "emotion_cnn", "--set", "dat.size=3"], "'dat.size' sets nothing"),
        (
            ["train", "diffusion_editor", "--profile", "smoke", "--set", "teacher.steps=3"],
            "'teacher.steps' sets nothing",
        ),
        (["train", "diffusion_editor", "--from-scratch", "--set", "teacher.stepz=3"], "has no 'stepz'"),
        (["experiment", "table2", "--set", "stepz=3"], "has no 'stepz'"),
        (["train", "emotion_cnn", "--set", "steps"], "not of the form FIELD=value"),
        (["run", "--notebooks", "99"], "'99' names no notebook"),
        (["batch", "none.yaml"], "none.yaml cannot be read"),
        (["batch", "plan.yaml", "-p", "SEED=0"], "leave out --notebooks and -p"),
        (["batch", "-p", "SEED"], "not of the form NAME=value"),
        (["data", "prepare", "no/such/folder", "out"], "no/such/folder is not a folder"),
        (["weights", "stargan"], "'stargan' is no name of shipped weights"),
        (["evaluate", "stargan"], "there are no weights at or called 'stargan'"),
        (["evaluate", "emotion_resnet-synthetic"], "EmotionResNet, which does not edit faces"),
        (["evaluate", "--judges", "no/such/folder"], "fer_mini_xception.onnx"),
        (["evaluate-units", "stargan-synthetic", "--faces", "2"], "cannot be asked for action units"),
        (["few-steps", "diffusion_editor-synthetic"], "does not sample from noise"),
        (["few-steps", "label_diffusion-synthetic", "--images", "50"], "at least 200 images, not 50"),
    ],
)
def test_a_user_error_is_one_sentence_and_status_2(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path))
    status, said = status_and_message(capsys, *arguments)
    assert status == 2
    assert words in said
    assert said.startswith("facekit: ")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run", "--fly"], ["run", "--jobs", "0"], ["train"], ["data"]])
def test_arguments_that_argparse_rejects_have_status_2(capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)


def test_other_errors_keep_their_traceback(monkeypatch):
    monkeypatch.setattr("facekit.workspace.hardware.describe", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["version"])


def test_an_interrupt_has_status_130(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("facekit.workspace.hardware.describe", interrupted)
    assert status_and_message(capsys, "version") == (130, "facekit: interrupted\n")


def test_version_prints_versions(capsys):
    assert cli.main(["version"]) == 0
    said = capsys.readouterr().out
    assert facekit.__version__ in said
    assert "PyTorch" in said


def test_a_batch_stays_in_the_folder_of_runs(capsys, monkeypatch):
    monkeypatch.setattr("facekit.batch.find_notebooks", lambda names: [])
    status, said = status_and_message(capsys, "batch", "--name", "../elsewhere")
    assert status == 2
    assert "the name of a folder" in said


@pytest.mark.parametrize(("statuses", "status"), [(["done"], 0), (["done", "failed"], 1), (["skipped"], 1)])
def test_the_exit_status_of_a_batch(capsys, monkeypatch, tmp_path, statuses, status):
    from facekit.batch import Record

    records = [Record(str(i), "x", {}, "", outcome) for i, outcome in enumerate(statuses)]
    monkeypatch.setattr("facekit.batch.find_notebooks", lambda names: [])
    monkeypatch.setattr("facekit.batch.plan_runs", lambda entries: [])
    monkeypatch.setattr("facekit.batch.run_batch", lambda *a, **k: (tmp_path / "index.html", records))
    assert cli.main(["run"]) == status
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "index.html")


def test_lab_listens_on_localhost_only_and_forwards_arguments(monkeypatch):
    called = []
    monkeypatch.setattr(subprocess, "call", lambda command, cwd: called.append((command, cwd.name)) or 0)
    assert cli.main(["lab", "--port", "9000"]) == 0
    [(command, folder)] = called
    assert (command[1:4], command[-2:], folder) == (
        ["-m", "jupyterlab", "--ServerApp.ip=127.0.0.1"],
        ["--port", "9000"],
        "notebooks",
    )
    assert "--LabApp.news_url=None" in command  # no request to the network


def test_train_forwards_its_options(monkeypatch, tmp_path, capsys):
    called = {}
    monkeypatch.setattr("facekit.training.run.train", lambda system, **options: called.update(options, system=system))
    arguments = [
        "--profile",
        "smoke",
        "--out",
        str(tmp_path),
        "--seed",
        "4",
        "--set",
        "steps=3",
        "--minutes",
        "2",
        "--from-scratch",
    ]
    assert cli.main(["train", "emotion_cnn", *arguments]) == 0
    assert called["system"] == "emotion_cnn"
    assert called["seed"] == 4
    assert called["overrides"] == {"steps": "3"}
    assert called["minutes"] == 2
    assert called["from_scratch"] is True
    assert "continues the run" in capsys.readouterr().out


def trainings_in_the_documents():
    """All but that of `mean_face` in docs/contributor.md, which exists in a test only."""
    root = Path(facekit.__file__).parents[1]
    for document in (root / "README.md", *sorted(root.glob("docs/*.md"))):
        text = document.read_text(encoding="utf-8").replace("\\\n", "")
        yield from re.findall(r"python -m facekit (train (?!mean_face)[^`#\n]+)", text)


@pytest.mark.parametrize("command", list(trainings_in_the_documents()))
def test_trainings_in_the_documents_are_accepted(monkeypatch, command):
    class Begun(Exception):
        pass

    def begin(*_, **__):
        raise Begun

    # Weights in runs/ are those of other commands on the page.
    monkeypatch.setattr("facekit.training.run._card_of", lambda plan, field: None)
    monkeypatch.setattr("facekit.training.run._mismatch", lambda *_: "")
    monkeypatch.setattr("facekit.training.run._check_parts", lambda *_: None)
    monkeypatch.setattr("facekit.training.run.open_dataset", begin)
    with pytest.raises(Begun):
        cli.main(shlex.split(command))


def test_few_steps_compares_on_held_out_people_and_prints_the_result(monkeypatch, tmp_path, capsys):
    def compare(generator, held_out, judge, out, log):
        assert (held_out.split, len(held_out), held_out.size) == ("test", 600, generator.preset.size)
        assert out.is_relative_to(tmp_path)
        return "found"

    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path))
    monkeypatch.setattr("facekit.evaluation.few_steps.compare", compare)
    assert cli.main(["few-steps", "label_diffusion-synthetic", "--images", "300"]) == 0
    assert capsys.readouterr().out == "found\n"


def test_evaluate_units_compares_generators_with_the_unedited_input(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("facekit.evaluation.unit_edits.SINGLE_PEOPLE", 1)
    table = tmp_path / "units.csv"
    assert cli.main(["evaluate-units", "adversarial_editor-synthetic", "--faces", "4", "--out", str(table)]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("no-op baseline", "adversarial_editor-synthetic", "cross_talk", str(table)))
    lines = table.read_text().splitlines()
    assert lines[0].startswith("name,error,error_of_truth,one_sided,")
    assert len(lines) == 3


def test_evaluate_forwards_its_options_and_prints_each_table(monkeypatch, tmp_path, capsys):
    called = {}

    def evaluate_weights(names, out, **options):
        called.update(options, names=names, out=out)
        options["log"]("measuring")
        numbers = {"edit_success": 0.5, "edit_success_low": 0.4, "edit_success_high": 0.6}
        return {"synthetic-48px-8": pd.DataFrame([{"name": "one", "faces": 20, **numbers}])}

    monkeypatch.setattr("facekit.evaluation.benchmark.evaluate_weights", evaluate_weights)
    monkeypatch.setattr(
        "facekit.evaluation.benchmark.Panel.load", lambda external, photographs: f"judges of {external}"
    )
    arguments = ["one", "two", "--faces", "8", "--intensities", "--out", str(tmp_path), "--judges", "mine"]
    assert cli.main(["evaluate", *arguments]) == 0
    assert (called["names"], called["out"], called["panel"]) == (["one", "two"], tmp_path, "judges of mine")
    assert (called["faces"], called["intensities"], called["again"]) == (8, True, False)
    said = capsys.readouterr().out
    assert "50.0% (40.0% to 60.0%)" in said
    assert said.splitlines()[0] == "measuring"
    assert said.splitlines()[-1] == str(tmp_path / "synthetic-48px-8" / "leaderboard.csv")


def test_docs_builds_the_site_with_warnings_as_errors(monkeypatch, tmp_path, capsys):
    called = []
    monkeypatch.setattr(subprocess, "call", lambda command, cwd: called.append(command) or len(called) - 1)
    assert cli.main(["docs", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'docs' / 'index.html'}\n"
    [command] = called
    assert command[1:5] == ["-m", "sphinx", "-W", "--keep-going"]
    assert command[-1] == str(tmp_path)
    assert cli.main(["docs"]) == 1  # Sphinx failed
    assert capsys.readouterr().out == ""


def test_docs_names_the_package_that_is_missing(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, message = status_and_message(capsys, "docs")
    assert (status, message.count("\n")) == (2, 1)
    assert "pip install -e '.[dev]'" in message


def test_all_checks_run_and_one_failure_is_enough_to_fail(monkeypatch):
    ran = []

    def run(command, cwd, env):
        ran.append(command[2:])
        return subprocess.CompletedProcess(command, int(command[2] == "ruff"))

    monkeypatch.setattr(subprocess, "run", run)
    assert maintenance.all_tests(["-k", "some"]) == 1
    assert [command[0] for command in ran] == ["ruff", "ruff", "codespell_lib", "pytest"]
    assert ran[-1][-2:] == ["-k", "some"]
    assert maintenance.lint() == 1


def test_recipes_of_shipped_weights_refer_to_existing_names():
    from facekit.datasets.base import DATASETS, dataset_class
    from facekit.models.system import system_class
    from facekit.training.overrides import checked
    from facekit.training.profiles import profile_named

    for name, recipe in shipped.SHIPPED.items():
        assert recipe.data in DATASETS
        parts = {
            "": type(system_class(recipe.system).presets[recipe.profile]),
            "profile": type(profile_named(recipe.profile)),
            "data": dataset_class(recipe.data),
        }
        for field, value in recipe.runs[-1].items():
            part, _, field = field.rpartition(".")
            checked(parts[part], {field: value})
        drawn = [field for field in recipe.overrides if field.startswith("data.")]
        options = {field.removeprefix("data."): recipe.overrides[field] for field in drawn}
        data = {"name": recipe.data, "options": options}
        variant = shipped.variant_of(name)
        card = WeightsCard(recipe.system, recipe.profile, {}, channels=3, data=data, steps=0, variant=variant)
        assert name == card.name


def test_retrained_weights_are_stored_with_their_card(monkeypatch, tmp_path):
    def train(system, *, out, start=None, **options):
        out.mkdir(parents=True)
        start = {"start": str(start)}
        (out / "weights.safetensors").write_bytes(b"numbers")
        write_json(out / "weights.json", {"system": system, **options, "overrides": dict(options["overrides"])} | start)
        return out / "weights.safetensors"

    monkeypatch.setattr(retraining, "train", train)
    monkeypatch.setattr(retraining, "checkout", lambda: tmp_path)
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path / "runs"))
    path = retraining.retrain("emotion_resnet-fer2013")
    assert path == tmp_path / "data/weights/emotion_resnet-fer2013.safetensors"
    assert path.read_bytes() == b"numbers"
    assert read_json(path.with_suffix(".json"))["data"] == "fer2013"

    path = retraining.retrain("diffusion_editor-synthetic")
    first = retraining.runs_home() / "weights" / "diffusion_editor-synthetic" / "weights.safetensors"
    card = read_json(path.with_suffix(".json"))
    assert (card["start"], card["overrides"]["steps"], card["overrides"]["varied"]) == (str(first), 900, True)
    assert read_json(first.with_suffix(".json"))["overrides"]["varied"] is False


def test_a_folder_of_images_is_prepared(tmp_path, capsys):
    source, out = tmp_path / "pictures", tmp_path / "faces"
    source.mkdir()
    faces = open_dataset("synthetic", "test", size=128, people=2, faces_per_person=1).faces([0, 1])
    for i, picture in enumerate(faces.images):
        show.to_image(picture, 256).save(source / f"{i}.png")
    (source / "notes.png").write_text("not a picture")
    assert cli.main(["data", "prepare", str(source), str(out), "--size", "48", "--workers", "1"]) == 0
    report = (out / "report.csv").read_text()
    assert "notes.png" in report
    assert "notes.png" in capsys.readouterr().out
    assert {Image.open(path).size for path in out.glob("*.png")} == {(48, 48)}
    broken = tmp_path / "net.onnx"
    broken.write_text("not a network")
    status, said = status_and_message(capsys, "data", "prepare", str(source), str(out), "--network", str(broken))
    assert (status, "net.onnx" in said, said.count("\n")) == (2, True, 1)


def test_a_sheet_shows_people_and_emotions(tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert cli.main(["data", "sheet", str(sheet), "--people", "2", "--size", "32"]) == 0
    assert Image.open(sheet).width >= 7 * 32
    assert status_and_message(capsys, "data", "sheet", str(sheet), "--first", "999")[0] == 2


def test_a_sheet_of_people(tmp_path):
    sheet = tmp_path / "people.png"
    assert cli.main(["data", "sheet", str(sheet), "--once", "--people", "12", "--size", "32"]) == 0
    width, height = Image.open(sheet).size
    assert 10 * 32 <= width < 11 * 36
    assert 2 * 32 <= height < 3 * 32


def test_a_sheet_shows_every_action_unit_from_zero_to_full_intensity(tmp_path):
    both, left = tmp_path / "both.png", tmp_path / "left.png"
    assert cli.main(["data", "sheet", str(both), "--action-units", "--size", "32", "--people", "2"]) == 0
    assert cli.main(["data", "sheet", str(left), "--action-units", "--size", "32", "--side", "left"]) == 0
    cells = _cells(both, 32, 12)
    assert len(cells) == len(ACTION_UNITS)
    for rest, full in ((0, 5), (6, 11)):  # the columns of one person, then of the other
        assert (cells[:, rest] == cells[0, rest]).all()
        assert (np.abs(cells[:, full] - cells[:, rest]).max((1, 2, 3)) > 10).all()
    assert (cells[0, 0] != cells[0, 6]).any()
    cells = _cells(left, 32, 6)
    assert len(cells) == sum(unit.sided for unit in ACTION_UNITS)
    change = np.abs(cells[:, 5] - cells[:, 0]).max((1, 3))  # (units, x)
    assert (change[:, 17:].sum(1) > 1.5 * change[:, :15].sum(1)).all()  # the left side is on the right


def _cells(sheet, size, across):
    """The images (rows, across, size, size, 3) of a sheet with names above and to the left."""
    pixels = np.asarray(Image.open(sheet).convert("RGB")).astype(int)
    rows = (pixels.shape[0] - 22 + 4) // (size + 4)
    left = pixels.shape[1] - (size + 4) * across + 4
    cells = [
        [pixels[22 + y * (size + 4) :, left + x * (size + 4) :][:size, :size] for x in range(across)]
        for y in range(rows)
    ]
    return np.array(cells)
