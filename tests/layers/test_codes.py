"""Codes beside labels, and trained networks inside others."""

import torch
from torch import nn

from facekit.layers.codes import LabelledCodes
from facekit.layers.frozen import Frozen


def test_codes_know_what_is_linear_in_the_label():
    torch.manual_seed(0)
    labels = torch.nn.functional.one_hot(torch.randint(3, (4000,)), 3).float()
    directions = torch.randn(3, 16)
    codes = torch.randn(4000, 16) + labels @ directions
    space = LabelledCodes(16, 3, momentum=0.05)
    for part in torch.arange(4000).split(100):
        space.observe(space(codes[part]), labels[part])
    space.eval()
    standard = space(codes)
    erased = space.erase(standard)
    means = torch.stack([erased[labels[:, k] == 1].mean(0) for k in range(3)])
    before = torch.stack([standard[labels[:, k] == 1].mean(0) for k in range(3)])
    assert (means - means.mean(0)).norm() < 0.1 * (before - before.mean(0)).norm()
    happy = torch.tensor([[0.0, 1.0, 0.0]]).expand(4000, 3)
    replaced = space.replace(standard, happy)
    torch.testing.assert_close(replaced.mean(0), before[1], atol=0.15, rtol=0)
    torch.testing.assert_close(space.erase(replaced), erased, atol=1e-4, rtol=0)


def test_codes_that_vary_already_may_be_left_as_they_are():
    codes = 3 + 5 * torch.randn(50, 4)
    torch.testing.assert_close(LabelledCodes(4, 3, standardise=False)(codes), codes)
    standard = LabelledCodes(4, 3)(codes)
    torch.testing.assert_close(standard.var(0, correction=0), torch.ones(4), rtol=1e-2, atol=0)


def test_a_frozen_network_moves_along_and_is_neither_trained_nor_saved():
    network = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.9))
    part = Frozen(network)
    whole = nn.ModuleDict({"part": part, "own": nn.Linear(1, 1)}).train()
    assert not network.training
    assert set(whole.state_dict()) == {"own.weight", "own.bias"}
    assert [name for name, _ in whole.named_parameters()] == ["own.weight", "own.bias"]
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert whole.double().part.network[0].weight.dtype == torch.float64
    x = torch.randn(4, 2, dtype=torch.float64)
    assert torch.equal(part(x), network(x))
    assert Frozen(network, "extra_repr")() == ""  # another method, by name
