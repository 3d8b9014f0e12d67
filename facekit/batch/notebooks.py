"""Where the notebooks are, what a kernel needs around it, and how a notebook is executed for committing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from facekit.workspace.files import atomic_path, write_text
from facekit.workspace.folders import checkout

if TYPE_CHECKING:
    from nbformat import NotebookNode

WIDGET = "application/vnd.jupyter.widget-view+json"


class UnknownNotebook(ValueError):
    """A notebook was asked for that does not exist. The message says which there are."""


def find_notebooks(names: Sequence[str | int] = (), folder: Path | None = None) -> list[Path]:
    """The notebooks that these names mean, each once, in the order of their file names; all where none is named.

    A name is a number (`2`, `"02"`), a file name with or without its ending, or a path. `folder` is `notebooks` in
    the checkout unless given. Raises `UnknownNotebook`.
    """
    folder = folder or checkout() / "notebooks"
    known = sorted(folder.glob("*.ipynb"))
    if not known and not names:
        raise UnknownNotebook(f"there is no notebook in {folder}")
    found = [path for name in names for path in _meant(name, known, folder)] if names else known
    return sorted(dict.fromkeys(found), key=lambda path: path.name)


def _meant(name: str | int, known: Sequence[Path], folder: Path) -> list[Path]:
    text = f"{int(name):02d}" if str(name).isdigit() else str(name)
    if text.endswith(".ipynb") and Path(text).is_file():
        return [Path(text).resolve()]
    stem = Path(text).name.removesuffix(".ipynb")
    if matches := [path for path in known if path.stem == stem or path.stem.startswith(f"{stem}_")]:
        return matches
    there = ", ".join(path.stem for path in known) or "none"
    raise UnknownNotebook(f"{name!r} names no notebook in {folder}; there are: {there}")


@contextmanager
def kernel_environment(threads: int = 1) -> Iterator[Mapping[str, str]]:
    """The environment variables under which kernels run the same for everybody.

    Whoever runs them, kernels use this interpreter and not a kernel or a start-up file of the person's own; they
    work where the home folder cannot be written; and each counts with so many threads.
    """
    with tempfile.TemporaryDirectory(prefix="facekit-jupyter-") as folder:
        profile = Path(folder, "ipython", "profile_default")
        profile.mkdir(parents=True)
        # ipykernel warns at every start that it talks to localhost in plain text.
        (profile / "ipython_kernel_config.py").write_text('c.IPKernelApp.log_level = "ERROR"\n')
        yield {
            **os.environ,
            "IPYTHONDIR": str(profile.parent),
            "JUPYTER_RUNTIME_DIR": str(Path(folder, "runtime")),
            "JUPYTER_CONFIG_DIR": str(Path(folder, "config")),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "OMP_NUM_THREADS": str(threads),
            "OPENBLAS_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
        }


def execute(notebook: NotebookNode, folder: Path, stops: bool = True) -> None:
    """Run a notebook as it is in a kernel that works in `folder`, and keep the outputs in it.

    Raises `nbclient.exceptions.CellExecutionError` where a cell fails that is not tagged `raises-exception`; unless
    `stops`, what comes after is run as well and nothing raised.
    """
    from nbclient import NotebookClient

    with kernel_environment() as environment, tempfile.TemporaryDirectory(prefix="facekit-run-") as own:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=None,
            allow_errors=not stops,
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute(env={**environment, "FACEKIT_RUN_DIR": own})


def execute_in_place(path: Path) -> None:
    """Run a notebook with its own default parameters and keep the outputs in it, so that they can be committed.

    Nothing that changes from one execution to the next is kept beside the outputs: no times, no widgets' state, no
    version of the interpreter. Raises `nbclient.exceptions.CellExecutionError` and leaves the file as it was
    where a cell fails.
    """
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path.parent)
    tidy(notebook)
    with atomic_path(path) as draft:
        nbformat.write(notebook, draft)


def write_app(path: Path) -> Path:
    """Write the notebook of one cell whose output is the page that `facekit app` serves; returns its path."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, writes

    said = (
        "# Emotion sliders\n\nChoose a face and a generator or two, and push an emotion. Nothing leaves this machine."
    )
    cell = new_code_cell("from facekit import show\n\nshow.Studio()")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    write_text(path, writes(new_notebook(cells=[new_markdown_cell(said), cell], metadata={"kernelspec": kernel})))
    return path


def tidy(notebook: NotebookNode) -> None:
    """Take out of a notebook node what differs from one execution to the next, or shows nothing without a kernel."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.pop("papermill", None)
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        for name in ("execution", "papermill", "ExecuteTime"):
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _stands_still(output)]
    _adopt_cover(notebook)


def _stands_still(output) -> bool:
    """Whether an output shows something without a kernel; a widget that also gives its picture is left that one."""
    data = output.get("data", {})
    return data.pop(WIDGET, None) is None or "image/png" in data


def _adopt_cover(notebook: NotebookNode) -> None:
    """The picture that the cell tagged `cover` shows becomes the title's `attachment:cover.png`."""
    for cell in notebook.cells:
        if "cover" in cell.metadata.get("tags", ()):
            pictures = [data["image/png"] for output in cell.outputs if "image/png" in (data := output.get("data", {}))]
            notebook.cells[0].attachments = {"cover.png": {"image/png": pictures[0].strip()}}
