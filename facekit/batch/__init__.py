"""Batch runs: notebooks and parameters are planned, executed several at once, and shown on one page.

`plan` lists the runs and refuses those that cannot work, `run` executes one of them (papermill in a separate process),
`schedule` executes them all, here or with Dask on several machines, `progress` reports, `page` writes the page, and
`notebooks` finds notebooks and executes them for committing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock, Timeout

from facekit.batch.notebooks import find_notebooks
from facekit.batch.parameters import BadPlan, read_grid
from facekit.batch.plan import Entry, Run, plan_runs, read_plan
from facekit.batch.run import Record
from facekit.batch.schedule import ClusterMissing, execute_all, open_executor

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
    """Execute a plan in `folder` and keep `folder / "index.html"` up to date. Returns the page and the records.

    jobs       runs at once
    again      repeat runs that are done and unchanged
    dask       execute on a local Dask cluster
    scheduler  address of a Dask scheduler to execute on, such as `tcp://head:8786`
    log        called with each line of progress

    Raises `BadPlan` if another batch is running in this folder, and `ClusterMissing`.
    """
    from facekit.batch.page import write_page

    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder / ".lock").acquire(timeout=0)
    except Timeout:
        raise BadPlan(f"another batch is running in {folder}; wait for its end, or choose another name") from None
    # Pages are written in a thread, so that the messages of progress are not late.
    with lock, ThreadPoolExecutor(1) as writer, open_executor(jobs, dask=dask, scheduler=scheduler) as executor:
        records, pages = [], []
        for record in execute_all(runs, folder, executor, jobs=jobs, again=again, log=log):
            records.append(record)
            pages.append(writer.submit(write_page, folder, tuple(records), len(runs)))
        return [page.result() for page in pages][-1], records
