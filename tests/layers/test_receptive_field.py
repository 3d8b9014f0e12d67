import pytest
import torch
from torch import nn

from facekit.layers.patches import PatchDiscriminator
from facekit.layers.receptive_field import influence, receptive_field


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_formula_agrees_with_the_gradients_of_a_discriminator(layers):
    torch.manual_seed(0)
    network = PatchDiscriminator(3, 64, 0, width=8, layers=layers, slope=0.2)
    inside = influence(network.scores, (3, 64, 64)) > 0
    side = receptive_field([(4, 2)] * layers + [(3, 1)])
    assert inside.any(dim=2).sum() == inside.any(dim=3).sum() == side


def test_without_layers_an_output_is_its_pixel():
    assert receptive_field([]) == 1


def test_the_order_of_the_layers_counts():
    assert receptive_field([(3, 2), (5, 1)]) == 11
    assert receptive_field([(5, 1), (3, 2)]) == 7


def test_influence_is_the_weight_of_a_linear_layer():
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    expected = layer.weight.detach()[0, 0].abs()
    strength = influence(layer, (1, 8, 8), images=2)
    torch.testing.assert_close(strength[0, 0, 3:6, 3:6], expected)
    assert strength.sum().item() == pytest.approx(expected.sum().item())
