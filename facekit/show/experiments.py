"""The contact sheet of an experiment: the same faces edited by each variant."""

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
from facekit.show.images import grid


def sheet(systems: Mapping[str, Generator], benchmarks: Sequence[Benchmark]) -> Image.Image:
    """Two faces edited to every emotion by each generator, in two rows per generator.

    systems     generators by name
    benchmarks  one, whose lightest and darkest face are edited; or those of two domains, of which one photograph and
                one cartoon are edited to every emotion of either domain (P2, figure 10)

    Expressions that a generator does not support are left blank.
    """
    first, last = benchmarks[0].faces, benchmarks[-1].faces
    pair = _extremes(first) if len(benchmarks) == 1 else Faces.cat([_extremes(first)[:1], _extremes(last)[:1]])
    targets = [Expression.of(emotion) for emotion in PROTOCOL_EMOTIONS]
    if len(benchmarks) > 1:
        targets = [target.with_domain(domain) for domain in DOMAINS for target in targets]
    edited, names = [], []
    for name, system in systems.items():
        edits = [_edits(system, pair, target) for target in targets]
        edited += [[pair.images[row], *(edit[row] for edit in edits)] for row in range(2)]
        names += [name, ""]
    columns = PROTOCOL_EMOTIONS * (len(targets) // len(PROTOCOL_EMOTIONS))
    return grid(edited, columns=["input", *columns], rows=names, size=48)


def _extremes(faces: Faces) -> Faces:
    """The lightest and the darkest face."""
    brightness = faces.images.mean((1, 2, 3))
    return faces[[int(brightness.argmax()), int(brightness.argmin())]]


def _edits(system: Generator, faces: Faces, target: Expression) -> Tensor:
    """Edits (N, C, H, W); white if the generator does not support the target."""
    try:
        return system.edit(faces, target, seed=0)
    except UnsupportedExpression:
        return torch.ones_like(faces.images)
