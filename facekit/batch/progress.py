"""The messages of a running batch: which runs have started, wait or are finished, and the time that remains."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from facekit.batch.plan import Run
from facekit.workspace.files import read_json, write_json

SECONDS = Path(__file__).with_name("seconds.json")
"""How long each notebook takes in the smoke profile, two at once on two cores (`facekit notebooks seconds`)."""

_INTERVAL = 30.0  # seconds between two lines about the state of the batch
_INDENT = " " * 10


def expected_seconds(runs: Sequence[Run], folder: Path) -> dict[str, float]:
    """The duration to expect of runs, by id, as far as it is known: what an earlier execution in `folder` took, else
    for the smoke profile with its other defaults what `SECONDS` holds."""
    measured = read_json(SECONDS)
    found = {}
    for run in runs:
        path = folder / run.id / "record.json"
        earlier = read_json(path) if path.exists() else {}
        if earlier.get("status") == "done":
            found[run.id] = earlier["seconds"]
        elif run.id == run.notebook.stem and run.parameters.get("PROFILE", "smoke") == "smoke":
            found |= {run.id: measured[run.id]} if run.id in measured else {}
    return found


def keep_seconds(folder: Path) -> Mapping[str, float]:
    """Write into `SECONDS` what the finished runs in `folder` took whose ids are notebooks' names; returns all."""
    records = map(read_json, sorted(folder.glob("*/record.json")))
    taken = {record["id"]: round(record["seconds"]) for record in records if record["status"] == "done"}
    kept = {id: seconds for id, seconds in taken.items() if "--" not in id}
    write_json(SECONDS, kept)
    return kept


def longest_first(runs: Sequence[Run], expected: Mapping[str, float]) -> list[Run]:
    """Runs by falling expected duration, so that no long one is left alone at the end; unknown ones come first."""
    return sorted(runs, key=lambda run: -expected.get(run.id, math.inf))


class Progress:
    """Says with `log` what happens to the runs of a batch.

    total     how many runs the batch has
    expected  seconds to expect of each run, by id, where known
    jobs      runs at once
    clock     seconds of a monotonic clock
    """

    def __init__(
        self,
        total: int,
        expected: Mapping[str, float],
        jobs: int,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._expected, self._jobs, self._log, self._clock = total, expected, jobs, log, clock
        self._waiting: list[str] = []
        self._running: dict[str, float] = {}  # the moment of each start
        self._taken: dict[str, float] = {}  # seconds of each run that was executed to its end
        self._finished = 0
        self._due = clock() + _INTERVAL

    def waits(self, ids: Sequence[str]) -> None:
        """These runs are to be executed, in this order as far as possible."""
        self._waiting += ids

    def starts(self, id: str) -> None:
        """The kernel of a run has started."""
        self._waiting.remove(id)
        self._running[id] = self._clock()
        self._log(f"{_INDENT}{id} starts")

    def ends(self, id: str, outcome: str, seconds: float | None = None) -> None:
        """A run is finished, executed in so many seconds, or not executed at all."""
        self._finished += 1
        self._running.pop(id, None)
        if id in self._waiting:  # it never got a kernel
            self._waiting.remove(id)
        if seconds is not None:
            self._taken[id] = seconds
        self._log(f"[{self._finished:>3}/{self._total}] {id} {outcome}{self._estimate()}")

    def tick(self) -> None:
        """Say what is running and what waits, if that was not said in the last half minute."""
        if (now := self._clock()) < self._due:
            return
        self._due = now + _INTERVAL
        running = ", ".join(f"{id} {now - start:.0f} s" for id, start in self._running.items())
        parts = [f"running: {running}" if running else "", f"waiting: {', '.join(self._waiting)}"]
        self._log(_INDENT + "; ".join(filter(None, parts[: 1 + bool(self._waiting)])) + self._estimate())

    def remaining(self) -> float | None:
        """The seconds until the last run ends, if each takes what is expected at the pace of those finished; None
        while nothing is known."""
        if not self._expected and not self._taken:
            return None
        known = self._expected.keys() & self._taken.keys()
        pace = sum(self._taken[id] for id in known) / sum(self._expected[id] for id in known) if known else 1.0
        lengths = list(self._taken.values()) or [pace * seconds for seconds in self._expected.values()]
        usual = sum(lengths) / len(lengths)

        def length(id: str) -> float:
            return pace * self._expected[id] if id in self._expected else usual

        now = self._clock()
        free = [max(length(id) - (now - start), 0.0) for id, start in self._running.items()]
        free += [0.0] * (self._jobs - len(free))
        heapq.heapify(free)
        for id in self._waiting:
            heapq.heappush(free, heapq.heappop(free) + length(id))
        return max(free)

    def _estimate(self) -> str:
        left = self.remaining() if self._waiting or self._running else None
        return "" if left is None else f"; about {duration(left)} left"


def duration(seconds: float) -> str:
    """Seconds in words, rounded up.

    >>> duration(3), duration(41), duration(100), duration(5000)
    ('10 s', '50 s', '2 min', '1 h 24 min')
    """
    if seconds <= 60:
        return f"{max(math.ceil(seconds / 10), 1) * 10} s"
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
