"""Optimisers by name, and Muon."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from facekit.models.autoencoders.vae import VAEPreset
from facekit.models.optimisers import Muon, optimiser, orthogonalised


@pytest.mark.parametrize("shape", [(8, 50), (50, 8), (16, 16), (1, 5)])
def test_all_singular_values_come_near_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(matrix * 1e-4))
    assert values.min() > 0.5
    assert values.max() < 1.3
    assert torch.equal(orthogonalised(torch.zeros(shape)), torch.zeros(shape))


def test_its_singular_vectors_are_those_of_the_matrix():
    u, _, v = torch.linalg.svd(torch.randn(6, 9, generator=torch.Generator().manual_seed(1)), full_matrices=False)
    matrix = u @ torch.diag(torch.linspace(1, 0.2, 6)) @ v
    turned = u.T @ orthogonalised(matrix) @ v.T
    assert (turned - torch.diag(turned.diag())).abs().max() < 0.05


def regression(build, steps: int) -> float:
    """The error left of a linear map whose inputs differ in size by a factor of a thousand."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(512, 32, generator=generator) * torch.logspace(0, -3, 32)
    wanted = inputs / inputs.std(0)
    layer = nn.Linear(32, 32)
    nn.init.zeros_(layer.weight)
    optimise = build(layer.parameters())
    for _ in range(steps):
        loss = (layer(inputs) - wanted).square().mean()
        optimise.zero_grad()
        loss.backward()
        optimise.step()
    return loss.item()


def test_small_directions_are_learned_as_quickly_as_large_ones():
    adam = min(regression(lambda p, rate=rate: torch.optim.Adam(p, rate), 200) for rate in (3e-3, 3e-2, 3e-1))
    muon = min(regression(lambda p, rate=rate: Muon(p, rate), 200) for rate in (3e-2, 3e-1))
    assert muon < adam


def test_vectors_are_moved_as_adamw_moves_them():
    ours, theirs = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
    settings = {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.1}
    optimisers = Muon([ours], **settings), torch.optim.AdamW([theirs], **settings)
    for step in range(5):
        for parameter, optimise in zip((ours, theirs), optimisers, strict=True):
            parameter.grad = torch.arange(5.0) - step
            optimise.step()
    torch.testing.assert_close(ours, theirs)


def test_filters_count_as_matrices_and_what_has_no_gradient_stays():
    layer, idle = nn.Conv2d(3, 8, 3), nn.Parameter(torch.ones(2, 2))
    before = layer.weight.detach().clone()
    optimise = Muon([*layer.parameters(), idle], 0.1)
    layer(torch.ones(1, 3, 5, 5)).square().sum().backward()
    optimise.step()
    moved = (layer.weight - before).flatten(1)
    assert moved.shape == (8, 27)
    assert moved.square().mean().sqrt() < 0.1
    assert torch.equal(idle, torch.ones(2, 2))


def test_its_state_comes_back():
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


def test_presets_name_their_optimiser():
    parameters = [nn.Parameter(torch.ones(2, 2))]
    preset = VAEPreset()
    assert isinstance(optimiser(preset, parameters), Muon)
    assert type(optimiser(dataclasses.replace(preset, optimiser="adam"), parameters)) is torch.optim.Adam
    with pytest.raises(ValueError, match="muon, adamw, adam"):
        optimiser(dataclasses.replace(preset, optimiser="sgd"), parameters)
