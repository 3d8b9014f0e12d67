"""Profiles: for whom a run is, and what that fixes beyond the numbers of a model's preset of the same name."""

from __future__ import annotations

from dataclasses import dataclass

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Profile:
    """What a profile fixes for every system."""

    name: str
    promise: str  # what one gets, and in which time
    people: int  # people in the training split of SyntheticFaces
    faces_per_person: int = 8
    precision: str = "auto"  # of the networks' forward pass: auto: bfloat16 where it is faster
    channels_last: bool = True  # memory layout of pictures and convolutions: faster, and the same mathematics
    workers: int = 0  # processes that fetch pictures; 0 fetches in the training process
    log_every: int = 1  # steps between lines in log.jsonl and points in TensorBoard

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision!r} is none of {', '.join(PRECISIONS)}")


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="smoke",
            promise="for CI and the first look: a few seconds a system, enough to see the loss fall",
            people=64,
        ),
        Profile(
            name="laptop",
            promise="one system from nothing to visibly working edits in 10 minutes on 2 cores, at 48 × 48",
            people=2_000,
            log_every=5,
        ),
        Profile(
            name="gpu",
            promise="the good weights at 64 × 64: tens of minutes a system on one GPU, in slices of 8 minutes",
            people=8_000,
            faces_per_person=10,
            workers=4,
            log_every=10,
        ),
        Profile(
            name="paper",
            promise="the paper's own sizes, batch, optimiser, schedule and precision; hours to days on a GPU",
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
