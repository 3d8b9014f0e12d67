"""What the studio shows: faces with their ground truth, action units with a picture each, presets, texts."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Iterator
from importlib import resources

import torch
from PIL import Image
from torch import Tensor

from facekit.datasets.alignment import EYE_DISTANCE, EYE_HEIGHT
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.action_units import ACTION_UNIT_COLUMNS, ACTION_UNITS, action_unit_columns
from facekit.faces.emotions import COLORS, EMOTIONS, MOVING_EMOTIONS, PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import to_uint8
from facekit.faces.prototypes import prototype_matrix
from facekit.models.export import asked_by
from facekit.models.system import Generator
from facekit.show.catalogue import Entry

PEOPLE = 50
SIZES = (64, 128)
"""Of the drawn faces in pixels, as the generators take them."""

_MODEL = 7  # the person of the test split who shows the action units
_UNIT_SIZE = 96  # pixels of these pictures
_TRUTH_QUALITY = 88  # of WebP; the inputs of the generators are stored without loss, with little effort

PRESETS = (
    ("polite smile", {"AU12": 0.6}),
    ("Duchenne smile", {"AU6": 0.9, "AU12": 0.9, "AU25": 0.6}),
    ("contempt", {"AU12L": 0.4, "AU14L": 0.8}),
    ("wink", {"AU43R": 1.0, "AU6R": 0.5, "AU12R": 0.4}),
    ("doubt", {"AU1L": 0.8, "AU2L": 1.0, "AU4R": 0.6, "AU15": 0.3}),
    ("one-sided palsy", {"AU6L": 0.9, "AU12L": 1.0, "AU25": 0.4}),
)
"""Expressions to start from, as action units: their names are keys of the texts."""


def contents(address: Callable[[str], str], people: int = PEOPLE) -> dict:
    """What is shown, as values that JSON can hold.

    address  of a picture by its name: see `pictures`
    people   number of drawn people
    """
    return {
        "columns": list(ACTION_UNIT_COLUMNS),
        "emotions": [
            {"name": name, "color": COLORS[name], "units": prototype_matrix()[EMOTIONS.index(name)].tolist()}
            for name in PROTOCOL_EMOTIONS
        ],
        "labels": list(EMOTIONS),
        "units": [
            {
                "number": unit.number,
                "name": unit.name,
                "muscle": unit.muscle,
                "region": unit.region,
                "columns": list(unit.columns),
                "picture": address(f"unit/{unit.number}"),
            }
            for unit in ACTION_UNITS
        ],
        "presets": [{"name": name, "units": _by_column(units)} for name, units in PRESETS],
        "people": [
            {
                "id": person,
                "images": {size: address(f"person/{person}/{size}") for size in SIZES},
                "truth": {emotion: address(f"person/{person}/{emotion}") for emotion in MOVING_EMOTIONS},
            }
            for person in range(people)
        ],
        "eyes": {"height": EYE_HEIGHT, "distance": EYE_DISTANCE},
        "texts": json.loads(web_file("texts.json")),
    }


def described(entry: Entry, generator: Generator) -> dict:
    """What the page knows of a generator."""
    known = {"emotions": list(generator.emotions), "untrained": list(generator.untrained_units)}
    return entry._asdict() | known | {"size": generator.preset.size, "part": asked_by(generator)}


def web_file(name: str) -> bytes:
    """A file of the page."""
    return resources.files("facekit.studio").joinpath("web", name).read_bytes()


def _by_column(units: dict[str, float]) -> dict[str, float]:
    return {ACTION_UNIT_COLUMNS[i]: level for unit, level in units.items() for i in action_unit_columns(unit)}


# ------------------------------------------------------------------------------------------------------- pictures


def pictures(people: int = PEOPLE) -> Iterator[tuple[str, bytes]]:
    """All pictures as WebP, by name: `unit/12`, an action unit; `person/7/64`, a neutral drawn person in a size;
    `person/7/happy`, the ground truth of an emotion in the larger size."""
    for unit in ACTION_UNITS:
        yield f"unit/{unit.number}", picture(f"unit/{unit.number}")
    for kind in (*map(str, SIZES), *MOVING_EMOTIONS):
        for person, image in enumerate(_drawn(tuple(range(people)), kind)):
            yield f"person/{person}/{kind}", _webp(image, lossless=kind.isdigit())


@functools.lru_cache(maxsize=4096)
def picture(name: str) -> bytes:
    """One of `pictures`. Raises `KeyError` for a name that there is not."""
    what, _, rest = name.partition("/")
    number, _, kind = rest.partition("/")
    if not number.isdigit():
        raise KeyError(name)
    if what == "unit" and not kind and int(number) in {unit.number for unit in ACTION_UNITS}:
        model = SyntheticFaces("test", people=1, first_person=_MODEL, faces_per_person=1, size=_UNIT_SIZE)
        return _webp(model.counterfactual([0], Expression.from_action_units({f"AU{number}": 1.0})).images[0])
    if what == "person" and int(number) < PEOPLE and kind in (*map(str, SIZES), *MOVING_EMOTIONS):
        if kind == str(min(SIZES)):
            return _portraits()[int(number)]
        return _webp(_drawn((int(number),), kind)[0], lossless=kind.isdigit())
    raise KeyError(name)


@functools.cache
def _portraits() -> list[bytes]:
    """Everyone in the smaller size, drawn at once: all are shown where a person is chosen."""
    return [_webp(image, lossless=True) for image in _drawn(tuple(range(PEOPLE)), str(min(SIZES)))]


def ground_truth(person: int, action_units: Tensor, size: int = max(SIZES)) -> Tensor:
    """A drawn person with action units (A): (3, H, W) in [-1, 1]."""
    return _people(size).counterfactual([person], Expression(action_units=action_units[None])).images[0]


@functools.cache
def _people(size: int) -> SyntheticFaces:
    return SyntheticFaces("test", people=PEOPLE, faces_per_person=1, size=size)


def _drawn(people: tuple[int, ...], kind: str) -> Tensor:
    """Drawn people, neutral in a size or with an emotion in the larger size."""
    size, emotion = (int(kind), "neutral") if kind.isdigit() else (max(SIZES), kind)
    return _people(size).counterfactual(torch.tensor(people), Expression.of(emotion)).images


def _webp(image: Tensor, lossless: bool = False) -> bytes:
    """An image (3, H, W) in [-1, 1] as WebP."""
    file = io.BytesIO()
    drawn = Image.fromarray(to_uint8(image).permute(1, 2, 0).numpy())
    drawn.save(file, "WEBP", lossless=lossless, quality=20 if lossless else _TRUTH_QUALITY, method=4, exact=True)
    return file.getvalue()
