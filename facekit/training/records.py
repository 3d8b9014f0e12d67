"""What a training run tells of itself: one record a step, and where the records are kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter
from tqdm.auto import tqdm

from facekit.models.system import System
from facekit.workspace.files import write_text


class NotFinite(ArithmeticError):
    """A loss or its gradient became infinite or NaN. The message names the step, the optimiser and the terms."""


@dataclass(frozen=True)
class Record:
    """One training step. Where an optimiser took several steps in it, numbers are their mean.

    step            training steps done, this one included
    total           steps of the whole run
    epoch           passes over the dataset completed before this step
    scalars         "loss/<optimiser>", then what the system's `training_step` gave
    learning_rates  by optimiser, of its first group of parameters
    grad_norms      by optimiser, before clipping
    seconds         what the step took, fetching its faces included
    system          the system as it would be saved now: the moving average where one is kept
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
        """All numbers by name, as they stand in `log.jsonl`."""
        rates = {f"learning_rate/{name}": value for name, value in self.learning_rates.items()}
        norms = {f"grad_norm/{name}": value for name, value in self.grad_norms.items()}
        head = {"step": self.step, "epoch": self.epoch, "seconds": self.seconds}
        return head | dict(self.scalars) | rates | norms


class RunLog:
    """`log.jsonl` and TensorBoard's files in a run's folder, one line or point every `every` steps.

    What the folder holds of steps after `start` (a run that got further than its last checkpoint) is dropped.
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
            return [line for line in lines if line.endswith("\n")]  # a killed run may leave half a line

    def write(self, record: Record) -> None:
        """Note a step. The line is in the file when this returns, so that a kill cannot lose it."""
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


class Bar:
    """A progress bar over the steps of a run, with the losses beside it."""

    def __init__(self, name: str, start: int, total: int) -> None:
        self._bar = tqdm(total=total, initial=start, desc=name, unit="step")

    def write(self, record: Record) -> None:
        """Advance by the step of this record."""
        losses = {name[5:]: f"{value:.3g}" for name, value in record.scalars.items() if name.startswith("loss/")}
        self._bar.set_postfix(losses, refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()
