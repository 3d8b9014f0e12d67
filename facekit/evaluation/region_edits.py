"""Are the eyes and the mouth of an edit right, sharp, and joined to the rest of the face without a seam?

Over a whole face, the error and the sharpness of an edit are dominated by large, easy regions. Here held-out drawn
people are edited to every emotion, and measured inside the two regions of LGP-GAN (Xia 2022). A network that edits
regions and pastes them may leave a seam, so the contrast across the regions' borders is measured, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from facekit.datasets.synthetic import SyntheticFaces
from facekit.evaluation.benchmark.benchmarks import FACES
from facekit.evaluation.metrics.sharpness import sharpness
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.local_global import REGIONS
from facekit.models.system import Generator

_BATCH = 128


@dataclass(frozen=True)
class RegionBenchmark:
    """N requests: `faces` the inputs, `target` the emotions, `truth` (N, C, H, W) the ground truth."""

    faces: Faces
    target: Expression
    truth: Tensor


def region_benchmark(faces: int = FACES, size: int = 64, channels: int = 3, split: str = "test") -> RegionBenchmark:
    """The benchmark on one face each of held-out drawn people, each edited to all emotions of the protocol.

    size, channels  of the images, as the generator takes them
    split           "test", or "valid" while hyperparameters are still being chosen
    """
    dataset = SyntheticFaces(split, people=faces, faces_per_person=1, size=size, channels=channels)
    rows = torch.arange(faces).repeat_interleave(len(PROTOCOL_EMOTIONS))
    target = Expression.of(list(PROTOCOL_EMOTIONS) * faces)
    return RegionBenchmark(Faces(dataset.faces(rows).images), target, dataset.counterfactual(rows, target).images)


@dataclass(frozen=True)
class RegionScores:
    """What `evaluate_regions` measures; names of the regions as in `REGIONS`.

    relative_error  by region: squared error to the ground truth, divided by that of the unedited input
    sharpness       by region: Laplacian energy where the ground truth changes, by that of the ground truth
    seam            by region: mean absolute difference between the pixels on both sides of its border, by that of the
                    ground truth; 1 without a seam
    multiply_adds   of one edit
    """

    relative_error: dict[str, float]
    sharpness: dict[str, float]
    seam: dict[str, float]
    multiply_adds: float

    def row(self) -> dict[str, float]:
        """The numbers by name, such as `sharpness_eyes`."""
        measured = {name: value for name, value in vars(self).items() if isinstance(value, dict)}
        row = {f"{name}_{region}": value for name, by_region in measured.items() for region, value in by_region.items()}
        return row | {"multiply_adds": self.multiply_adds}


def evaluate_regions(generator: Generator | None, benchmark: RegionBenchmark) -> RegionScores:
    """The scores of a generator; None is the no-op baseline. Raises what `edit` raises."""
    inputs, truth, target = benchmark.faces, benchmark.truth, benchmark.target
    parts = torch.arange(len(inputs)).split(_BATCH)
    edits, operations = inputs.images, 0.0
    if generator is not None:
        edits = torch.cat([generator.edit(inputs[part], target[part], seed=part.tolist()) for part in parts])
        with FlopCounterMode(display=False) as counter:
            generator.edit(inputs[:1], target[:1])
        operations = counter.get_total_flops() / 2  # it counts multiplications and additions
    error, sharp, seam = {}, {}, {}
    for name, region in REGIONS.items():
        top, left, height, width = box = region.box(truth.shape[-1], 1)
        inside = [each[..., top : top + height, left : left + width] for each in (edits, truth, inputs.images)]
        error[name] = ((inside[0] - inside[1]).square().mean() / (inside[2] - inside[1]).square().mean()).item()
        sharp[name] = sharpness(*inside)
        seam[name] = (across_border(edits, box) / across_border(truth, box)).item()
    return RegionScores(error, sharp, seam, operations)


def across_border(images: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """Mean absolute difference between the neighbouring pixels inside and outside a rectangle, one number.

    images  (N, C, H, W)
    box     top, left, height and width in pixels; sides on the border of the image do not count
    """
    top, left, height, width = box
    rows, columns = slice(top, top + height), slice(left, left + width)
    differences = []
    for edge in (top, top + height):
        if 0 < edge < images.shape[-2]:
            differences.append((images[..., edge, columns] - images[..., edge - 1, columns]).abs().flatten())
    for edge in (left, left + width):
        if 0 < edge < images.shape[-1]:
            differences.append((images[..., rows, edge] - images[..., rows, edge - 1]).abs().flatten())
    return torch.cat(differences).mean()
