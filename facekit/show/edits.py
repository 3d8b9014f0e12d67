"""Faces edited to every emotion, with their ground truth where it is known: a sheet, and the README's animation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image

from facekit.datasets.synthetic import SyntheticFaces
from facekit.evaluation.benchmark import Benchmark
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.models.label import label_weights
from facekit.models.system import Generator
from facekit.show.animation import Animation
from facekit.show.images import grid

ENLARGEMENT = 4
"""Of the images on a sheet: the flaws of an edit are small."""

RISE, HOLD = 5, 5
"""Frames in which one expression becomes the next, and in which it stays."""


def edit_sheet(generator: Generator, benchmark: Benchmark, people: int = 20, *, first: int = 0) -> Image.Image:
    """Inputs of a benchmark, edited to each of `PROTOCOL_EMOTIONS`, at `ENLARGEMENT` times their size.

    generator  edits faces of the benchmark's size and colour
    people     how many rows, from the `first` input of the benchmark on; each is followed by its ground truth, if that
               is known
    """
    chosen = torch.arange(first, min(first + people, len(benchmark.faces)))
    faces, seeds = benchmark.faces[chosen], chosen.tolist()
    source = faces.expression.only("emotion", "intensity")
    targets = [Expression.of(emotion) for emotion in PROTOCOL_EMOTIONS]
    edited = [generator.edit(faces, target, source=source, seed=seeds) for target in targets]
    sheets, names = [torch.stack([faces.images, *edited], 1)], ["edit"]
    if benchmark.ground_truth is not None:
        true = [benchmark.ground_truth(chosen, target.for_faces(len(chosen))) for target in targets]
        sheets.append(torch.stack([faces.images, *true], 1))
        names.append("ground truth")
    rows = [sheet[i] for i in range(len(chosen)) for sheet in sheets]
    columns = ["input", *PROTOCOL_EMOTIONS]
    size = ENLARGEMENT * generator.preset.size
    return grid([list(row) for row in rows], columns=columns, rows=names * len(chosen), size=size, full_color=True)


def edit_animation(
    generator: Generator, people: int = 6, *, first: int = 40, size: int = 128, fps: float = 10
) -> Animation:
    """The first face of some test people, edited to each of `PROTOCOL_EMOTIONS` in turn and back to neutral.

    generator  edits drawn faces of its own size and colour
    people     how many, from the `first` one of the test split on
    size       height of each image in pixels
    fps        frames per second

    The rows are the input, the edit and the ground truth.
    """
    dataset = SyntheticFaces("test", faces_per_person=1, size=generator.preset.size, channels=generator.channels)
    rows = list(range(first, first + people))
    inputs = dataset.faces(rows)
    frames = []
    for emotion, expression in _timeline():
        edited = generator.edit(inputs, expression, source=inputs.expression.only("emotion", "intensity"))
        true = dataset.counterfactual(rows, expression).images
        columns = [emotion] + [""] * (people - 1)
        sheet = [list(inputs.images), list(edited), list(true)]
        frames.append(grid(sheet, columns=columns, rows=["input", "edit", "ground truth"], size=size, full_color=True))
    return Animation(tuple(frames), fps)


def _timeline() -> Sequence[tuple[str, Expression]]:
    """The expression of every frame, with the emotion's name: from each emotion to the next in `RISE` frames."""
    order = [name for name in PROTOCOL_EMOTIONS if name != "neutral"] + ["neutral"]
    places = {name: label_weights(Expression.of(name), PROTOCOL_EMOTIONS, "the animation")[0] for name in order}
    timeline = []
    for before, after in zip([order[-1], *order], order, strict=False):
        for step in range(1, RISE + HOLD + 1):
            share = min(1.0, step / RISE)
            weights = torch.zeros(1, 8)
            weights[0, : len(PROTOCOL_EMOTIONS)] = torch.lerp(places[before], places[after], share)
            timeline.append((after, Expression(emotion=weights)))
    return timeline
