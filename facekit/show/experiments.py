"""The picture of an experiment: the same faces edited by each of its variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from PIL import Image
from torch import Tensor

from facekit.evaluation.benchmark import Benchmark
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.faces.parts import DOMAINS
from facekit.models.system import Generator
from facekit.show.pictures import grid


def sheet(systems: Mapping[str, Generator], benchmarks: Sequence[Benchmark]) -> Image.Image:
    """Two faces with every emotion, by each of some generators, two rows each: the lightest and the darkest of an exam
    or, where there are exams of two domains, a photograph and a cartoon with every emotion of either (P2, figure 10).
    What a generator has not learned is left blank.
    """
    first, last = benchmarks[0].faces, benchmarks[-1].faces
    pair = _extremes(first) if len(benchmarks) == 1 else Faces.cat([_extremes(first)[:1], _extremes(last)[:1]])
    goals = [Expression.of(emotion) for emotion in PROTOCOL_EMOTIONS]
    if len(benchmarks) > 1:
        goals = [goal.with_domain(domain) for domain in DOMAINS for goal in goals]
    pictures, names = [], []
    for name, system in systems.items():
        edits = [_edits(system, pair, goal) for goal in goals]
        pictures += [[pair.images[row], *(edit[row] for edit in edits)] for row in range(2)]
        names += [name, ""]
    columns = PROTOCOL_EMOTIONS * (len(goals) // len(PROTOCOL_EMOTIONS))
    return grid(pictures, columns=["input", *columns], rows=names, size=48)


def _extremes(faces: Faces) -> Faces:
    """The lightest and the darkest."""
    brightness = faces.images.mean((1, 2, 3))
    return faces[[int(brightness.argmax()), int(brightness.argmin())]]


def _edits(system: Generator, faces: Faces, goal: Expression) -> Tensor:
    """Edits (N, C, H, W), or blanks."""
    try:
        return system.edit(faces, goal, seed=0)
    except UnsupportedExpression:
        return torch.ones_like(faces.images)
