"""Batch runs: notebooks and parameters planned, executed several at once, and shown on one page.

`plan` says what is to run and refuses what cannot, `run` executes it (papermill in a process for each notebook,
Dask beyond one machine), `page` shows what happened, `notebooks` knows where they are and how they are committed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from facekit.batch.notebooks import find_notebooks
from facekit.batch.parameters import BadPlan, read_grid
from facekit.batch.plan import Entry, Run, plan_runs, read_plan
from facekit.batch.run import ClusterMissing, Record, execute_all, machines

__all__ = [
    "BadPlan",
    "ClusterMissing",
    "Entry",
    "Record",
    "Run",
    "find_notebooks",
    "plan_runs",
    "read_grid",
    "read_plan",
    "run_batch",
]


def run_batch(
    folder: Path,
    runs: Sequence[Run],
    *,
    jobs: int = 2,
    again: bool = False,
    dask: bool = False,
    scheduler: str | None = None,
    log: Callable[[str], None] = print,
) -> tuple[Path, list[Record]]:
    """Execute a plan in `folder`, and keep `folder / "index.html"` in step with it. Returns the page and the records.

    jobs       runs at once
    again      repeat what is done and unchanged
    dask       execute on a local Dask cluster
    scheduler  address of a Dask scheduler to execute on, such as `tcp://head:8786`
    tell       is called with each line of progress

    Raises `BadPlan` where another batch is at work in this folder, and `ClusterMissing`.
    """
    from facekit.batch.page import write_page

    folder.mkdir(parents=True, exist_ok=True)
    try:
        alone = FileLock(folder / ".lock").acquire(timeout=0)
    except Timeout:
        raise BadPlan(f"another batch is at work in {folder}; wait for it, or choose another name") from None
    with alone, machines(jobs, dask=dask, scheduler=scheduler) as executor:
        records = []
        for record in execute_all(runs, folder, executor, jobs=jobs, again=again, log=log):
            records.append(record)
            page = write_page(folder, records, len(runs))
    return page, records
