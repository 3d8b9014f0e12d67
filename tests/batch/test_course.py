"""Copies for a course: what is removed, what stays, and that a student's copy still runs."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from facekit.batch.course import INSTRUCTOR, STUDENT, broken_cells, for_instructors, for_students, write_copies

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", ())]


@each_notebook
def test_a_students_copy_has_exercises_and_checks_but_no_solutions(path):
    whole, copy = nbformat.read(path, as_version=4), for_students(path)
    assert not tagged(copy, "solution")
    assert len(tagged(copy, "exercise")) == len(tagged(copy, "check")) == len(tagged(whole, "solution"))
    assert tagged(copy, "raises-exception") == tagged(copy, "check")  # otherwise Jupyter stops there
    assert not any({"facekit", "nbgrader"} & cell.metadata.keys() for cell in copy.cells)
    assert not any(cell.get("outputs") for cell in copy.cells)
    text = nbformat.writes(copy)
    assert not any(cell.source in text for cell in tagged(whole, "solution"))
    assert copy.cells[0].attachments == whole.cells[0].attachments  # the cover stays


@each_notebook
def test_the_instructors_copy_shows_solutions_and_refused_answers(path):
    whole, copy = nbformat.read(path, as_version=4), for_instructors(path)
    text = "\n".join(cell.source for cell in copy.cells)
    for check in tagged(whole, "check"):
        assert all(answer in text for answer in check.metadata.facekit["wrong_answers"])
    assert all(cell.source in text for cell in tagged(whole, "solution"))
    nbformat.validate(copy)


def defined(source):
    """The names that a cell defines anywhere."""
    tree = ast.parse(source)
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    named = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return stored | named | {a.arg for a in ast.walk(tree) if isinstance(a, ast.arg)}


@each_notebook
def test_only_its_check_needs_an_answer(path):
    """A student who has not solved an exercise can continue."""
    answers = set()
    for cell in for_students(path).cells:
        if cell.cell_type != "code" or "check" in cell.metadata.get("tags", ()):
            continue
        if "exercise" in cell.metadata.get("tags", ()):
            answers |= defined(cell.source)
            continue
        tree = ast.parse(cell.source)
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        assert not used & answers - defined(cell.source), f"{cell.id} needs the answer of an exercise"


def test_a_students_copy_runs_to_its_end_with_unsolved_exercises(tmp_path):
    """One notebook of many; `make student ARGS=--try` executes all."""
    written = write_copies(NOTEBOOKS[:1], tmp_path)
    assert [path.parent.name for path in written] == [STUDENT, INSTRUCTOR, NOTEBOOKS[0].stem]
    assert broken_cells(written[0]) == []


def test_failing_cells_and_passing_checks_are_listed(tmp_path):
    cells = [
        new_code_cell("answer = ...", id="exercise", metadata={"tags": ["exercise"]}),
        new_code_cell("assert answer == 1", id="check", metadata={"tags": ["check"]}),
        new_code_cell("assert True", id="useless-check", metadata={"tags": ["check"]}),
        new_code_cell("answer + 1", id="needs-the-answer"),
        new_code_cell("1 + 1", id="goes-on"),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "copy.ipynb")
    assert broken_cells(tmp_path / "copy.ipynb") == ["useless-check", "needs-the-answer"]
