"""GANs on the ring: independent runs, reproducibility, and mode collapse with and without R1."""

import pytest
import torch

from facekit.losses.adversarial import ADVERSARIAL
from facekit.models.gans.toy import RING, ParallelMLP, Setting, modes_reached, play_ring


def test_parallel_networks_are_independent():
    torch.manual_seed(0)
    network = ParallelMLP(3, 2, 8, 1)
    x = torch.randn(3, 5, 2, requires_grad=True)
    out = network(x)
    assert out.shape == (3, 5, 1)
    [gradient] = torch.autograd.grad(out[1].sum(), x)
    assert gradient[1].abs().sum() > 0
    assert gradient[[0, 2]].abs().sum() == 0
    expected = torch.relu(x[2] @ network.weights[0][2] + network.biases[0][2]) @ network.weights[1][2]
    torch.testing.assert_close(out[2], expected + network.biases[1][2])


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_every_loss_trains_and_returns_the_snapshots(kind):
    penalty = {"gradient_penalty": 1.0} if kind == "wasserstein" else {"r1": 1.0}
    samples = play_ring(Setting(kind, **penalty), games=2, steps=3, snapshots=(1, 3))
    assert list(samples) == [1, 3]
    assert all(points.shape == (2, 300, 2) and points.isfinite().all() for points in samples.values())


def test_the_same_seed_gives_the_same_points_and_the_random_state_is_restored():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, repeated, other_seed = (play_ring(Setting(), games=2, steps=2, seed=seed)[2] for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, repeated)
    assert not torch.equal(first, other_seed)


def test_modes_are_counted_for_each_run():
    points, component = RING.sample(4000, torch.Generator().manual_seed(0))
    half = points[component < 4][:1000]
    middle = torch.zeros(1000, 2)
    assert modes_reached(torch.stack([points[:1000], half, middle])) == [8, 4, 0]


def test_r1_reaches_more_modes_than_no_penalty():
    without = play_ring(Setting(momentum=0.9), games=3, steps=200)[200]
    with_r1 = play_ring(Setting(r1=0.3), games=3, steps=200)[200]
    assert sum(modes_reached(with_r1)) > 1.5 * sum(modes_reached(without))
