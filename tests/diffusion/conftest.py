"""Fixtures of the tests of diffusion: a schedule, and a mixture whose optimal denoiser is known."""

import pytest
import torch

from facekit.diffusion import NoiseSchedule
from facekit.diffusion.toy import GaussianMixture


@pytest.fixture(scope="session")
def schedule():
    return NoiseSchedule.linear()


@pytest.fixture(scope="session")
def mixture():
    """Three well separated Gaussians of different weight, mean and covariance."""
    return GaussianMixture(
        weights=torch.tensor([0.2, 0.3, 0.5]),
        means=torch.tensor([[-0.6, -0.4], [0.7, -0.4], [0.0, 0.7]]),
        covariances=torch.tensor(
            [[[0.02, 0.01], [0.01, 0.02]], [[0.01, 0.0], [0.0, 0.03]], [[0.03, -0.01], [-0.01, 0.01]]]
        ),
    )


@pytest.fixture
def normal():
    """normal(seed, *shape): reproducible normal numbers."""
    return lambda seed, *shape: torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
