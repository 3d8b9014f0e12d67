import pytest
import torch

from facekit.diffusion.toy import GaussianMixture

LEVELS = [(1.0, 0.0), (0.9, 0.4359), (0.3, 0.954), (0.01, 0.99995)]


def test_the_clean_estimate_of_one_gaussian_is_a_kalman_update():
    mean, deviation, a, s = 0.4, 0.2, 0.6, 0.8
    gaussian = GaussianMixture(torch.ones(1), torch.tensor([[mean]]), torch.tensor([[[deviation**2]]]))
    noisy = torch.tensor([[0.9], [-1.0]])
    gain = a * deviation**2 / (a**2 * deviation**2 + s**2)
    torch.testing.assert_close(gaussian.clean_estimate(noisy, a, s), mean + gain * (noisy - a * mean))


@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_the_score_is_the_gradient_of_the_log_density(mixture, normal, a, s):
    points = normal(0, 20, 2).double().requires_grad_()
    (gradient,) = torch.autograd.grad(mixture.log_density(points, a, s).sum(), points)
    torch.testing.assert_close(mixture.score(points.detach(), a, s), gradient)


@pytest.mark.parametrize(("a", "s"), LEVELS[1:])
def test_score_and_clean_estimate_are_related_by_tweedies_formula(mixture, normal, a, s):
    """Efron 2011."""
    points = normal(0, 20, 2).double()
    expected = (points + s**2 * mixture.score(points, a, s)) / a
    torch.testing.assert_close(mixture.clean_estimate(points, a, s), expected, rtol=1e-6, atol=1e-6)


def test_the_density_sums_to_one(mixture):
    side = torch.linspace(-3, 3, 301, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    assert mixture.log_density(grid, 0.8, 0.6).exp().sum().item() * 0.02**2 == pytest.approx(1, abs=1e-3)


def test_samples_follow_the_mixture(mixture):
    points, label = mixture.sample(20000, torch.Generator().manual_seed(0))
    for k in range(3):
        own = points[label == k]
        assert len(own) / 20000 == pytest.approx(mixture.weights[k].item(), abs=0.012)
        torch.testing.assert_close(own.mean(0), mixture.means[k], rtol=0, atol=0.01)
        torch.testing.assert_close(own.T.cov(), mixture.covariances[k], rtol=0.05, atol=0.001)


def test_the_clean_estimate_has_the_least_mean_square_error(mixture, schedule):
    clean, _ = mixture.sample(4000, torch.Generator().manual_seed(0))
    timestep = torch.full((4000,), 300)
    noisy = schedule.add_noise(clean, torch.randn(4000, 2, generator=torch.Generator().manual_seed(1)), timestep)
    estimate = mixture.denoiser(schedule)(noisy, timestep)
    error = lambda estimate: (estimate - clean).square().mean().item()  # noqa: E731
    middle = clean.mean(0)
    assert error(estimate) < 0.9 * error(noisy)
    for scale in (0.9, 1.1):
        assert error(estimate) < error(middle + scale * (estimate - middle))


def test_points_may_have_different_levels_and_labels(mixture, normal):
    points, a, s = normal(0, 4, 2), torch.tensor([0.9, 0.5, 0.2, 0.7]), torch.tensor([0.3, 0.8, 0.9, 0.7])
    label = torch.tensor([0, -1, 2, 1])
    together = mixture.clean_estimate(points, a, s, label)
    for i in range(4):
        alone = mixture.clean_estimate(points[i : i + 1], a[i].item(), s[i].item(), label[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)
    gaussian = GaussianMixture(torch.ones(1), mixture.means[2:], mixture.covariances[2:])
    torch.testing.assert_close(together[2:3], gaussian.clean_estimate(points[2:3], 0.2, 0.9))
    torch.testing.assert_close(together[1:2], mixture.clean_estimate(points[1:2], 0.5, 0.8))


def test_the_components_of_a_ring_are_evenly_spaced():
    ring = GaussianMixture.ring(5, radius=0.5, deviation=0.1)
    torch.testing.assert_close(ring.means.norm(dim=1), torch.full((5,), 0.5).double())
    torch.testing.assert_close(ring.means.sum(0), torch.zeros(2).double())
    points, _ = ring.sample(50, torch.Generator().manual_seed(0))
    assert points.dtype == torch.float32


def test_invalid_mixtures_raise():
    with pytest.raises(ValueError, match="sum to 1"):
        GaussianMixture(torch.tensor([0.5, 0.6]), torch.zeros(2, 2), torch.eye(2).repeat(2, 1, 1))
    with pytest.raises(ValueError, match=r"need \(K,\), \(K, D\), \(K, D, D\)"):
        GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.eye(2))
