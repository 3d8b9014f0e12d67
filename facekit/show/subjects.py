"""Faces to edit in the studio: a drawn person, a face of a dataset, an upload."""

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
    """One face, in any size and number of channels.

    name          shown to the user, and saved with edits
    drawn         whether it is a drawn face; every other face counts as a photograph
    at            size in pixels and channels (1 or 3) to a record of one face
    shown         its expression, if known
    ground_truth  size and channels to the renderer of this person with any expression; None for a photograph
    note          a sentence on how the face was prepared, or empty
    """

    name: str
    drawn: bool
    at: Callable[[int, int], Faces]
    shown: Expression | None = None
    ground_truth: Callable[[int, int], GroundTruthRenderer] | None = None
    note: str = ""


class GroundTruthRenderer:
    """The renderer with the interface of a generator: it draws one person with any expression.

    dataset  that the person belongs to
    index    of the person's face in it
    """

    name = "ground truth"
    understands = frozenset({"emotion", "intensity", "action_units"})

    def __init__(self, dataset: SyntheticFaces, index: int) -> None:
        self._dataset, self._index = dataset, index

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`; each of the faces is taken for this person."""
        return self._dataset.counterfactual([self._index] * len(faces), expression).images


def drawn_person(number: int, shows: str = "neutral") -> Subject:
    """A person of SyntheticFaces' test split, with an emotion. No weights that ship were trained on these people.

    number  of the person, from 0
    shows   name of the emotion
    """
    shown = Expression.of(shows)

    # Cached, because every move of a slider edits the same face, and drawing it takes longer than most edits.
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
        ground_truth=lambda size, channels: GroundTruthRenderer(people(size, channels), number),
    )


def dataset_face(name: str, index: int, split: str = "test") -> Subject:
    """The face at an index of a dataset. Raises what `open_dataset` raises, and `IndexError` beyond the end."""
    dataset = open_dataset(name, split)
    if not 0 <= index < len(dataset):
        raise IndexError(f"{name} has {len(dataset)} faces in its {split} split, numbered from 0: there is no {index}")
    faces = dataset[index]
    labelled = faces.emotion is not None and faces.emotion.item() >= 0
    return Subject(
        f"{name} {split} {index}",
        drawn=name.startswith("synthetic"),
        at=lambda size, channels: _in_format(faces, size, channels),
        shown=Expression.from_labels(faces.emotion) if labelled else None,
    )


def uploaded(content: bytes, name: str = "upload") -> Subject:
    """The largest face in an image file.

    content  of the file
    name     shown to the user

    Raises `BadPicture` for a file that is no image, is damaged or too large, or shows no face.
    """
    prepared = prepare_picture(content, 128)
    notes = []
    if prepared.count > 1:
        notes.append(f"There are {prepared.count} faces in the picture; this is the largest.")
    if prepared.by == "box":
        notes.append("No eyes were found: the face is aligned by its bounding box.")
    if prepared.scale > 1:
        notes.append("The face is small: it was enlarged and is blurred.")
    return Subject(
        name, drawn=False, at=lambda size, channels: _in_format(prepared.faces, size, channels), note=" ".join(notes)
    )


def _in_format(faces: Faces, size: int, channels: int) -> Faces:
    faces = faces.resized(size)
    return faces.gray() if channels == 1 else faces.rgb()
