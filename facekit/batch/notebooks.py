"""Finds notebooks, gives kernels a reproducible environment, and executes notebooks for committing."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from facekit.models.precision import EDIT_PRECISION
from facekit.workspace.attended import UNATTENDED
from facekit.workspace.files import atomic_path
from facekit.workspace.folders import checkout, child_environment

if TYPE_CHECKING:
    from nbformat import NotebookNode

WIDGET = "application/vnd.jupyter.widget-view+json"


class UnknownNotebook(ValueError):
    """A name that matches no notebook. The message lists the notebooks."""


_COURSE = "`python -m facekit course DIR` writes those that come with facekit into a new folder"


def find_notebooks(names: Sequence[str | int] = (), folder: Path | None = None) -> list[Path]:
    """The notebooks with these names, each once, in the order of their file names; all if `names` is empty.

    A name is a number (`2`, `"02"`), a file name with or without its ending, or a path. `folder` defaults to
    `notebooks` in the checkout. Raises `UnknownNotebook`.
    """
    folder = folder or checkout() / "notebooks"
    known = sorted(folder.glob("*.ipynb"))
    if not known and not names:
        raise UnknownNotebook(f"there is no notebook in {folder}; {_COURSE}")
    found = [path for name in names for path in _matching(name, known, folder)] if names else known
    return sorted(dict.fromkeys(found), key=lambda path: path.name)


def _matching(name: str | int, known: Sequence[Path], folder: Path) -> list[Path]:
    text = f"{int(name):02d}" if str(name).isdigit() else str(name)
    if text.endswith(".ipynb") and Path(text).is_file():
        return [Path(text).resolve()]
    stem = Path(text).name.removesuffix(".ipynb")
    if matches := [path for path in known if path.stem == stem or path.stem.startswith(f"{stem}_")]:
        return matches
    if not known:
        raise UnknownNotebook(f"there is no notebook in {folder}; {_COURSE}")
    stems = ", ".join(path.stem for path in known)
    raise UnknownNotebook(f"{name!r} names no notebook in {folder}; the notebooks are: {stems}")


@contextmanager
def kernel_environment(threads: int = 1) -> Iterator[Mapping[str, str]]:
    """Environment variables that make kernels behave alike for every user.

    Kernels use this interpreter, and neither kernels nor start-up files of the user's own; they work without a
    writable home folder; each computes with `threads` threads; and no plot or bar is drawn again and again.
    """
    with tempfile.TemporaryDirectory(prefix="facekit-jupyter-") as folder:
        profile = Path(folder, "ipython", "profile_default")
        profile.mkdir(parents=True)
        # ipykernel warns at every start that its connection to localhost is not encrypted.
        (profile / "ipython_kernel_config.py").write_text('c.IPKernelApp.log_level = "ERROR"\n')
        yield {
            **child_environment(),
            "IPYTHONDIR": str(profile.parent),
            "JUPYTER_RUNTIME_DIR": str(Path(folder, "runtime")),
            "JUPYTER_CONFIG_DIR": str(Path(folder, "config")),
            "JUPYTER_PREFER_ENV_PATH": "1",
            UNATTENDED: "1",
            "OMP_NUM_THREADS": str(threads),
            "OPENBLAS_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
        }


def execute(notebook: NotebookNode, folder: Path, stop_on_error: bool = True) -> None:
    """Execute a notebook in a kernel whose working folder is `folder`, and store the outputs in the notebook.

    A failing cell that is not tagged `raises-exception` raises `nbclient.exceptions.CellExecutionError`; unless
    `stop_on_error`, the later cells are executed too and nothing is raised.
    """
    from nbclient import NotebookClient

    with kernel_environment() as environment, tempfile.TemporaryDirectory(prefix="facekit-run-") as run_folder:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            kernel_manager_class=_kernel_manager_class(),
            timeout=None,
            allow_errors=not stop_on_error,
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
        )
        # Edits in float32, so that the outputs are the same on every processor.
        client.execute(env={**environment, "FACEKIT_RUN_DIR": run_folder, EDIT_PRECISION: "float32"})


@functools.cache
def _kernel_manager_class() -> type:
    """A manager of kernels whose clients have no heartbeat.

    nbclient asks the manager whether a kernel is alive. On a busy machine the heartbeat's thread may wait for a kernel
    that has ended, and then the client waits for that thread forever.
    """
    from jupyter_client.asynchronous import AsyncKernelClient
    from jupyter_client.manager import AsyncKernelManager

    class Client(AsyncKernelClient):
        def start_channels(self, shell=True, iopub=True, stdin=True, hb=True, control=True) -> None:
            super().start_channels(shell, iopub, stdin, hb=False, control=control)

    class Manager(AsyncKernelManager):
        client_factory = Client

    return Manager


def execute_in_place(path: Path) -> None:
    """Execute a notebook with its default parameters and store the outputs in its file, so that they can be committed.

    Apart from the outputs, nothing that changes between executions is stored: no times, no states of widgets, no
    version of the interpreter. If a cell fails, raises `nbclient.exceptions.CellExecutionError` and leaves the file
    unchanged.
    """
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path.parent)
    tidy(notebook)
    with atomic_path(path) as draft:
        nbformat.write(notebook, draft)


def tidy(notebook: NotebookNode) -> None:
    """Remove from a notebook what changes between executions, and outputs that show nothing without a kernel."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.pop("papermill", None)
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        for name in ("execution", "papermill", "ExecuteTime"):
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _is_static(output)]
    _adopt_cover(notebook)


def _is_static(output) -> bool:
    """Whether an output shows something without a kernel. Of a widget that brings an image too, the image is kept."""
    data = output.get("data", {})
    return data.pop(WIDGET, None) is None or "image/png" in data


def _adopt_cover(notebook: NotebookNode) -> None:
    """Make the image shown by the cell tagged `cover` the `attachment:cover.png` of the title cell."""
    for cell in notebook.cells:
        if "cover" in cell.metadata.get("tags", ()):
            images = [data["image/png"] for output in cell.outputs if "image/png" in (data := output.get("data", {}))]
            notebook.cells[0].attachments = {"cover.png": {"image/png": images[0].strip()}}
