"""Whether a sampler that takes few steps draws as well as one that takes many.

Both draw the same pictures: the same labels, none followed more than it was learned, and the same noise to begin
with. Each set is compared with real faces by KID, in blocks, since a mean over blocks has an interval.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from facekit.datasets.base import FaceDataset
from facekit.diffusion.sampler import Sampler
from facekit.evaluation.judges import EmotionJudge
from facekit.evaluation.metrics.distribution import kid
from facekit.evaluation.metrics.uncertainty import Interval, bootstrap
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.diffusion.base import DiffusionGenerator
from facekit.workspace.files import atomic_path

FEW, MANY = Sampler("dpm++", 20), Sampler("ddpm", 1000)
"""What is compared unless asked otherwise: the suite's own, and ancestral sampling over all timesteps."""

BLOCK = 100  # pictures that KID is taken over, and that are drawn at once


@dataclass(frozen=True)
class FewSteps:
    """KID of what each way draws to real faces, and of real faces to others of the same people: means over blocks, with
    95 % intervals. `difference` is that of few steps less that of many, block by block: below 0, few are better."""

    few: Interval
    many: Interval
    real: Interval
    difference: Interval

    def __str__(self) -> str:
        rows = {"few steps": self.few, "many steps": self.many, "real faces": self.real, "few - many": self.difference}
        return "\n".join(f"{name:<12} KID {interval}" for name, interval in rows.items())


def compare(
    generator: DiffusionGenerator,
    held_out: FaceDataset,
    judge: EmotionJudge,
    out: Path,
    *,
    few: Sampler = FEW,
    many: Sampler = MANY,
    log: Callable[[str], None] = lambda line: None,
) -> FewSteps:
    """Draw and compare as many pictures as there are people in a dataset of two faces each.

    Of every person one face gives the label to draw, and the other is a real face. Features are kept in `out`, and what
    is there is not drawn again. Raises `ValueError` for fewer than two blocks.
    """
    n = len(held_out) // 2
    if n < 2 * BLOCK:
        raise ValueError(f"an interval needs two blocks of {BLOCK} people at least, and these are {n}")
    labels, real = held_out.faces(range(0, 2 * n, 2)), held_out.faces(range(1, 2 * n, 2))
    asked = labels.expression.only("emotion", "intensity")
    drawn = {
        sampler: _features_of_drawn(generator, asked, sampler, judge, out / f"{sampler.method}-{sampler.steps}", log)
        for sampler in (few, many)
    }
    reference = judge.features(real)

    def far(features: Tensor) -> Tensor:
        blocks = zip(reference.split(BLOCK), features.split(BLOCK), strict=True)
        return torch.tensor([kid(a, b, subsets=1) for a, b in blocks if len(a) == BLOCK])  # a rest is left out

    kids = far(drawn[few]), far(drawn[many]), far(judge.features(labels))
    return FewSteps(*(bootstrap(torch.mean, values) for values in (*kids, kids[0] - kids[1])))


def _features_of_drawn(
    generator: DiffusionGenerator,
    asked: Expression,
    sampler: Sampler,
    judge: EmotionJudge,
    folder: Path,
    log: Callable[[str], None],
) -> Tensor:
    """The judge's features (N, D) of a generator's pictures of expressions (N rows), the seed of each being its row."""
    usual, parts = generator.preset, []
    generator.preset = dataclasses.replace(usual, method=sampler.method, sample_steps=sampler.steps, label_guidance=1.0)
    try:
        for rows in torch.arange(len(asked)).split(BLOCK):
            path = folder / f"{rows[0]:06d}.safetensors"
            if not path.exists():
                log(f"{sampler.method}, {sampler.steps} steps: pictures {rows[0]} to {rows[-1]}")
                pictures = generator.sample(asked[rows], seed=rows.tolist())
                with atomic_path(path) as draft:
                    safetensors.torch.save_file({"features": judge.features(Faces(pictures)).cpu().contiguous()}, draft)
            parts.append(safetensors.torch.load_file(path)["features"])
    finally:
        generator.preset = usual
    return torch.cat(parts)
