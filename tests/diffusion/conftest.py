"""What the tests of diffusion share: a schedule, and points whose perfect denoiser is known."""

import pytest
import torch

from facekit.diffusion import NoiseSchedule
from facekit.diffusion.toy import GaussianMixture


@pytest.fixture(scope="session")
def schedule():
    return NoiseSchedule.linear()


@pytest.fixture(scope="session")
def mixture():
    """Three clouds of unlike weight, place and shape, apart from each other."""
    return GaussianMixture(
        weights=torch.tensor([0.2, 0.3, 0.5]),
        means=torch.tensor([[-0.6, -0.4], [0.7, -0.4], [0.0, 0.7]]),
        covariances=torch.tensor(
            [[[0.02, 0.01], [0.01, 0.02]], [[0.01, 0.0], [0.0, 0.03]], [[0.03, -0.01], [-0.01, 0.01]]]
        ),
    )


@pytest.fixture
def normal():
    """normal(seed, *shape): normal numbers that are the same every time."""
    return lambda seed, *shape: torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
