import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from facekit.losses.variational import decoder_deviation, gaussian_divergence, reparameterise, variational_loss

NUMBERS = st.floats(-4, 4, width=32)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_gaussian_divergence_equals_that_of_torch(rows):
    mu, logvar = torch.tensor(rows).T
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian_divergence(mu, logvar), expected, rtol=1e-4, atol=1e-5)


def test_gaussian_divergence_is_zero_only_at_the_prior():
    assert gaussian_divergence(torch.zeros(2, 3), torch.zeros(2, 3)).eq(0).all()
    assert gaussian_divergence(torch.tensor([0.1, 0.0, 0.0]), torch.tensor([0.0, 0.3, -0.3])).gt(0).all()


def test_reparameterised_samples_have_the_given_mean_and_standard_deviation():
    torch.manual_seed(0)
    mu, logvar = torch.tensor([1.0, -2.0]).expand(20_000, 2), torch.tensor([0.0, math.log(0.25)]).expand(20_000, 2)
    samples = reparameterise(mu, logvar)
    torch.testing.assert_close(samples.mean(0), mu[0], rtol=0, atol=0.03)
    torch.testing.assert_close(samples.std(0), torch.tensor([1.0, 0.5]), rtol=0.03, atol=0)


def test_gradients_pass_through_reparameterised_samples():
    mu, logvar = torch.zeros(1, 2, requires_grad=True), torch.zeros(1, 2, requires_grad=True)
    noise = torch.tensor([[0.5, -2.0]])
    reparameterise(mu, logvar, noise).sum().backward()
    assert mu.grad.tolist() == [[1, 1]]
    assert logvar.grad.tolist() == [[0.25, -1]]  # the derivative of ε exp(logvar / 2)


def test_variational_loss_averages_pixels_and_sums_latent_dimensions():
    images, reconstructed = torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.5)
    mu, logvar = torch.ones(2, 6), torch.zeros(2, 6)  # half a nat in each dimension
    loss = variational_loss(images, reconstructed, mu, logvar, beta=0.1)
    assert loss.item() == pytest.approx(0.25 + 0.1 * 3)


def test_beta_is_equivalent_to_the_variance_of_a_gaussian_decoder():
    """Scaled by D / (2 σ²), the loss is the negative evidence lower bound of that decoder, up to a constant."""
    torch.manual_seed(0)
    beta, images, reconstructed = 0.01, torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4)
    mu, logvar = torch.randn(3, 5), torch.randn(3, 5)
    sigma = decoder_deviation(beta, dimensions=16)
    likelihood = Normal(reconstructed, sigma).log_prob(images) + math.log(sigma * math.sqrt(2 * math.pi))
    bound = likelihood.sum((1, 2, 3)) - kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(1)
    loss = variational_loss(images, reconstructed, mu, logvar, beta)
    torch.testing.assert_close(loss * 16 / (2 * sigma**2), -bound.mean())


def test_the_divergence_alone_moves_the_posterior_to_the_prior():
    mu, logvar = torch.full((1, 3), 2.0, requires_grad=True), torch.full((1, 3), -2.0, requires_grad=True)
    variational_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), mu, logvar, beta=1.0).backward()
    assert F.relu(mu.grad).gt(0).all()  # the mean falls towards 0
    assert logvar.grad.lt(0).all()  # the log variance rises towards 0
