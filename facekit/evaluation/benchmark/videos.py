"""The benchmark of videos: held-out drawn people move from neutral to an emotion and back."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from facekit.datasets.synthetic.motions import SyntheticMotions
from facekit.evaluation.benchmark.benchmarks import FACES
from facekit.faces.faces import Faces

FRAMES = 16


class VideoBenchmark(NamedTuple):
    """N videos: the sequences themselves, which are the ground truth, with all annotations by frame; and the
    intensity (N,) at the apex."""

    truth: Faces
    peak: Tensor

    @property
    def first(self) -> Faces:
        """The first frames, without annotations: the input of every edit."""
        return Faces(self.truth.images[:, 0])


def video_benchmark(
    faces: int = FACES,
    size: int = 64,
    channels: int = 3,
    split: str = "test",
    frames: int = FRAMES,
    first_person: int = 0,
) -> VideoBenchmark:
    """The benchmark on one video each of held-out drawn people; the emotions alternate.

    size, channels  of the images, as the generators take them
    split           "test", or "valid" while hyperparameters are still being chosen
    frames          of each video, from neutral to the apex and back
    first_person    number of the first person within the split
    """
    dataset = SyntheticMotions(
        split,
        people=faces,
        faces_per_person=1,
        first_person=first_person,
        frames=frames,
        until="end",
        size=size,
        channels=channels,
    )
    videos = [dataset.faces(rows) for rows in torch.arange(faces).split(32)]
    truth = Faces.cat(videos)
    return VideoBenchmark(truth, truth.intensity.amax(1))
