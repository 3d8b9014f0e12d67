"""The motion of a sequence: when each action unit rises and falls, how the head moves, and when the eyes blink.

A take begins neutral. Its units rise to the apex, hold it, and fall back, each with a delay and a speed of its own; the
two sides of the face differ by a few hundredths of a second, some units overshoot, and none stays quite still at the
apex. Spontaneous smiles last 0.5 to 4 s, with onsets of 0.3 to 0.7 s (Schmidt, Cohn & Tian 2003); surprise and fear are
faster, sadness slower. The head moves with the expression and sways a little, and the eyes may blink.

Everything depends on the number of the face alone, in seconds, so that a take is the same at every frame rate. It is
computed in double precision: in single precision, the last digit of a sine depends on its place in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from facekit.datasets.synthetic.draws import chance, normal, uniform
from facekit.datasets.synthetic.rows import Rows
from facekit.datasets.synthetic.view import View
from facekit.faces.action_units import ACTION_UNIT_COLUMNS, action_unit_columns
from facekit.faces.emotions import EMOTIONS

MOTION_VERSION = 1
"""Increased whenever a sequence changes, so that caches of older sequences can be recognised."""

UNTIL = ("end", "apex")
"""Where sequences end: back at the neutral face, or at the apex, as those of CK+ do."""


class _Manner(NamedTuple):
    """How an emotion is shown: medians of onset, apex and offset in seconds, and the movement of the head at the apex.

    pitch, yaw, roll  radians; yaw and roll to a random side; pitch positive down
    """

    onset: float
    hold: float
    offset: float
    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0


_MANNERS = {
    "angry": _Manner(0.55, 0.9, 0.9, pitch=0.05),
    "disgust": _Manner(0.60, 0.8, 0.9, pitch=-0.04, yaw=0.08),
    "fear": _Manner(0.40, 0.8, 0.8, pitch=-0.06),
    "happy": _Manner(0.55, 1.2, 1.0, pitch=-0.03, roll=0.05),
    "sad": _Manner(0.95, 1.3, 1.3, pitch=0.12, roll=0.03),
    "surprise": _Manner(0.30, 0.7, 0.8, pitch=-0.09),
    "neutral": _Manner(0.60, 1.0, 1.0),
    "contempt": _Manner(0.60, 0.9, 0.9, pitch=-0.03, roll=0.05),
}
_ANY = _Manner(0.55, 0.9, 0.9)  # of faces with random action units

# Units that begin after the others on average, as shares of the onset: AU6 follows AU12 in a smile.
_LATE = {6: 0.18, 7: 0.12, 10: 0.08, 15: 0.12, 16: 0.10, 17: 0.16, 23: 0.12, 24: 0.12, 25: 0.06, 26: 0.06, 27: 0.06}

_LEAST_DURATION = 0.9  # seconds of a take in which a blink has room


@dataclass(frozen=True, eq=False)
class Timing(Rows):
    """When N takes begin, reach the apex, leave it, and end, in seconds, each (N,)."""

    face: Tensor  # int64, number of the face: the key of its random draws
    start: Tensor  # float64, like the others
    apex: Tensor
    release: Tensor
    end: Tensor

    @classmethod
    def draw(cls, face: Tensor, emotion: Tensor) -> Timing:
        """The timing of faces by number (N,), with emotions (N,), where -1 is none."""
        manner = _table()[emotion]  # the last row is that of no emotion
        onset, hold, offset = (
            manner[:, i] * normal(face, f"{name} time", 0, spread).double().exp()
            for i, (name, spread) in enumerate((("onset", 0.25), ("hold", 0.35), ("offset", 0.25)))
        )
        start = uniform(face, "lead", 0.04, 0.20).double()
        apex = start + onset.clamp(0.15, 2.0)
        release = apex + hold.clamp(0.15, 4.0)
        return cls(face, start, apex, release, release + offset.clamp(0.3, 3.0))

    def times(self, frames: int, fps: float | None, until: str) -> Tensor:
        """Times (N, frames) of the frames in seconds: at a frame rate, or equally spaced over the whole take."""
        if fps is not None:
            return (torch.arange(frames, dtype=torch.float64) / fps).expand(len(self), -1)
        last = self.apex if until == "apex" else self.end
        return torch.linspace(0, 1, frames, dtype=torch.float64) * last[:, None]

    def level(self, times: Tensor) -> Tensor:
        """The level (N, T) of the expression as a whole at times (N, T), from 0 to 1."""
        return (_rise(times, self.start, self.apex) * (1 - _rise(times, self.release, self.end))).float()


@dataclass(frozen=True, eq=False)
class Motion(Rows):
    """The motion of N takes in T frames.

    units   (N, T, A) the level of each action unit, which exceeds 1 where it overshoots
    blink   (N, T) closure of the eyes by a blink
    turn    (N, T, 3) change of yaw, pitch and roll from the still view, in radians
    """

    units: Tensor
    blink: Tensor
    turn: Tensor

    @classmethod
    def draw(
        cls, face: Tensor, emotion: Tensor, intensity: Tensor, frames: int, fps: float | None = None, until: str = "end"
    ) -> Motion:
        """The motion of faces by number (N,), with emotions (N,), -1 for none, and intensities (N,) of the apex."""
        timing = Timing.draw(face, emotion)
        times = timing.times(frames, fps, until)
        parts = (_unit_levels(timing, times), _blink(timing, times), _turn(timing, times, emotion, intensity))
        return cls(*(part.float() for part in parts))

    def of_units(self, peak: Tensor) -> Tensor:
        """Action units (N, T, A) whose values at the apex are (N, A)."""
        units = (peak[:, None] * self.units).clamp(0, 1)
        closed, raised = list(action_unit_columns(43)), list(action_unit_columns(5))
        blink = self.blink[..., None]
        units[..., closed] = torch.maximum(units[..., closed], blink)
        units[..., raised] = units[..., raised] * (1 - blink)
        return units

    def of_view(self, view: View) -> View:
        """The views (N * T) of all frames, from those of stills (N). The head turns about the neck, below the face."""
        frames = self.turn.shape[1]
        each, (yaw, pitch, roll) = view.repeat_interleave(frames), self.turn.flatten(0, 1).unbind(-1)
        reach = 2 * each.scale  # an interocular distance, in units of the image's coordinates
        return each.replace(
            yaw=each.yaw + yaw,
            pitch=each.pitch + pitch,
            roll=each.roll + roll,
            shift_x=each.shift_x + reach * (0.5 * yaw + 1.5 * roll),
            shift_y=each.shift_y + reach * 0.8 * pitch,
        )


def _table() -> Tensor:
    rows = [_MANNERS[name] for name in EMOTIONS]
    return torch.tensor([*rows, _ANY])


def _rise(times: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """The minimum-jerk movement from 0 at `start` to 1 at `end` (Flash & Hogan 1985); times (N, T), limits (N,)."""
    x = ((times - start[:, None]) / (end - start)[:, None]).clamp(0, 1)
    return x**3 * (10 - 15 * x + 6 * x * x)


def _unit_levels(timing: Timing, times: Tensor) -> Tensor:
    """Levels (N, T, A) of all units; every unit begins after the start, and is at its level at the apex."""
    face, onset, offset = timing.face, timing.apex - timing.start, timing.end - timing.release
    lag = normal(face, "side lag", 0, 0.03).clamp(-0.09, 0.09)  # shares of the onset; positive: the left side is later
    drawn: dict[str, tuple[Tensor, ...]] = {}
    columns = []
    for name in ACTION_UNIT_COLUMNS:
        unit, side = name.rstrip("LR"), name[-1]
        if unit not in drawn:
            drawn[unit] = _character(face, unit)
        delay, speed, over, tremor, phase = drawn[unit]
        late = delay + {"L": lag, "R": -lag}.get(side, 0 * lag).clamp(min=0)
        begin = timing.start + late * onset
        full = begin + (1 - late) * speed * onset
        level = _rise(times, begin, full)
        settle = ((times - full[:, None]) / (0.6 * (full - begin))[:, None]).clamp(-1, 1)
        level = level + over[:, None] * (settle * torch.pi / 2).cos().square()
        level = level * (1 + tremor[:, None] * torch.sin(times * 6.0 + phase[:, None]))
        leave = timing.release + 0.5 * late * offset
        columns.append(level * (1 - _rise(times, leave, leave + (timing.end - leave) * (0.6 + 0.4 * speed))))
    return torch.stack(columns, -1)


def _character(face: Tensor, unit: str) -> tuple[Tensor, ...]:
    """How each face moves a unit, each (N,): delay and speed as shares of the onset, overshoot, tremor, its phase."""
    late = _LATE.get(int(unit.removeprefix("AU")), 0.0)
    return (
        (late + uniform(face, f"{unit} delay", 0, 0.25)).clamp(max=0.45),
        uniform(face, f"{unit} speed", 0.55, 1.0),
        uniform(face, f"{unit} overshoot", 0.0, 0.18) * chance(face, f"{unit} overshoots", 0.5),
        uniform(face, f"{unit} tremor", 0.0, 0.05),
        uniform(face, f"{unit} phase", 0.0, 2 * torch.pi),
    )


def _blink(timing: Timing, times: Tensor) -> Tensor:
    """A blink in four of ten takes that are long enough: the lids close within 0.1 s and open within 0.2 s."""
    when = 0.25 + uniform(timing.face, "blink time") * (timing.end - 0.6)
    blinks = chance(timing.face, "blink", 0.4) & (timing.end > _LEAST_DURATION)
    closing = _rise(times, when - 0.1, when)
    return closing * (1 - _rise(times, when, when + 0.2)) * blinks[:, None]


def _turn(timing: Timing, times: Tensor, emotion: Tensor, intensity: Tensor) -> Tensor:
    """Changes (N, T, 3) of yaw, pitch and roll, which are 0 in the first frame."""
    face = timing.face
    manner = _table()[emotion]
    late = timing.start + uniform(face, "head delay", 0, 0.4) * (timing.apex - timing.start)
    path = _rise(times, late, timing.apex + 0.1) * (1 - _rise(times, timing.release, timing.end + 0.1))
    strength = path * (uniform(face, "head strength", 0.3, 1.4) * intensity)[:, None]
    turns = []
    for i, name in ((4, "yaw"), (3, "pitch"), (5, "roll")):
        side = 1.0 if name == "pitch" else 1 - 2 * chance(face, f"{name} side", 0.5).float()
        goal = (manner[:, i] + normal(face, f"{name} goal", 0, 0.015)) * side
        phase, rate = uniform(face, f"{name} sway phase", 0, 2 * torch.pi), uniform(face, f"{name} sway", 0.9, 3.0)
        sway = torch.sin(times * rate[:, None] + phase[:, None]) - phase.double().sin()[:, None]
        turns.append(strength * goal[:, None] + 0.010 * sway)
    return torch.stack(turns, -1)
