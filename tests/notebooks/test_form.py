"""Every committed notebook keeps the form that readers, nbval and batch runs rely on; and the check itself works."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from facekit.batch.parameters import parameters_of

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

ABSOLUTE = re.compile(r"(?<![\w.:/~])/(?:home|root|work|tmp|Users|mnt|media|opt|usr|var|content|kaggle)/|\b[A-Z]:\\")
NETWORK = re.compile(
    r"\b(?:import requests|requests\.(?:get|post)|urllib|httpx|wget|curl|gdown|hf_hub_download|load_state_dict_from_url"
    r"|download=True)\b"
)
LONG, LONGEST = 25, 40  # lines of a code cell
DEBRIS = re.compile(r"\r|\d+%\|| ?(?:it/s|s/it)\b|Warning:|Traceback \(most recent")


def faults(path: Path) -> list[str]:
    """What is wrong with a notebook's form, one sentence each."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    checks = (_file, _opening, _parameters, _sources, _lengths, _execution, _outputs, _teaching)
    return [fault for check in checks for fault in check(path, notebook)]


def _file(path: Path, notebook) -> Iterator[str]:
    if not re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem):
        yield f"{path.name} is not named NN_name.ipynb"
    if path.stat().st_size >= 1_000_000:
        yield f"it has {path.stat().st_size:,} bytes, which is not under 1 MB"
    if len(notebook.cells) < 15:
        yield f"it has {len(notebook.cells)} cells, not at least 15"
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "its kernel is not python3"
    for name in ("widgets", "papermill"):
        if name in notebook.metadata:
            yield f"its metadata keep {name}"


def _opening(path: Path, notebook) -> Iterator[str]:
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not first.source.startswith("# "):
        yield "it does not start with a title"
    goals = re.findall(r"^(?:[*-]|\d\.) ", first.source, re.MULTILINE)
    if not 3 <= len(goals) <= 5:
        yield f"its first cell lists {len(goals)} learning goals, not 3 to 5"
    if "![" not in first.source:
        yield "its first cell shows no picture of what will be made"
    for cell in notebook.cells:
        for name in set(re.findall(r"\(attachment:([^)]+)\)", cell.source)) - set(cell.get("attachments", {})):
            yield f"the picture {name} is not attached to its cell"


def _parameters(path: Path, notebook) -> Iterator[str]:
    tagged = [i for i, cell in enumerate(notebook.cells) if "parameters" in _tags(cell)]
    if tagged != [1]:
        yield f"cells {tagged} are tagged parameters; it must be the second cell alone"
        return
    known = parameters_of(path)
    for name in {"PROFILE", "DATASET", "SEED"} - known.keys():
        yield f"it has no parameter {name}"
    for name, parameter in known.items():
        if not parameter.help:
            yield f"its parameter {name} has no comment"
        if name in ("PROFILE", "DATASET") and not parameter.choices:
            yield f"the comment of {name} does not say which values it takes"


def _sources(path: Path, notebook) -> Iterator[str]:
    for i, cell in _code(notebook):
        if re.search(r"^\s*from .* import \*", cell.source, re.MULTILINE):
            yield f"cell {i} imports *"
        if re.search(r"^\s*[!%]", cell.source, re.MULTILINE):
            yield f"cell {i} calls the shell or a magic"
        if match := NETWORK.search(cell.source):
            yield f"cell {i} reaches for the network: {match[0]}"
    for i, cell in enumerate(notebook.cells):
        if match := ABSOLUTE.search(cell.source):
            yield f"cell {i} has an absolute path: {match[0]}"


def _lengths(path: Path, notebook) -> Iterator[str]:
    lengths = {i: len(cell.source.splitlines()) for i, cell in _code(notebook)}
    for i, lines in lengths.items():
        if lines > LONGEST:
            yield f"cell {i} has {lines} lines of code, not at most {LONGEST}"
    long = [i for i, lines in lengths.items() if lines > LONG]
    if len(long) > len(lengths) / 4:
        yield f"cells {long} have more than {LONG} lines of code, which few should"


def _execution(path: Path, notebook) -> Iterator[str]:
    counts = [cell.execution_count for _, cell in _code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield "its code cells were not all executed from first to last in a fresh kernel"
    if not any(_kinds(cell) & {"image/png", "image/gif"} for _, cell in _code(notebook)):
        yield "no cell shows a picture"


def _outputs(path: Path, notebook) -> Iterator[str]:
    for i, cell in _code(notebook):
        for output in cell.outputs:
            text = _text(output)
            if output.output_type == "error":
                yield f"cell {i} ended in {output.ename}"
            elif output.get("name") == "stderr":
                yield f"cell {i} left something on the standard error"
            elif match := DEBRIS.search(text):
                yield f"cell {i} left a warning or a progress bar: {match[0]!r}"
            elif match := ABSOLUTE.search(text):
                yield f"cell {i} shows an absolute path: {match[0]}"


def _teaching(path: Path, notebook) -> Iterator[str]:
    checked = [cell for _, cell in _code(notebook) if cell.source.startswith("# NBVAL_CHECK_OUTPUT")]
    if len(checked) < 5:
        yield f"{len(checked)} cells have their output checked by nbval, not at least 5"
    if any(not cell.outputs for cell in checked):
        yield "a cell whose output nbval is to check has none"
    solutions = [cell for _, cell in _code(notebook) if "solution" in _tags(cell)]
    if len(solutions) < 2:
        yield f"{len(solutions)} cells are tagged solution, not at least 2"


def _code(notebook):
    return [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


def _tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def _kinds(cell) -> set[str]:
    return {kind for output in cell.outputs for kind in output.get("data", {})}


def _text(output) -> str:
    """What a reader sees as text, pictures left out."""
    data = output.get("data", {})
    shown = [value for kind, value in data.items() if kind.startswith("text/plain") and "image/png" not in data]
    return "".join([output.get("text", ""), *shown])


# ----------------------------------------------------------------------------------------------------- the tests


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_keeps_the_form(path):
    assert faults(path) == []


def good():
    """A miniature that keeps the form."""
    parameters = 'PROFILE = "a"  # one of a, b: how long\nDATASET = "a"  # one of a, b: which\nSEED = 0  # chance'
    picture = {"image/png": "iVBOR", "text/plain": "<Figure>"}
    checked = "# NBVAL_CHECK_OUTPUT\nprint(1)"
    cells = [
        new_markdown_cell("# Title\n\n![what you make](attachment:a.png)\n\n* one\n* two\n* three"),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *[new_code_cell(checked, outputs=[new_output("stream", text="1\n")]) for _ in range(5)],
        *[new_code_cell("answer = 1", metadata={"tags": ["solution"]}) for _ in range(2)],
        new_code_cell("show(1)", outputs=[new_output("display_data", picture)]),
        *[new_markdown_cell("Words / and fractions 1/2, see ../data/.") for _ in range(5)],
    ]
    cells[0].attachments = {"a.png": {"image/png": "iVBOR"}}
    for number, cell in enumerate([cell for cell in cells if cell.cell_type == "code"], 1):
        cell.execution_count = number
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def found(tmp_path, notebook, name="01_good.ipynb"):
    path = tmp_path / name
    nbformat.write(notebook, path)
    return faults(path)


def test_a_notebook_in_form_has_no_fault(tmp_path):
    assert found(tmp_path, good()) == []


def _set(cell: int, **changes) -> Callable:
    return lambda notebook: notebook.cells[cell].update(changes)


def _output(**output) -> Callable:
    return lambda notebook: notebook.cells[3].outputs.append(new_output(**output))


BAD = {
    "does not start with a title": _set(0, source="no title\n![](a)\n* 1\n* 2\n* 3"),
    "lists 2 learning goals": _set(0, source="# T\n![](a)\n* 1\n* 2"),
    "shows no picture of what": _set(0, source="# T\n* 1\n* 2\n* 3"),
    "b.png is not attached": _set(0, source="# T\n![](attachment:b.png)\n* 1\n* 2\n* 3"),
    "tagged parameters": _set(1, metadata={}),
    "no parameter SEED": _set(1, source='PROFILE = "a"  # one of a: x\nDATASET = "a"  # one of a: x'),
    "parameter SEED has no comment": _set(1, source='PROFILE = "a"  # one of a\nDATASET = "a"  # one of a\nSEED = 0'),
    "comment of PROFILE does not say": _set(1, source='PROFILE = "a"  # x\nDATASET = "a"  # one of a\nSEED = 0  # x'),
    "imports *": _set(9, source="from facekit import *"),
    "calls the shell": _set(9, source="!pip install x"),
    "or a magic": _set(9, source="%pip install x"),
    "reaches for the network": _set(9, source="import requests"),
    "has an absolute path": _set(9, source="open('/home/me/x')"),
    "not all executed": _set(9, execution_count=None),
    "from first to last": _set(9, execution_count=99),
    "no cell shows a picture": _set(9, outputs=[]),
    "ended in ValueError": _output(output_type="error", ename="ValueError", evalue="", traceback=[]),
    "standard error": _output(output_type="stream", name="stderr", text="x"),
    "a warning": _output(output_type="stream", text="UserWarning: x"),
    "a progress bar": _output(output_type="stream", text=" 10%|#   | 1/10"),
    "shows an absolute path": _output(output_type="stream", text="saved to /tmp/x"),
    "4 cells have their output checked": _set(4, source="print(1)"),
    "nbval is to check has none": _set(4, outputs=[]),
    "1 cells are tagged solution": _set(7, metadata={}),
    "kernel is not python3": lambda notebook: notebook.metadata.kernelspec.update(name="my-env"),
    "keep widgets": lambda notebook: notebook.metadata.update(widgets={}),
    "has 14 cells": lambda notebook: notebook.cells.pop(),
    "41 lines of code": _set(9, source="x = 1\n" * 41),
    "cells [2, 3, 4] have more than 25": lambda notebook: [
        cell.update(source="x = 1\n" * 26) for cell in notebook.cells[2:5]
    ],
    "not under 1 MB": _output(output_type="stream", text="x" * 1_000_000),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_fault_is_found(tmp_path, fault):
    notebook = good()
    BAD[fault](notebook)
    assert any(fault in sentence for sentence in found(tmp_path, notebook))


def test_a_name_without_a_number_is_a_fault(tmp_path):
    assert found(tmp_path, good(), "good.ipynb") == ["good.ipynb is not named NN_name.ipynb"]


def test_executing_in_place_keeps_nothing_that_changes(tmp_path):
    from facekit.batch.notebooks import execute_in_place

    notebook = good()
    notebook.cells[9].source = "from IPython.display import display\nimport ipywidgets\ndisplay(ipywidgets.IntSlider())"
    path = tmp_path / "01_good.ipynb"
    nbformat.write(notebook, path)
    execute_in_place(path)
    first = path.read_text()
    content = json.loads(first)
    assert content["metadata"].keys() == {"kernelspec", "language_info"}
    assert all(cell["metadata"].keys() <= {"tags"} for cell in content["cells"])
    assert content["cells"][9]["outputs"] == []
    assert [cell["execution_count"] for cell in content["cells"] if cell["cell_type"] == "code"] == list(range(1, 10))
    execute_in_place(path)
    assert path.read_text() == first
