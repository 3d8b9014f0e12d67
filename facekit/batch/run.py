"""Executing a plan: several runs at once, here or on a Dask cluster, each leaving a folder with a record."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from facekit.batch import worker
from facekit.batch.notebooks import kernel_environment
from facekit.batch.plan import Run
from facekit.workspace.files import read_json, remove, write_json

if TYPE_CHECKING:
    from nbformat import NotebookNode

_STILL = 30  # seconds after which a quiet batch says what it is still doing
_alive: set[subprocess.Popen] = set()  # what must end when this process is interrupted
_LOG_TAIL = 40  # lines of the log that stand for an error that left no traceback in the notebook


@dataclass(frozen=True)
class Record:
    """What became of a run; `record.json` in its folder."""

    id: str
    notebook: str
    parameters: dict[str, object]
    digest: str
    status: str  # "done", "failed" or "skipped"
    error: str = ""  # the traceback, or why the run was skipped
    seconds: float = 0.0
    finished: str = ""  # date and time of the end, ISO 8601 in UTC
    host: str = ""
    unchanged: bool = field(default=False, compare=False)  # done by an earlier batch and not repeated

    def write(self, folder: Path) -> None:
        """Write `record.json` into the run's folder, whole or not at all."""
        write_json(folder / self.id / "record.json", {k: v for k, v in asdict(self).items() if k != "unchanged"})


class ClusterMissing(ConnectionError):
    """No Dask scheduler answers at the address given."""


# ------------------------------------------------------------------------------------------------- one run


def execute(run: Run, folder: Path, jobs: int) -> Record:
    """Execute one run by papermill in a process of its own, in `folder / run.id`, and record what became of it.

    The folder starts empty, and holds `notebook.ipynb` as far as it came, `log.txt`, what the notebook wrote there
    (it finds the folder in `FACEKIT_RUN_DIR`), and last `record.json`. The kernel counts with this machine's cores
    divided by `jobs`. Raises `FileNotFoundError` on a machine that does not see the notebook.
    """
    if not run.notebook.is_file():
        raise FileNotFoundError(
            f"{socket.gethostname()} does not see {run.notebook}: a Dask worker needs this checkout at the same path"
        )
    own = folder / run.id
    (own / "record.json").unlink(missing_ok=True)  # first, so that half a folder is never taken for a finished run
    remove(own)
    own.mkdir(parents=True)
    started = time.monotonic()
    finished = _papermill(run, own, threads=max(1, (os.cpu_count() or 1) // jobs))
    record = _record(run, "done" if finished else "failed", "" if finished else _error(own), started)
    record.write(folder)
    return record


def _papermill(run: Run, own: Path, threads: int) -> bool:
    arguments = {
        "input_path": str(run.notebook),
        "output_path": str(own / "notebook.ipynb"),
        "parameters": run.parameters,
        "cwd": str(run.notebook.parent),
    }
    with (own / "log.txt").open("wb") as log, kernel_environment(threads) as environment:
        process = subprocess.Popen(
            [sys.executable, "-P", worker.__file__],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**environment, "FACEKIT_RUN_DIR": str(own), "PYTHONUNBUFFERED": "1"},
        )
        _alive.add(process)
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        process.stdin.flush()  # and left open: the worker ends when this process does
        status = process.wait()
        _alive.discard(process)
        process.stdin.close()
    return status == 0


def _record(run: Run, status: str, error: str, started: float) -> Record:
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


def _error(own: Path) -> str:
    """The failing cell's traceback; where the kernel died there is none, and the end of the log stands for it."""
    notebook = executed_notebook(own)
    for cell in notebook.cells if notebook else ():
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                return plain("\n".join(output.traceback) or f"{output.ename}: {output.evalue}")
    return log_tail(own, _LOG_TAIL)


def executed_notebook(own: Path) -> NotebookNode | None:
    """A run's notebook as far as it came; None where it never started, or was killed while it was written."""
    import nbformat

    try:
        return nbformat.read(own / "notebook.ipynb", as_version=4)
    except (FileNotFoundError, nbformat.reader.NotJSONError):
        return None


def log_tail(own: Path, lines: int) -> str:
    """The last lines of a run's log, without a terminal's colours; empty where there is no log."""
    path = own / "log.txt"
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "\n".join(plain(text).splitlines()[-lines:])


def plain(text: str) -> str:
    """Text without a terminal's escape sequences.

    >>> plain("\\x1b[0;31mValueError\\x1b[0m: no")
    'ValueError: no'
    """
    return re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text)


# ------------------------------------------------------------------------------------------------- all runs


@contextmanager
def machines(jobs: int, *, dask: bool = False, scheduler: str | None = None) -> Iterator[Executor]:
    """Where runs are executed: threads that wait for processes here, a local Dask cluster, or one by its address.

    Workers elsewhere need the same checkout at the same path, as on a cluster's shared disk. Raises
    `ClusterMissing` where no scheduler answers.
    """
    if not (dask or scheduler):
        with ThreadPoolExecutor(jobs) as executor, _ended_with(executor):
            yield executor
        return
    from distributed import Client, LocalCluster

    if scheduler:
        try:
            client = Client(scheduler, timeout="10s")
        except (OSError, ValueError) as error:
            raise ClusterMissing(f"no Dask scheduler answers at {scheduler}: {error}") from None
        with client:
            yield client.get_executor(pure=False)
        return
    # Threads will do, since each run is a process of its own.
    with (
        LocalCluster(n_workers=1, threads_per_worker=jobs, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
        _ended_with(client.get_executor(pure=False)) as executor,
    ):
        yield executor


@contextmanager
def _ended_with(executor: Executor) -> Iterator[Executor]:
    """When the block is interrupted, what is going on ends and what waits never starts."""
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in list(_alive):
            process.terminate()
        raise


def execute_all(
    runs: Sequence[Run],
    folder: Path,
    executor: Executor,
    *,
    jobs: int,
    again: bool = False,
    log: Callable[[str], None] = print,
) -> Iterator[Record]:
    """Execute the runs in `folder`, each as soon as those that it needs are done; yields each record as it comes.

    A run that is done and whose digest is unchanged is not repeated, unless `again`. One that needs a run that did
    not get done is skipped. A run that fails, or whose machine is lost, stops no other.
    """
    records: dict[str, Record] = {}
    waiting, going = list(runs), {}
    while waiting or going:
        for run in [run for run in waiting if all(id in records for id in run.needs)]:
            waiting.remove(run)
            if record := _settled(run, folder, records, again):
                records[run.id] = record
                yield _told(record, len(records), len(runs), log)
            else:
                going[executor.submit(execute, run, folder, jobs)] = run, time.monotonic()
                log(f"          {run.id} starts")
        for future in _next(going, log):
            run, started = going.pop(future)
            records[run.id] = _outcome(run, future, folder, started)
            yield _told(records[run.id], len(records), len(runs), log)


def _settled(run: Run, folder: Path, records: dict[str, Record], again: bool) -> Record | None:
    """The record of a run that need not, or cannot, be executed."""
    if missing := [id for id in run.needs if records[id].status != "done"]:
        remove(folder / run.id)
        record = _record(run, "skipped", f"needs {', '.join(missing)}", time.monotonic())
        record.write(folder)
        return record
    if again or any(not records[id].unchanged for id in run.needs):
        return None
    path = folder / run.id / "record.json"
    known = read_json(path) if path.exists() else {}
    same = known.get("status") == "done" and known.get("digest") == run.digest
    return Record(**known, unchanged=True) if same else None


def _next(going: dict[Future, tuple[Run, float]], log: Callable[[str], None]) -> set[Future]:
    """The futures that finished next; meanwhile it says now and then what is going on."""
    while going:
        finished, _ = wait(going, timeout=_STILL, return_when=FIRST_COMPLETED)
        if finished:
            return finished
        now = time.monotonic()
        log("          " + ", ".join(f"{run.id} {now - started:.0f} s" for run, started in going.values()))
    return set()


def _outcome(run: Run, future: Future, folder: Path, started: float) -> Record:
    error = future.exception()
    if error is None:
        return future.result()
    record = _record(run, "failed", f"{type(error).__name__}: {error}", started)
    record.write(folder)
    return record


def _told(record: Record, count: int, total: int, log: Callable[[str], None]) -> Record:
    said = {"done": f"done in {record.seconds:.0f} s", "failed": "FAILED", "skipped": f"skipped: {record.error}"}
    log(f"[{count:>3}/{total}] {record.id} {'unchanged' if record.unchanged else said[record.status]}")
    return record
