"""Does a sampler with few steps reach the image quality of one with many?

Both samplers start from the same noise and are conditioned on the same labels, without guidance (scale 1). Each set of
images is compared with real faces by KID, in blocks, so that the mean over blocks has a confidence interval.
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
"""The samplers that are compared by default: the suite's own, and ancestral sampling over all timesteps."""

BLOCK = 100
"""Images per KID value, and per batch of sampling."""


@dataclass(frozen=True)
class SamplerComparison:
    """KID to real faces: means over blocks, with 95 % intervals.

    few, many   of the images that each sampler generates
    real        of other real faces of the same people, for comparison
    difference  few minus many, block by block: below 0, few steps are better
    """

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
) -> SamplerComparison:
    """Sample and compare one image per person of a dataset with two faces each.

    The first face of a person gives the label; the second is a real image for KID. Features of generated images are
    saved in `out` and reused. Raises `ValueError` for fewer than two blocks.
    """
    n = len(held_out) // 2
    if n < 2 * BLOCK:
        raise ValueError(f"an interval needs at least two blocks of {BLOCK} people, and the dataset has {n} people")
    labels, real = held_out.faces(range(0, 2 * n, 2)), held_out.faces(range(1, 2 * n, 2))
    expressions = labels.expression.only("emotion", "intensity")
    generated = [_generated_features(generator, expressions, sampler, judge, out, log) for sampler in (few, many)]
    reference = judge.features(real)

    def kid_by_block(features: Tensor) -> Tensor:
        blocks = zip(reference.split(BLOCK), features.split(BLOCK), strict=True)
        # An incomplete block at the end is left out.
        return torch.tensor([kid(a, b, subsets=1) for a, b in blocks if len(a) == BLOCK])

    kids = [kid_by_block(each) for each in (*generated, judge.features(labels))]
    return SamplerComparison(*(bootstrap(torch.mean, values) for values in (*kids, kids[0] - kids[1])))


def _generated_features(
    generator: DiffusionGenerator,
    expressions: Expression,
    sampler: Sampler,
    judge: EmotionJudge,
    out: Path,
    log: Callable[[str], None],
) -> Tensor:
    """The judge's features (N, D) of generated images of expressions (N rows); the seed of an image is its row."""
    preset, parts = generator.preset, []
    settings = {"method": sampler.method, "sample_steps": sampler.steps, "label_guidance": 1.0}
    generator.preset = dataclasses.replace(preset, **settings)
    try:
        for rows in torch.arange(len(expressions)).split(BLOCK):
            path = out / f"{sampler.method}-{sampler.steps}" / f"{rows[0]:06d}.safetensors"
            if not path.exists():
                log(f"{sampler.method}, {sampler.steps} steps: images {rows[0]} to {rows[-1]}")
                images = generator.sample(expressions[rows], seed=rows.tolist())
                with atomic_path(path) as draft:
                    safetensors.torch.save_file({"features": judge.features(Faces(images)).cpu().contiguous()}, draft)
            parts.append(safetensors.torch.load_file(path)["features"])
    finally:
        generator.preset = preset
    return torch.cat(parts)
