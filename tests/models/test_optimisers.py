"""Optimisers by name, and Muon."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from facekit.models.autoencoders.vae import VAEPreset
from facekit.models.optimisers import Muon, optimiser, orthogonalised


@pytest.mark.parametrize("shape", [(8, 50), (50, 8), (16, 16), (1, 5)])
def test_orthogonalised_sets_all_singular_values_to_about_1(shape):
    sizes = torch.tensor([1e-4, 1, 0])[:, None, None]
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)) * sizes
    result = orthogonalised(matrices)
    values = torch.linalg.svdvals(result[:2])
    assert values.min() > 0.5
    assert values.max() < 1.3
    assert torch.equal(result[2], torch.zeros(shape))


def test_orthogonalised_keeps_the_singular_vectors():
    u, _, v = torch.linalg.svd(torch.randn(6, 9, generator=torch.Generator().manual_seed(1)), full_matrices=False)
    matrix = u @ torch.diag(torch.linspace(1, 0.2, 6)) @ v
    rotated = u.T @ orthogonalised(matrix[None])[0] @ v.T
    assert (rotated - torch.diag(rotated.diag())).abs().max() < 0.05


def regression(build, steps: int) -> float:
    """The loss after training a linear map whose inputs vary 1000 times as much in some directions as in others. No
    direction is that of a single weight, so rescaling each weight's gradient does not help."""
    generator = torch.Generator().manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(32, 32, generator=generator)).Q
    target = torch.randn(512, 32, generator=generator)
    inputs = target * torch.logspace(0, -3, 32) @ rotation
    layer = nn.Linear(32, 32, bias=False)  # a vector, which Muon leaves to AdamW
    nn.init.zeros_(layer.weight)
    optimise = build(layer.parameters())
    for _ in range(steps):
        loss = (layer(inputs) - target).square().mean()
        optimise.zero_grad()
        loss.backward()
        optimise.step()
    return loss.item()


def test_muon_learns_directions_with_small_gradients_faster_than_adam():
    adam = min(regression(lambda p, rate=rate: torch.optim.Adam(p, rate), 200) for rate in (3e-3, 3e-2, 3e-1))
    muon = min(regression(lambda p, rate=rate: Muon(p, rate), 200) for rate in (3e-2, 3e-1))
    assert muon < 0.75 * adam


def test_vectors_are_updated_as_by_adamw():
    ours, theirs = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
    settings = {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.1}
    optimisers = Muon([ours], **settings), torch.optim.AdamW([theirs], **settings)
    for step in range(5):
        for parameter, optimise in zip((ours, theirs), optimisers, strict=True):
            parameter.grad = torch.arange(5.0) - step
            optimise.step()
    torch.testing.assert_close(ours, theirs)


def test_matrices_of_one_shape_are_updated_together_as_each_by_itself():
    shapes = [(8, 3, 3, 3), (8, 27), (27, 8), (8, 3, 3, 3), (5, 5)]
    generator = torch.Generator().manual_seed(0)
    together = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    together[3].data = together[3].data.contiguous(memory_format=torch.channels_last)
    alone = [nn.Parameter(p.detach().clone()) for p in together]
    optimisers = [Muon(together, 0.1, weight_decay=0.1)], [Muon([p], 0.1, weight_decay=0.1) for p in alone]
    for _ in range(3):
        for one, other in zip(together, alone, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        for optimise in [*optimisers[0], *optimisers[1]]:
            optimise.step()
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=0)  # updates of 0.1 x 0.2 x sqrt(27) in bfloat16


def test_filters_are_updated_as_matrices_and_parameters_without_gradient_are_kept():
    layer, idle = nn.Conv2d(3, 8, 3), nn.Parameter(torch.ones(2, 2))
    before = layer.weight.detach().clone()
    optimise = Muon([*layer.parameters(), idle], 0.1)
    layer(torch.ones(1, 3, 5, 5)).square().sum().backward()
    optimise.step()
    update = (layer.weight - before).flatten(1)
    assert update.shape == (8, 27)
    assert update.square().mean().sqrt() < 0.1
    assert torch.equal(idle, torch.ones(2, 2))


def test_a_run_with_restored_state_is_identical():
    def run(state=None):
        torch.manual_seed(0)
        layer = nn.Linear(4, 4)
        optimise = Muon(layer.parameters(), 0.1)
        states = []
        for step in range(4):
            if state is not None and step == 2:
                layer.load_state_dict(state[0])
                optimise = Muon(layer.parameters(), 0.1)
                optimise.load_state_dict(state[1])
            optimise.zero_grad()
            layer(torch.full((1, 4), float(step))).square().sum().backward()
            optimise.step()
            if step == 1:
                states = copy.deepcopy([layer.state_dict(), optimise.state_dict()])
        return layer.weight.detach(), states

    whole, state = run()
    assert torch.equal(run(state)[0], whole)


def test_the_optimiser_of_a_preset_is_built_by_name():
    parameters = [nn.Parameter(torch.ones(2, 2))]
    preset = VAEPreset()
    assert isinstance(optimiser(preset, parameters), Muon)
    assert type(optimiser(dataclasses.replace(preset, optimiser="adam"), parameters)) is torch.optim.Adam
    with pytest.raises(ValueError, match="optimiser is 'sgd'; it must be one of muon, adamw, adam"):
        dataclasses.replace(preset, optimiser="sgd").check()
