"""The options of `SyntheticFaces`: defaults and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facekit.datasets.base import SPLITS
from facekit.datasets.synthetic.motion import UNTIL
from facekit.datasets.synthetic.render import check_size
from facekit.faces.emotions import EMOTIONS, emotion_index
from facekit.faces.parts import DOMAINS

PEOPLE = {"train": 2000, "valid": 200, "test": 256}
"""Default number of people in each split."""

MAX_PEOPLE, MAX_FACES = 1_000_000, 1000
"""Largest number of people, and of faces per person."""


# Left out at their defaults, so that caches and runs from before these options remain valid.
_NEWER = {"first_person": 0, "fps": None, "until": UNTIL[0]}


def resolved_options(given: Mapping[str, object]) -> dict[str, object]:
    """The options of `SyntheticFaces`, by name, with their defaults filled in, as JSON values. Raises `ValueError` for
    invalid ones."""
    fer = given["imitate"] == "fer2013"
    defaults = {
        "people": PEOPLE.get(given["split"]),
        "size": 48 if fer else 64,
        "channels": 1 if fer else 3,
        "label_noise": 0.1 if fer else 0.0,
    }
    options = {name: defaults.get(name) if value is None else value for name, value in given.items()}
    options["emotions"] = [EMOTIONS[emotion_index(name)] for name in options["emotions"]]
    options["intensity"] = list(options["intensity"])
    options = {name: value for name, value in options.items() if name not in _NEWER or value != _NEWER[name]}
    _check(options)
    return options


def _check(options: Mapping) -> None:
    _check_identities(*(options[name] for name in ("split", "people", "faces_per_person", "domain")))
    _check_first_person(options.get("first_person", 0), options["people"])
    _check_expressions(*(options[name] for name in ("emotions", "intensity")))
    _check_sequences(options["frames"], options.get("fps"), options.get("until", UNTIL[0]))
    check_size(options["size"], options["channels"])
    for name in ("one_sided", "free_units", "label_noise"):
        if not 0 <= options[name] <= 1:
            raise ValueError(f"{name} is {options[name]}; it is a share, from 0 to 1")
    if options["imitate"] not in (None, "fer2013"):
        raise ValueError(f"{options['imitate']!r} cannot be imitated; 'fer2013' can")


def _check_identities(split: str, people: int | None, faces_per_person: int, domain: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"{split!r} is not a split; use one of {', '.join(SPLITS)}")
    if not (1 <= people <= MAX_PEOPLE and 1 <= faces_per_person <= MAX_FACES):
        raise ValueError(
            f"people is {people} and faces_per_person {faces_per_person}; "
            f"need 1 to {MAX_PEOPLE:,} people and 1 to {MAX_FACES:,} faces of each"
        )
    if domain not in (*DOMAINS, "both"):
        raise ValueError(f"{domain!r} is not a domain; use {', '.join(DOMAINS)} or both")


def _check_first_person(first_person: int, people: int) -> None:
    if not 0 <= first_person <= MAX_PEOPLE - people:
        raise ValueError(
            f"first_person is {first_person}; a split has {MAX_PEOPLE:,} people, so that the first of {people:,} is "
            f"one from 0 to {MAX_PEOPLE - people:,}"
        )


def _check_expressions(emotions: Sequence[str], intensity: Sequence[float]) -> None:
    if not emotions or len(set(emotions)) < len(emotions):
        raise ValueError(f"emotions are {emotions}; name at least one emotion, and each once")
    if not 0 <= intensity[0] <= intensity[1] <= 1:
        raise ValueError(f"intensity is {tuple(intensity)}; need a range within 0 to 1")


def _check_sequences(frames: int | None, fps: float | None, until: str) -> None:
    if frames is None and (fps is not None or until != UNTIL[0]):
        raise ValueError("fps and until describe sequences: give frames too, such as frames=32")
    if frames is not None and frames < 3:
        raise ValueError(f"frames is {frames}; a sequence has at least 3")
    if fps is not None and not 1 <= fps <= 240:
        raise ValueError(f"fps is {fps}; need 1 to 240 frames a second")
    if until not in UNTIL:
        raise ValueError(f"until is {until!r}; sequences end at {' or '.join(map(repr, UNTIL))}")
    if fps is not None and until != UNTIL[0]:
        raise ValueError("with a frame rate, sequences end after their frames: omit until")
