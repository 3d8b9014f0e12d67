"""Signs that a training is of no use: losses that explode, gradients that vanish, outputs that ignore the face."""

from __future__ import annotations

import warnings

import torch

from facekit.datasets.base import FaceDataset
from facekit.faces.expression import Expression
from facekit.models.judges.predictor import FacePredictor
from facekit.models.system import Generator, System
from facekit.training.records import Record

LEAST_DIVERSITY = 1e-3
"""Outputs whose standard deviation over faces is a smaller share of the inputs' are constant."""

MOST_DISTANCE = 2.0
"""Edits whose mean squared difference from their inputs is a larger multiple of that between two people are noise."""

LEAST_STEPS = 100
"""Shorter trainings, which try the code, are not judged by their outputs."""

_FACES = 32


class Diverged(RuntimeError):
    """A loss has grown without bound. The message names the step and the optimiser."""


class Useless(RuntimeError):
    """A trained system gives the same output for every face, or edits that do not resemble the face."""


class Watch:
    """Follows the losses and the gradients of a run.

    A loss has exploded when its running average is `GROWTH` times the least of its first values (or of 1, if that is
    more). A gradient has vanished when its norm stays below `VANISHED` for `PATIENCE` steps.
    """

    GROWTH, FIRST, MOMENTUM = 1000.0, 20, 0.05
    VANISHED, PATIENCE = 1e-9, 100

    def __init__(self) -> None:
        self._first: dict[str, list[float]] = {}
        self._average: dict[str, float] = {}
        self._still: dict[str, int] = {}

    def observe(self, record: Record, name: str) -> None:
        """Take note of a step. Raises `Diverged`; warns by a `UserWarning`, once, of vanished gradients."""
        for key, value in record.scalars.items():
            if key.startswith("loss/"):
                self._observe_loss(key.removeprefix("loss/"), abs(value), record.step, name)
        for key, norm in record.grad_norms.items():
            self._still[key] = self._still.get(key, 0) + 1 if norm < self.VANISHED else 0
            if self._still[key] == self.PATIENCE:
                warnings.warn(
                    f"step {record.step} of {name}: the gradient of the loss for optimiser {key!r} has vanished for "
                    f"{self.PATIENCE} steps, so that its network no longer learns: lower the learning rate",
                    stacklevel=2,
                )

    def _observe_loss(self, key: str, value: float, step: int, name: str) -> None:
        first = self._first.setdefault(key, [])
        if len(first) < self.FIRST:
            first.append(value)
            self._average[key] = min(first)
            return
        self._average[key] += self.MOMENTUM * (value - self._average[key])
        start, now = min(first), self._average[key]
        if now > self.GROWTH * max(start, 1.0):
            raise Diverged(
                f"step {step} of {name}: the loss for optimiser {key!r} has grown from {start:.3g} to {now:.3g}. Lower "
                "the learning rate, warm up longer, or clip gradients (clip_norm)"
            )


@torch.no_grad()
def check_outputs(system: System, dataset: FaceDataset) -> None:
    """Raise `Useless` for a generator or a judge that gives nearly the same output for every one of some faces, and for
    a generator whose edits are noise, after a training of `LEAST_STEPS` at least."""
    faces = dataset.faces(range(min(len(dataset), _FACES)))
    if system.preset.steps < LEAST_STEPS or len(faces) < 2 or faces.frames is not None:
        return
    if isinstance(system, Generator):
        target = Expression.of(next((name for name in system.emotions if name != "neutral"), "neutral"))
        target = target if "emotion" in system.understands else target.to_action_units()
        source = faces.expression.only("emotion", "intensity", "action_units")
        outputs, inputs = system.edit(faces, target, source=source), faces.images
        diversity = outputs.std(0).mean() / inputs.std(0).mean()
        distance = (outputs - inputs).square().mean() / (inputs - inputs.roll(1, 0)).square().mean()
        if distance > MOST_DISTANCE:
            raise Useless(
                f"the edits of the trained {system.name} differ from their inputs {distance:.1f} times as much as "
                "another person's face does, and are of no use: lower the learning rate, or train it for more steps"
            )
    elif isinstance(system, FacePredictor):
        diversity = system.predict(faces.images.to(system.device)).std(0).mean()
    else:
        return
    if not diversity > LEAST_DIVERSITY:
        raise Useless(
            f"the trained {system.name} gives nearly the same output for every face (their spread is {diversity:.2g}), "
            "and is of no use: lower the learning rate, or train it for more steps"
        )
