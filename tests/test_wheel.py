"""facekit installed from its wheel, far from the checkout: weights, notebooks, and a folder that is read-only."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

EDIT = """
import json, facekit
from facekit.datasets import open_dataset
from facekit.models.load import load_system
system = load_system("stargan-synthetic")
faces = open_dataset("synthetic", "test", size=64, people=2, faces_per_person=1).faces(range(2))
edited = system.edit(faces, facekit.Expression.of("happy"))
print(json.dumps([facekit.__file__, list(edited.shape)]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of an installation of the wheel without its dependencies, read-only."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy: building leaves files behind
    ignored = shutil.ignore_patterns(".git", ".venv", "runs", "build", "cache", "__pycache__", "*.egg-info", "docs")
    shutil.copytree(ROOT, source, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "wheel", *offline, "-w", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    subprocess.run([*pip, "install", *offline, "--target", str(target), str(wheel)], check=True)
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    yield target
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)


def python(installed, home, *arguments):
    """Run Python with this installation, in an empty folder."""
    environment = os.environ | {
        "PYTHONPATH": str(installed),
        "PYTHONDONTWRITEBYTECODE": "1",
        "FACEKIT_RUNS": str(home / "runs"),
        "FACEKIT_DATA": str(home / "data"),
    }
    return subprocess.run([sys.executable, *arguments], cwd=home, env=environment, capture_output=True, text=True)


def test_the_shipped_weights_edit_a_face(installed, tmp_path):
    done = python(installed, tmp_path, "-c", EDIT)
    assert done.returncode == 0, done.stderr
    file, shape = json.loads(done.stdout)
    assert Path(file).is_relative_to(installed)
    assert shape == [2, 3, 64, 64]
    assert not list(tmp_path.iterdir())


def test_the_course_is_written_where_it_is_wanted(installed, tmp_path):
    done = python(installed, tmp_path, "-m", "facekit", "course", "mine")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert sorted(path.name for path in (tmp_path / "mine" / "notebooks").iterdir()) == names
    assert (tmp_path / "mine" / "Makefile").is_file()
    again = python(installed, tmp_path, "-m", "facekit", "course", "mine")
    assert again.returncode == 2
    assert "exists: name a new folder" in again.stderr


def test_recorded_results_come_with_it(installed, tmp_path):
    code = "from facekit.evaluation.results import read_table; print(len(read_table('generators')['rows']))"
    assert int(python(installed, tmp_path, "-c", code).stdout) > 5


@pytest.mark.parametrize(
    "command", ["lint", "docs", "pin", "test", "test-browser", "results", "weights-cards", "weights"]
)
def test_what_needs_the_repository_says_so_and_writes_nothing(installed, tmp_path, command):
    done = python(installed, tmp_path, "-m", "facekit", command)
    assert done.returncode == 2
    assert f"`facekit {command}` works on the files of facekit's repository" in done.stderr
    assert not list(tmp_path.iterdir())


def test_where_there_are_no_notebooks_the_way_to_them_is_named(installed, tmp_path):
    for command in (["student", "00"], ["slides"], ["run", "--notebooks", "00"]):
        done = python(installed, tmp_path, "-m", "facekit", *command)
        assert done.returncode == 2
        assert "facekit course DIR" in done.stderr


def test_a_generator_leaves_as_a_file(installed, tmp_path):
    done = python(installed, tmp_path, "-m", "facekit", "export", "stargan-synthetic", "x.onnx")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.onnx").stat().st_size > 10**6


def test_the_studio_is_served(installed, tmp_path):
    code = (
        "from facekit.studio.server import Studio\n"
        "from facekit.studio.contents import web_file\n"
        "print(len(web_file('studio.js')), len(Studio().page))"
    )
    done = python(installed, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert all(int(size) > 5000 for size in done.stdout.split())
