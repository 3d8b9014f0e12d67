"""Miniature notebooks without heavy imports."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = 'PROFILE = "smoke"  # one of smoke, laptop: how long to train\nSEED = 0  # of all random numbers'


def _write(folder: Path, name: str, *cells: str, parameters: str | None = PARAMETERS, needs=()) -> Path:
    first = [] if parameters is None else [new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    content = [new_markdown_cell(f"# {name}"), *first, *map(new_code_cell, cells)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "facekit": {"needs": list(needs)}}
    path = folder / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=content, metadata=metadata), path)
    return path


@pytest.fixture(scope="session")
def write_notebook():
    """`write_notebook(folder, "01_a", "print(1)", needs=["00_b"])` writes `folder/notebooks/01_a.ipynb`."""
    return _write


@pytest.fixture
def notebook(tmp_path):
    """The same in the temporary folder of the test: `notebook("01_a", "print(1)")`."""

    def write(name: str, *cells: str, **options) -> Path:
        return _write(tmp_path, name, *cells, **options)

    return write
