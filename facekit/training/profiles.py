"""Profiles: the purpose and the budget of a run, and the settings that hold for all systems.

A system's preset of the same name holds the settings that differ from system to system.
"""

from __future__ import annotations

from dataclasses import dataclass

from facekit.workspace.hardware import PRECISIONS


@dataclass(frozen=True)
class Profile:
    """The settings of a profile that hold for all systems."""

    name: str
    promise: str  # purpose, and what a run yields in which time
    duration: str  # of one training run, roughly
    people: int  # identities in the training split of SyntheticFaces
    faces_per_person: int = 8
    precision: str = "auto"  # of the networks' forward pass, by its name in `PRECISIONS`
    channels_last: bool = True  # memory layout of images and convolutions: faster, with equal results
    workers: int = 0  # processes that load images; 0: the training process loads them
    resident: float = 0.25  # share of a GPU's free memory in which a split is kept there; larger ones are loaded
    log_every: int = 1  # steps between lines in log.jsonl and points in TensorBoard

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision!r} is none of {', '.join(PRECISIONS)}")
        if not 0 <= self.resident <= 1:
            raise ValueError(f"resident is {self.resident}; it must be a share from 0 to 1")


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="smoke",
            promise="for CI and a first look: a few seconds per system, enough to see the loss fall",
            duration="a few seconds",
            people=64,
        ),
        Profile(
            name="laptop",
            promise="one system from scratch to visibly working edits in 10 minutes on 2 cores, at 48 × 48",
            duration="up to 10 minutes on 2 cores",
            people=2_000,
            log_every=5,
        ),
        Profile(
            name="gpu",
            promise="the best weights, at 64 × 64: tens of minutes per system on one GPU, in slices of 8 minutes",
            duration="tens of minutes on one GPU",
            people=8_000,
            faces_per_person=10,
            workers=4,
            log_every=10,
        ),
        Profile(
            name="paper",
            promise="the paper's own sizes, batch size, optimiser, schedule and precision: hours to days on one GPU",
            duration="hours to days on one GPU",
            people=8_000,
            faces_per_person=10,
            precision="float32",
            workers=4,
            log_every=50,
        ),
    )
}


def profile_named(name: str) -> Profile:
    """A profile by name; raises `ValueError` for one that does not exist."""
    if name not in PROFILES:
        raise ValueError(f"{name!r} is no profile; known are {', '.join(PROFILES)}")
    return PROFILES[name]
