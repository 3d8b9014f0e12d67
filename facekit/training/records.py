"""The records of a training run, one per step, and their destinations: log files, TensorBoard, a progress bar."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter
from tqdm.auto import tqdm

from facekit.models.system import System
from facekit.workspace.attended import attended
from facekit.workspace.files import write_text

_LINE_INTERVAL = 10.0  # seconds between two lines where there is no bar


class NotFinite(ArithmeticError):
    """A loss or its gradient is infinite or NaN. The message names the step, the optimiser and the terms."""


@dataclass(frozen=True)
class Record:
    """One training step. If an optimiser took several steps in it, the numbers are means over them.

    step            number of training steps done, including this one
    total           number of steps of the whole run
    epoch           number of complete passes over the dataset before this step
    scalars         "loss/<optimiser>", then the scalars of the system's `training_step`
    learning_rates  by optimiser, of its first parameter group
    grad_norms      by optimiser, before clipping
    seconds         duration of the step, including loading its faces
    system          the system as it would be saved now: with the moving average of the weights, if the preset has one
    """

    step: int
    total: int
    epoch: int
    scalars: Mapping[str, float]
    learning_rates: Mapping[str, float]
    grad_norms: Mapping[str, float]
    seconds: float
    system: System = field(repr=False)

    def row(self) -> dict[str, float]:
        """All numbers by name, as written to `log.jsonl`."""
        rates = {f"learning_rate/{name}": value for name, value in self.learning_rates.items()}
        norms = {f"grad_norm/{name}": value for name, value in self.grad_norms.items()}
        head = {"step": self.step, "epoch": self.epoch, "seconds": self.seconds}
        return head | dict(self.scalars) | rates | norms


class RunLog:
    """Writes `log.jsonl` and TensorBoard's files in a run's folder, one line or point every `every` steps.

    Lines of steps after `start`, left by a run that was interrupted after its last checkpoint, are removed.
    """

    def __init__(self, folder: Path, start: int, every: int) -> None:
        self._path = folder / "log.jsonl"
        self._every = every
        write_text(self._path, "".join(line for line in self._lines() if json.loads(line)["step"] <= start))
        self._file = self._path.open("a", encoding="utf-8")
        self._board = SummaryWriter(folder / "tensorboard", purge_step=start + 1)

    def _lines(self) -> list[str]:
        if not self._path.exists():
            return []
        with self._path.open(encoding="utf-8") as lines:
            return [line for line in lines if line.endswith("\n")]  # a killed run may leave an incomplete line

    def write(self, record: Record) -> None:
        """Log a step. The line is flushed to the file, so that it survives if the process is killed."""
        if record.step % self._every and record.step != record.total:
            return
        row = record.row()
        known = {name: value if math.isfinite(value) else None for name, value in row.items()}
        self._file.write(json.dumps(known) + "\n")
        self._file.flush()
        for name, value in row.items():
            if name != "step":
                self._board.add_scalar(name, value, record.step)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._board.close()


def read_log(folder: Path) -> list[dict[str, float]]:
    """The rows of a run's `log.jsonl`."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


class ProgressBar:
    """The progress of a run on the standard error: a bar with the losses in a terminal and in a notebook that a person
    executes; elsewhere (a file, a pipe, a batch run) a line every ten seconds at most."""

    def __init__(self, name: str, start: int, total: int) -> None:
        self._bar = tqdm(total=total, initial=start, desc=name, unit="step") if attended() else None
        self._name, self._start = name, start
        self._began = self._last_line = time.monotonic()

    def write(self, record: Record) -> None:
        """Advance to the step of this record."""
        losses = {name[5:]: f"{value:.3g}" for name, value in record.scalars.items() if name.startswith("loss/")}
        if self._bar is not None:
            self._bar.set_postfix(losses, refresh=False)
            self._bar.update()
        elif time.monotonic() - self._last_line >= _LINE_INTERVAL:
            self._last_line = time.monotonic()
            print(self._line(record, losses), file=sys.stderr, flush=True)

    def _line(self, record: Record, losses: Mapping[str, str]) -> str:
        left = (self._last_line - self._began) / (record.step - self._start) * (record.total - record.step)
        shown = ", ".join(f"{name} {value}" for name, value in losses.items())
        return f"{self._name}: step {record.step} of {record.total}, loss {shown}; about {left:.0f} s left"

    def close(self) -> None:
        """End the bar; it stays visible."""
        if self._bar is not None:
            self._bar.close()
