"""Faces that a person may choose to work on: a drawn one, one of a dataset, an upload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from facekit.datasets.base import open_dataset
from facekit.datasets.prepare import prepare_picture
from facekit.datasets.synthetic import SyntheticFaces
from facekit.diffusion.noise import Seeds
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces


@dataclass(frozen=True, eq=False)
class Subject:
    """One face, in whatever size and colour a generator takes.

    name      what it is called
    drawn     whether the suite drew it; anything else is taken for a photograph
    at        size in pixels and channels (1 or 3) to a record of one
    shown     what it shows, where that is known
    truth     what knows the true picture of it with any expression, at a size and channels; None for a photograph
    note      a sentence on what was done to it, or empty
    """

    name: str
    drawn: bool
    at: Callable[[int, int], Faces]
    shown: Expression | None = None
    truth: Callable[[int, int], Truth] | None = None
    note: str = ""


class Truth:
    """The renderer, with the contract of a generator: it alone knows what this person looks like otherwise."""

    name = "the true answer"
    understands = frozenset({"emotion", "intensity", "action_units"})

    def __init__(self, dataset: SyntheticFaces, index: int) -> None:
        self._dataset, self._index = dataset, index

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`; each of the faces is taken to be this one."""
        return self._dataset.counterfactual([self._index] * len(faces), expression).images


def drawn_person(number: int, shows: str = "neutral") -> Subject:
    """A person of SyntheticFaces' test split, whom no weights that ship have seen, with an emotion."""
    shown = Expression.of(shows)

    # Kept, as sliders ask for the same face again at every move, and drawing it takes longer than most edits.
    @cache
    def people(size: int, channels: int) -> SyntheticFaces:
        return SyntheticFaces("test", people=number + 1, faces_per_person=1, size=size, channels=channels)

    @cache
    def at(size: int, channels: int) -> Faces:
        return people(size, channels).counterfactual([number], shown)

    return Subject(
        f"drawn person {number}, {shows}",
        drawn=True,
        at=at,
        shown=shown,
        truth=lambda size, channels: Truth(people(size, channels), number),
    )


def dataset_face(name: str, index: int, split: str = "test") -> Subject:
    """The face at an index of a dataset. Raises what `open_dataset` raises, and `IndexError` beyond its end."""
    dataset = open_dataset(name, split)
    if not 0 <= index < len(dataset):
        raise IndexError(f"{name} has {len(dataset)} faces in its {split} split, numbered from 0: there is no {index}")
    faces = dataset[index]
    labelled = faces.emotion is not None and faces.emotion.item() >= 0
    return Subject(
        f"{name} {split} {index}",
        drawn=name.startswith("synthetic"),
        at=lambda size, channels: _as(faces, size, channels),
        shown=Expression.from_labels(faces.emotion) if labelled else None,
    )


def uploaded(content: bytes, name: str = "upload") -> Subject:
    """The largest face in a picture that somebody gives.

    Raises `BadPicture` for what is no picture, is damaged or too large, or shows no face.
    """
    prepared = prepare_picture(content, 128)
    said = []
    if prepared.count > 1:
        said.append(f"There are {prepared.count} faces in the picture; this is the largest.")
    if prepared.by == "box":
        said.append("Its eyes were not seen, so it is aligned by the face's outline alone.")
    if prepared.scale > 1:
        said.append("It is small in the picture: it was enlarged, and is blurred.")
    return Subject(
        name, drawn=False, at=lambda size, channels: _as(prepared.faces, size, channels), note=" ".join(said)
    )


def _as(faces: Faces, size: int, channels: int) -> Faces:
    faces = faces.resized(size)
    return faces.gray() if channels == 1 else faces.rgb()
