"""nbgrader hands out, grades and comments on the exercises of the notebooks as they are committed."""

import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from facekit.batch.course import NBGRADER, write_copies

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
ASSIGNMENT = "exercises"
RIGHT, WRONG, UNFINISHED, ABOVE = "right", "wrong", "unfinished", "above"
"""The students. The last one writes answers into the cells that show their form."""


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", ())]


def all_exercises() -> nbformat.NotebookNode:
    """The exercises, solutions and checks of all notebooks, which stand alone, as one notebook."""
    imports = new_code_cell("import facekit, torch\nfrom facekit import Expression, show", id="imports")
    cells = [imports]
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        cells += [
            cell for cell in notebook.cells if {"exercise", "solution", "check"} & {*cell.metadata.get("tags", ())}
        ]
    return new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})


def answer(solution: str) -> str:
    """A solution without what it goes on to show, which needs the rest of its notebook."""
    return solution.split("\n\n\nprint(")[0]


def submission(released: nbformat.NotebookNode, whole: nbformat.NotebookNode, student: str) -> nbformat.NotebookNode:
    """What a student hands in."""
    notebook = deepcopy(released)
    cells = {cell.id: cell for cell in notebook.cells}
    for stub, solution, check in zip(*(tagged(whole, tag) for tag in ("exercise", "solution", "check")), strict=True):
        if student == RIGHT:
            cells[solution.id].source = answer(solution.source)
        elif student == WRONG:
            cells[solution.id].source = check.metadata.facekit["wrong_answers"][0]
            cells[check.id].source = "print('Correct')"  # nbgrader restores checks that a student has changed
        elif student == ABOVE:
            cells[stub.id].source = answer(solution.source)
    return notebook


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A course of nbgrader whose one assignment has been graded."""
    out = tmp_path_factory.mktemp("course")
    whole = all_exercises()
    nbformat.write(whole, out / f"{ASSIGNMENT}.ipynb")
    write_copies([out / f"{ASSIGNMENT}.ipynb"], out)
    folder = out / NBGRADER
    nbgrader(folder, "generate_assignment", "--create")
    released = nbformat.read(folder / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", as_version=4)
    for student in (RIGHT, WRONG, UNFINISHED, ABOVE):
        target = folder / "submitted" / student / ASSIGNMENT
        target.mkdir(parents=True)
        nbformat.write(submission(released, whole, student), target / f"{ASSIGNMENT}.ipynb")
    nbgrader(folder, "autograde", "--create")
    nbgrader(folder, "generate_feedback")
    return folder


def nbgrader(folder: Path, command: str, *options: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader calls alembic by name
    call = [sys.executable, "-m", "nbgrader", command, ASSIGNMENT, *options]
    done = subprocess.run(call, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def points(course: Path) -> dict[str, tuple[float, float]]:
    """The points that each student has, and those that there are."""
    from nbgrader.api import Gradebook

    path = os.environ["PATH"]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
    try:
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
            return {each.student.id: (each.score, each.max_score) for each in book.assignment_submissions(ASSIGNMENT)}
    finally:
        os.environ["PATH"] = path


def test_an_assignment_has_no_solutions_and_its_checks_are_read_only(course):
    released = nbformat.read(course / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", as_version=4)
    assert len(tagged(released, "solution")) == len(tagged(released, "check")) == len(tagged(all_exercises(), "check"))
    assert all("facekit" not in cell.metadata for cell in released.cells)  # the wrong answers
    assert all(cell.source.startswith("# Write your answer here") for cell in tagged(released, "solution"))
    assert all(cell.metadata.editable is False for cell in tagged(released, "check"))


def test_right_answers_get_all_points_and_wrong_or_missing_ones_none(course):
    exercises = len(tagged(all_exercises(), "check"))
    assert exercises >= 2 * len(NOTEBOOKS)
    assert points(course) == {
        RIGHT: (exercises, exercises),
        ABOVE: (exercises, exercises),
        WRONG: (0, exercises),
        UNFINISHED: (0, exercises),
    }


def test_feedback_says_what_is_wrong(course):
    page = (course / "feedback" / UNFINISHED / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text(encoding="utf-8")
    assert "AssertionError" in page
    assert "returns nothing yet" in page


def test_nbgrader_takes_a_committed_notebook_without_our_settings(tmp_path):
    """Its own form of an unanswered cell then stops a notebook there, as in any of its courses."""
    source = tmp_path / "source" / ASSIGNMENT
    source.mkdir(parents=True)
    nbformat.write(nbformat.read(NOTEBOOKS[0], as_version=4), source / NOTEBOOKS[0].name)
    nbgrader(tmp_path, "generate_assignment", "--create")
    released = nbformat.read(tmp_path / "release" / ASSIGNMENT / NOTEBOOKS[0].name, as_version=4)
    assert [cell.source.splitlines()[0] for cell in tagged(released, "solution")] == ["# YOUR CODE HERE"] * 2
