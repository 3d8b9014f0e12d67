"""Copies of the notebooks for a course: for students, without solutions, for the instructor, and for nbgrader.

The notebooks carry nbgrader's metadata: a solution is an answer that it removes, a check a read-only test that gives
points. So its commands work on the notebooks themselves, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.v4 import new_markdown_cell
from traitlets.config import Config

from facekit.batch.notebooks import execute
from facekit.workspace.files import write_text
from facekit.workspace.folders import shipped

STUDENT, INSTRUCTOR, NBGRADER = "student", "instructor", "nbgrader"
"""The folders of copies. The last is the folder of a course as nbgrader expects it."""

_NBGRADER_CONFIG = """# In this folder: nbgrader generate_assignment NAME, and later autograde and generate_feedback.
c = get_config()
c.CourseDirectory.course_id = "facekit"
# The form of an answer is in the cell above it, where students may write their answer as well.
c.ClearSolutions.code_stub = {"python": "# Write your answer here, in the form of the cell above."}
c.Execute.timeout = 900  # seconds for a cell
"""

_MAKEFILE = """# Each target is one call of facekit, which must be installed: pip install facekit
run:
\tpython -m facekit run $(ARGS)
lab:
\tpython -m facekit lab $(ARGS)
app:
\tpython -m facekit app $(ARGS)
student:
\tpython -m facekit student $(ARGS)
.PHONY: run lab app student
"""


def write_course(folder: Path) -> list[Path]:
    """Write the notebooks that come with facekit, and a Makefile, into a folder; returns their paths.

    Every command works there. Raises `FileExistsError`, before anything is written, where one of the files exists.
    """
    sources = sorted((shipped() / "notebooks").glob("*.ipynb"))
    targets = [folder / "notebooks" / path.name for path in sources]
    if existing := [path for path in (*targets, folder / "Makefile") if path.exists()]:
        raise FileExistsError(f"{existing[0]} exists: name a new folder, so that no work in it is lost")
    for source, target in zip(sources, targets, strict=True):
        write_text(target, source.read_text(encoding="utf-8"))
    write_text(folder / "Makefile", _MAKEFILE)
    return [*targets, folder / "Makefile"]


_WITHOUT_OUTPUTS = {"ClearOutputPreprocessor": {"enabled": True}}
_WITHOUT_SOLUTIONS = _WITHOUT_OUTPUTS | {
    "TagRemovePreprocessor": {"enabled": True, "remove_cell_tags": ["solution"]},
}


def write_copies(notebooks: Iterable[Path], out: Path) -> list[Path]:
    """Write the copies of notebooks into `out/student`, `out/instructor` and `out/nbgrader`; returns their paths.

    A student's copy has no solutions and no outputs. Its check cells may fail without stopping the later cells. The
    instructor's copy is the notebook itself; after each check it lists the wrong answers that the check refuses. For
    nbgrader, each notebook is an assignment of its own name.
    """
    written = []
    for path in notebooks:
        copies = {
            Path(STUDENT): for_students(path),
            Path(INSTRUCTOR): for_instructors(path),
            Path(NBGRADER, "source", path.stem): for_nbgrader(path),
        }
        for folder, copy in copies.items():
            written.append(out / folder / path.name)
            write_text(written[-1], nbformat.writes(copy) + "\n")
    write_text(out / NBGRADER / "nbgrader_config.py", _NBGRADER_CONFIG)
    return written


def for_students(path: Path) -> nbformat.NotebookNode:
    """A notebook without solutions, without outputs, and without the wrong answers that its checks are tested with."""
    notebook = _exported(path, _WITHOUT_SOLUTIONS)
    for cell in _checks(notebook):
        cell.metadata.pop("facekit", None)
        cell.metadata.pop("nbgrader", None)
        cell.metadata.tags = [*cell.metadata.tags, "raises-exception"]  # Jupyter's tag for a cell that may fail
    return notebook


def for_nbgrader(path: Path) -> nbformat.NotebookNode:
    """A notebook from which nbgrader makes an assignment: without outputs, and without the wrong answers, which
    nbgrader would hand out."""
    notebook = _exported(path, _WITHOUT_OUTPUTS)
    for cell in _checks(notebook):
        cell.metadata.pop("facekit", None)
    return notebook


def for_instructors(path: Path) -> nbformat.NotebookNode:
    """A notebook that lists after each check the plausible wrong answers that the check refuses."""
    notebook = nbformat.read(path, as_version=4)
    for cell in _checks(notebook):
        answers = "\n\n".join(f"```python\n{answer}\n```" for answer in cell.metadata.facekit["wrong_answers"])
        refused = new_markdown_cell(f"**Refused by this check:**\n\n{answers}", id=f"{cell.id}-refused"[:64])
        notebook.cells.insert(notebook.cells.index(cell) + 1, refused)
    return notebook


def broken_cells(copy: Path) -> list[str]:
    """Execute a student's copy with its exercises unsolved. Returns the ids of the checks that pass nevertheless, and
    of the other cells that fail; an empty list is right."""
    notebook = nbformat.read(copy, as_version=4)
    execute(notebook, copy.parent, stop_on_error=False)
    checks = {cell.id for cell in _checks(notebook)}
    failed = {cell.id for cell in notebook.cells if any(o.output_type == "error" for o in cell.get("outputs", ()))}
    return [cell.id for cell in notebook.cells if cell.id in checks ^ failed]


def _exported(path: Path, config: Mapping[str, object]) -> nbformat.NotebookNode:
    text, _ = NotebookExporter(config=Config(config)).from_filename(str(path))
    return nbformat.reads(text, as_version=4)


def _checks(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if "check" in cell.metadata.get("tags", ())]
