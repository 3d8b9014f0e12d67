"""Sequences from neutral to the apex, for systems that learn motion."""

from __future__ import annotations

from collections.abc import Sequence

from facekit.datasets.synthetic.dataset import SyntheticFaces
from facekit.faces.emotions import MOVING_EMOTIONS


class SyntheticMotions(SyntheticFaces):
    """`SyntheticFaces` with other defaults: sequences of 32 frames from neutral to the apex, of all emotions but
    neutral.

    split             the people of different splits are different
    faces_per_person  number of sequences of each person
    frames            of each sequence
    until             "apex", or "end" for sequences that return to neutral
    emotions          emotions that occur
    options           the others are those of `SyntheticFaces`
    """

    name = "synthetic_motions"

    def __init__(
        self,
        split: str = "train",
        *,
        faces_per_person: int = 6,
        frames: int = 32,
        until: str = "apex",
        emotions: Sequence[str] = MOVING_EMOTIONS,
        **options,
    ) -> None:
        super().__init__(
            split, faces_per_person=faces_per_person, frames=frames, until=until, emotions=emotions, **options
        )
