"""Copies of the notebooks for a course: for students, without solutions, and for the instructor."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.v4 import new_markdown_cell
from traitlets.config import Config

from facekit.batch.notebooks import execute
from facekit.workspace.files import write_text
from facekit.workspace.folders import shipped

STUDENT, INSTRUCTOR = "student", "instructor"
"""The two folders of copies."""

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


_WITHOUT_SOLUTIONS = Config(
    {
        "TagRemovePreprocessor": {"enabled": True, "remove_cell_tags": ["solution"]},
        "ClearOutputPreprocessor": {"enabled": True},
    }
)


def write_copies(notebooks: Iterable[Path], out: Path) -> list[Path]:
    """Write both copies of notebooks into `out/student` and `out/instructor`; returns their paths.

    A student's copy has no solutions and no outputs. Its check cells may fail without stopping the later cells. The
    instructor's copy is the notebook itself; after each check it lists the wrong answers that the check refuses.
    """
    written = []
    for path in notebooks:
        for folder, copy in ((STUDENT, for_students(path)), (INSTRUCTOR, for_instructors(path))):
            written.append(out / folder / path.name)
            write_text(written[-1], nbformat.writes(copy) + "\n")
    return written


def for_students(path: Path) -> nbformat.NotebookNode:
    """A notebook without solutions, without outputs, and without the wrong answers that its checks are tested with."""
    text, _ = NotebookExporter(config=_WITHOUT_SOLUTIONS).from_filename(str(path))
    notebook = nbformat.reads(text, as_version=4)
    for cell in _checks(notebook):
        cell.metadata.pop("facekit", None)
        cell.metadata.tags = [*cell.metadata.tags, "raises-exception"]  # Jupyter's tag for a cell that may fail
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


def _checks(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if "check" in cell.metadata.get("tags", ())]
