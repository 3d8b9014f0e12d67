"""The spelling check reads text, code and notebooks, and neither images nor datasets."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from facekit.cli import maintenance

ROOT = Path(__file__).parents[2]
WRONG = "rec" + "ieve"  # in two parts, so that the check of this file passes


@pytest.fixture
def folder(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("experiments", "results", "weights"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data" / "README.md").write_text("Datasets.\n")
    return tmp_path


def misspelt(folder: Path) -> set[str]:
    """The files in which the linter's own call of codespell finds misspellings."""
    arguments = next(arguments for arguments in maintenance._LINT if arguments[0] == "codespell_lib")
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True)
    found = {str(Path(line.split(":")[0])) for line in done.stdout.splitlines()}
    assert bool(done.returncode) == bool(found), done.stderr
    return found


@pytest.mark.parametrize("name", ["README.md", "code.py", "data/README.md", "data/weights/card.json"])
def test_a_misspelling_is_found(folder, name):
    assert misspelt(folder) == set()
    (folder / name).write_text(f"# to {WRONG} a face\n")
    assert misspelt(folder) == {str(Path(name))}


def test_datasets_and_runs_are_not_read(folder):
    for name in ("data/fer2013", "runs"):
        (folder / name).mkdir()
        (folder / name / "labels.csv").write_text(f"{WRONG}\n")
    assert misspelt(folder) == set()


def test_the_words_of_a_notebook_are_read_and_its_images_are_not(folder):
    image = f"{'A' * 20}+{WRONG}/" * 9  # base64 spells words by chance
    shown = {"image/png": image, "text/html": [f'<img src="data:image/png;base64,{image}">']}
    picture = nbformat.v4.new_output("display_data", data=shown)
    cells = [nbformat.v4.new_markdown_cell("Words."), nbformat.v4.new_code_cell("1", outputs=[picture])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "lesson.ipynb")
    assert misspelt(folder) == set()
    cells[0].source = f"To {WRONG}."
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "lesson.ipynb")
    assert misspelt(folder) == {"lesson.ipynb"}
