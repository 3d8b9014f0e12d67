"""Executes a plan: several runs at once, on this machine or a Dask cluster, the longest first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facekit.batch import worker
from facekit.batch.plan import Run
from facekit.batch.progress import Progress, expected_seconds, longest_first
from facekit.batch.run import Record, execute, new_record, processes
from facekit.workspace.files import read_json, remove

_POLL = 0.2  # seconds between two looks at whether a kernel has started


class ClusterMissing(ConnectionError):
    """No Dask scheduler answers at the given address."""


@contextmanager
def open_executor(jobs: int, *, dask: bool = False, scheduler: str | None = None) -> Iterator[Executor]:
    """An executor for runs: threads that wait for local processes, a local Dask cluster, or the one of a scheduler.

    Workers on other machines need the same checkout at the same path, such as on the shared disk of a cluster. Raises
    `ClusterMissing` if no scheduler answers.
    """
    if not (dask or scheduler):
        with ThreadPoolExecutor(jobs) as executor, _terminated_on_interrupt(executor):
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
    # One worker process with threads is enough, since each run starts its own process.
    with (
        LocalCluster(n_workers=1, threads_per_worker=jobs, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
        _terminated_on_interrupt(client.get_executor(pure=False)) as executor,
    ):
        yield executor


@contextmanager
def _terminated_on_interrupt(executor: Executor) -> Iterator[Executor]:
    """When the block is interrupted, running processes are terminated and waiting runs never start."""
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in list(processes):
            process.terminate()
        raise


@dataclass
class _Submitted:
    """A run that was given to the executor, which starts it when one of its slots is free."""

    run: Run
    log: Path
    log_before: int | None  # when an earlier execution wrote its log, in nanoseconds
    moment: float
    started: bool = False  # whether its kernel is known to have started

    @classmethod
    def of(cls, run: Run, folder: Path) -> _Submitted:
        log = folder / run.id / "log.txt"
        return cls(run, log, _modified(log), time.monotonic())

    def kernel_started(self) -> bool:
        if _modified(self.log) in (None, self.log_before):
            return False
        return worker.KERNEL_STARTED in self.log.read_text(encoding="utf-8", errors="replace")


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def execute_all(
    runs: Sequence[Run],
    folder: Path,
    executor: Executor,
    *,
    jobs: int,
    again: bool = False,
    log: Callable[[str], None] = print,
) -> Iterator[Record]:
    """Execute the runs in `folder`, each after the runs that it needs, otherwise the longest first; yields records.

    A run that is done and whose digest is unchanged is not repeated, unless `again`. A run is skipped if one that it
    needs is not done. A run that fails, or whose machine is lost, stops no other.
    """
    expected = expected_seconds(runs, folder)
    progress = Progress(len(runs), expected, jobs, log)
    jobs = min(jobs, len(runs))  # a single run uses all cores
    records: dict[str, Record] = {}
    pending, submitted = longest_first(runs, expected), {}
    while pending or submitted:
        ready = [run for run in pending if all(id in records for id in run.needs)]
        pending = [run for run in pending if run not in ready]
        for run in ready:
            if record := _without_execution(run, folder, records, again):
                records[run.id] = record
                progress.ends(run.id, _outcome(record))
                yield record
            else:
                one = _Submitted.of(run, folder)
                submitted[executor.submit(execute, run, folder, jobs)] = one
                progress.waits([run.id])
        for future in _next_finished(submitted, progress):
            run = submitted[future].run
            records[run.id] = record = _result(future, submitted.pop(future), folder)
            progress.ends(run.id, _outcome(record), record.seconds)
            yield record


def _without_execution(run: Run, folder: Path, records: dict[str, Record], again: bool) -> Record | None:
    """The record of a run that need not, or cannot, be executed; None for others."""
    if missing := [id for id in run.needs if records[id].status != "done"]:
        remove(folder / run.id)
        record = new_record(run, "skipped", f"needs {', '.join(missing)}", time.monotonic())
        record.write(folder)
        return record
    if again or any(not records[id].unchanged for id in run.needs):
        return None
    path = folder / run.id / "record.json"
    earlier = read_json(path) if path.exists() else {}
    same = earlier.get("status") == "done" and earlier.get("digest") == run.digest
    return Record(**earlier, unchanged=True) if same else None


def _next_finished(submitted: Mapping[Future, _Submitted], progress: Progress) -> set[Future]:
    """Wait for the next futures to finish, and meanwhile report which kernels have started."""
    finished: set[Future] = set()
    while submitted and not finished:
        finished, _ = wait(submitted, timeout=_POLL, return_when=FIRST_COMPLETED)
        for one in submitted.values():
            if not one.started and one.kernel_started():
                one.started = True
                progress.starts(one.run.id)
        if not finished:
            progress.tick()
    return finished


def _result(future: Future, submitted: _Submitted, folder: Path) -> Record:
    """The record that a future brings, or one of its failure."""
    error = future.exception()
    if error is None:
        return future.result()
    record = new_record(submitted.run, "failed", f"{type(error).__name__}: {error}", submitted.moment)
    record.write(folder)
    return record


def _outcome(record: Record) -> str:
    if record.unchanged:
        return "unchanged"
    if record.status == "skipped":
        return f"skipped: {record.error}"
    return f"{'done' if record.status == 'done' else 'FAILED'} in {record.seconds:.0f} s"
