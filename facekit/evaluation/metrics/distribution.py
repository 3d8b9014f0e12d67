"""E4: are the pictures of a generator, taken together, like real ones? FID, KID and IS over any features.

The numbers depend on the network that gives the features: compare only those of one network, and name it. The
embedded judge's features are there by default (`EmotionJudge.features`), and see faces; Inception's are what papers
report, and see photographs of all things.
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
    """Fréchet inception distance (Heusel 2017) of features (N, D) and (M, D): 0 for one distribution.

    It is biased by the number of pictures: compare only numbers over as many. Fewer pictures than features say
    little.
    """
    return _between(FrechetInceptionDistance(_Given(real.shape[1])), real.double(), generated.double()).item()


def kid(real: Tensor, generated: Tensor, subsets: int = 100, subset_size: int = 1000, seed: int = 0) -> float:
    """Kernel inception distance (Bińkowski 2018) of features (N, D) and (M, D): about 0 for one distribution.

    Unbiased, so that it can fall below 0. The mean over random subsets, no larger than the smaller set.
    """
    size = min(subset_size, len(real), len(generated))
    with _drawing(seed):
        metric = KernelInceptionDistance(_Given(real.shape[1]), subsets=subsets, subset_size=size)
        return _between(metric, real, generated)[0].item()


def inception_score(logits: Tensor, splits: int = 10, seed: int = 0) -> float:
    """Inception score (Salimans 2016) of a classifier's logits (N, K) on generated pictures: from 1 to K.

    High where each picture is plainly of one class and all classes occur alike.
    """
    with _drawing(seed):
        metric = InceptionScore(_Given(logits.shape[1]), splits=splits)
        metric.update(logits)
        return metric.compute()[0].item()


def inception_features(weights: str | os.PathLike) -> Callable[[Faces], Tensor]:
    """The features that papers take FID over, (N, 2048), of the Inception network at this path.

    weights  torch-fidelity's `weights-inception-2015-12-05-6726825d.pth`; nothing is fetched

    Raises `FileNotFoundError` where it is not there, and `pickle.UnpicklingError` where it holds more than numbers.
    """
    if not Path(weights).is_file():
        raise FileNotFoundError(
            f"there are no Inception weights at {weights}: get weights-inception-2015-12-05-6726825d.pth from the "
            "releases of github.com/toshas/torch-fidelity, or take the features of an embedded judge"
        )
    torch.load(weights, weights_only=True)  # torch-fidelity would run code from the file: refuse one that has any
    network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights))

    @torch.no_grad()
    def features(faces: Faces) -> Tensor:
        return torch.cat([network(to_uint8(to_rgb(part))) for part in faces.images.split(64)])

    return features


@contextmanager
def _drawing(seed: int) -> Iterator[None]:
    """Draw from a generator of one's own; without torchmetrics' remark that features are kept, as they are ours."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.manual_seed(seed)
        yield


class _Given(nn.Identity):
    """In the place of a feature network, for features that are there already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def _between(metric: Metric, real: Tensor, generated: Tensor) -> Tensor:
    metric.update(real, real=True)
    metric.update(generated, real=False)
    return metric.compute()
