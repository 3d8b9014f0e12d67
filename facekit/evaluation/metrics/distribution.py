"""E4: does the distribution of generated images match that of real ones? FID, KID and IS over any features.

The numbers depend on the feature network: name it, and compare only numbers from one network. The suite's own emotion
judge gives features trained on faces (`EmotionJudge.features`) and is always available. Papers report Inception's
features, trained on ImageNet's photographs of objects.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.image import FrechetInceptionDistance, InceptionScore, KernelInceptionDistance
from torchmetrics.image.fid import NoTrainInceptionV3

from facekit.faces.faces import Faces, to_rgb, to_uint8


def fid(real: Tensor, generated: Tensor) -> float:
    """Fréchet inception distance (Heusel 2017) of features (N, D) and (M, D): 0 for equal distributions.

    FID is biased by the number of images: compare only numbers over equally many. With fewer images than features it
    says little.
    """
    return _distance(FrechetInceptionDistance(_Precomputed(real.shape[1])), real.double(), generated.double()).item()


def kid(real: Tensor, generated: Tensor, subsets: int = 100, subset_size: int = 1000, seed: int = 0) -> float:
    """Kernel inception distance (Bińkowski 2018) of features (N, D) and (M, D): about 0 for equal
    distributions.

    KID is unbiased, so that it can fall below 0. It is the mean over random subsets, no larger than the smaller set.
    """
    size = min(subset_size, len(real), len(generated))
    with _seeded(seed):
        metric = KernelInceptionDistance(_Precomputed(real.shape[1]), subsets=subsets, subset_size=size)
        return _distance(metric, real, generated)[0].item()


def inception_score(logits: Tensor, splits: int = 10, seed: int = 0) -> float:
    """Inception score (Salimans 2016) of a classifier's logits (N, K) on generated images: from 1 to K.

    High if each image is clearly of one class and all classes are equally frequent.
    """
    with _seeded(seed):
        metric = InceptionScore(_Precomputed(logits.shape[1]), splits=splits)
        metric.update(logits)
        return metric.compute()[0].item()


def inception_features(weights: str | os.PathLike) -> Callable[[Faces], Tensor]:
    """The Inception features (N, 2048) over which papers report FID, from the network at this path.

    weights  torch-fidelity's `weights-inception-2015-12-05-6726825d.pth`; nothing is downloaded

    Raises `FileNotFoundError` if the file is missing, and `pickle.UnpicklingError` if it holds more than tensors.
    """
    if not Path(weights).is_file():
        raise FileNotFoundError(
            f"there are no Inception weights at {weights}: get weights-inception-2015-12-05-6726825d.pth from the "
            "releases of github.com/toshas/torch-fidelity, or use the features of the suite's own emotion judge"
        )
    torch.load(weights, weights_only=True)  # torch-fidelity would run code from the file: refuse a file with code
    network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights))

    @torch.no_grad()
    def features(faces: Faces) -> Tensor:
        return torch.cat([network(to_uint8(to_rgb(part))) for part in faces.images.split(64)])

    return features


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Fork and seed the random state; silence torchmetrics' warning that it stores features, which are ours."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.manual_seed(seed)
        yield


class _Precomputed(nn.Identity):
    """Stands in for a feature network where the features are already computed."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def _distance(metric: Metric, real: Tensor, generated: Tensor) -> Tensor:
    metric.update(real, real=True)
    metric.update(generated, real=False)
    return metric.compute()
