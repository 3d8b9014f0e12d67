"""Executes one run: a notebook with its parameters, in a separate process. It leaves a folder with a record."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from facekit.batch import worker
from facekit.batch.notebooks import kernel_environment
from facekit.batch.plan import Run
from facekit.workspace.files import remove, write_json

if TYPE_CHECKING:
    from nbformat import NotebookNode

_LOG_TAIL = 40  # lines of the log that are shown for an error that left no traceback in the notebook
processes: set[subprocess.Popen] = set()
"""The running workers, which are terminated when this process is interrupted."""


@dataclass(frozen=True)
class Record:
    """The outcome of a run, written as `record.json` into its folder."""

    id: str
    notebook: str
    parameters: dict[str, object]
    digest: str
    status: str  # "done", "failed" or "skipped"
    error: str = ""  # the traceback, or why the run was skipped
    seconds: float = 0.0
    finished: str = ""  # date and time of the end, in ISO 8601, UTC
    host: str = ""
    unchanged: bool = field(default=False, compare=False)  # done by an earlier batch, and not repeated

    def write(self, folder: Path) -> None:
        """Write `record.json` into the run's folder, whole or not at all."""
        write_json(folder / self.id / "record.json", {k: v for k, v in asdict(self).items() if k != "unchanged"})


def execute(run: Run, folder: Path, jobs: int) -> Record:
    """Execute one run with papermill in a separate process, in `folder / run.id`, and record its outcome.

    The folder is emptied first. Afterwards it holds `notebook.ipynb` (as far as it was executed), `log.txt`, the files
    that the notebook wrote into `FACEKIT_RUN_DIR`, and `record.json`, which is written last. The kernel uses as many
    threads as this machine has cores, divided by `jobs`. Raises `FileNotFoundError` on a machine that does not see
    the notebook.
    """
    if not run.notebook.is_file():
        raise FileNotFoundError(
            f"{socket.gethostname()} does not see {run.notebook}: a Dask worker needs this checkout at the same path"
        )
    run_folder = folder / run.id
    (run_folder / "record.json").unlink(missing_ok=True)  # first: a partial folder must never count as finished
    remove(run_folder)
    run_folder.mkdir(parents=True)
    started = time.monotonic()
    finished = _papermill(run, run_folder, threads=max(1, (os.cpu_count() or 1) // jobs))
    record = new_record(run, "done" if finished else "failed", "" if finished else _error(run_folder), started)
    record.write(folder)
    return record


def _papermill(run: Run, run_folder: Path, threads: int) -> bool:
    arguments = {
        "input_path": str(run.notebook),
        "output_path": str(run_folder / "notebook.ipynb"),
        "parameters": run.parameters,
        "cwd": str(run.notebook.parent),
    }
    with (run_folder / "log.txt").open("wb") as log, kernel_environment(threads) as environment:
        process = subprocess.Popen(
            [sys.executable, "-P", worker.__file__],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**environment, "FACEKIT_RUN_DIR": str(run_folder), "PYTHONUNBUFFERED": "1"},
        )
        processes.add(process)
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        process.stdin.flush()  # the pipe stays open: the worker ends when it closes
        status = process.wait()
        processes.discard(process)
        process.stdin.close()
    return status == 0


def new_record(run: Run, status: str, error: str, started: float) -> Record:
    """A record of a run that ends now, begun at `started` of the monotonic clock."""
    return Record(
        run.id,
        run.notebook.stem,
        dict(run.parameters),
        run.digest,
        status,
        error,
        time.monotonic() - started,
        datetime.now(UTC).isoformat(timespec="seconds"),
        socket.gethostname(),
    )


def _error(run_folder: Path) -> str:
    """The traceback of the failing cell, or the end of the log if there is none because the kernel died."""
    notebook = executed_notebook(run_folder)
    for cell in notebook.cells if notebook else ():
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                return plain("\n".join(output.traceback) or f"{output.ename}: {output.evalue}")
    return log_tail(run_folder, _LOG_TAIL)


def executed_notebook(run_folder: Path) -> NotebookNode | None:
    """A run's notebook as far as it was executed; None if it never started or was killed while being written."""
    import nbformat

    try:
        return nbformat.read(run_folder / "notebook.ipynb", as_version=4)
    except (FileNotFoundError, nbformat.reader.NotJSONError):
        return None


def log_tail(run_folder: Path, lines: int) -> str:
    """The last lines of a run's log, without terminal colours; empty if there is no log."""
    path = run_folder / "log.txt"
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "\n".join(plain(text).splitlines()[-lines:])


def plain(text: str) -> str:
    """Text without the escape sequences of terminals.

    >>> plain("\\x1b[0;31mValueError\\x1b[0m: no")
    'ValueError: no'
    """
    return re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text)
