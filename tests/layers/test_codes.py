"""Codes and their labels; frozen networks."""

import torch
from torch import nn

from facekit.layers.codes import LabelledCodes
from facekit.layers.frozen import Frozen


def test_erase_removes_and_replace_sets_the_label_component_of_codes():
    torch.manual_seed(0)
    labels = torch.nn.functional.one_hot(torch.randint(3, (4000,)), 3).float()
    directions = torch.randn(3, 16)
    codes = torch.randn(4000, 16) + labels @ directions
    layer = LabelledCodes(16, 3, momentum=0.05)
    for rows in torch.arange(4000).split(100):
        layer.observe(layer(codes[rows]), labels[rows])
    layer.eval()
    standard = layer(codes)
    erased = layer.erase(standard)
    means_erased = torch.stack([erased[labels[:, k] == 1].mean(0) for k in range(3)])
    means = torch.stack([standard[labels[:, k] == 1].mean(0) for k in range(3)])
    assert (means_erased - means_erased.mean(0)).norm() < 0.1 * (means - means.mean(0)).norm()
    second_label = torch.tensor([[0.0, 1.0, 0.0]]).expand(4000, 3)
    replaced = layer.replace(standard, second_label)
    torch.testing.assert_close(replaced.mean(0), means[1], atol=0.15, rtol=0)
    torch.testing.assert_close(layer.erase(replaced), erased, atol=1e-4, rtol=0)


def test_standardisation_can_be_switched_off():
    codes = 3 + 5 * torch.randn(50, 4)
    torch.testing.assert_close(LabelledCodes(4, 3, standardise=False)(codes), codes)
    standard = LabelledCodes(4, 3)(codes)
    torch.testing.assert_close(standard.var(0, correction=0), torch.ones(4), rtol=1e-2, atol=0)


def test_a_frozen_network_follows_the_system_but_is_neither_trained_nor_saved():
    network = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.9))
    frozen = Frozen(network)
    system = nn.ModuleDict({"frozen": frozen, "own": nn.Linear(1, 1)}).train()
    assert not network.training
    assert set(system.state_dict()) == {"own.weight", "own.bias"}
    assert [name for name, _ in system.named_parameters()] == ["own.weight", "own.bias"]
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert system.double().frozen.network[0].weight.dtype == torch.float64
    x = torch.randn(4, 2, dtype=torch.float64)
    assert torch.equal(frozen(x), network(x))
    assert Frozen(network, "extra_repr")() == ""  # another method, by name
