import pytest
import torch
from torch import nn

from facekit.layers.adaptive import AdaptiveGroupNorm, GroupNorm, group_norm


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_group_norm_and_its_gradients_equal_those_of_torch(groups, layout):
    torch.manual_seed(0)
    ours, theirs = GroupNorm(8, groups), nn.GroupNorm(groups, 8)
    with torch.no_grad():
        for layer in (ours, theirs):
            layer.weight.copy_(torch.linspace(0.5, 2, 8))
            layer.bias.copy_(torch.linspace(-1, 1, 8))
    data = (3 * torch.randn(5, 8, 6, 4) + 1).to(memory_format=layout)
    weights = torch.randn(5, 8, 6, 4)
    gradients, outputs = [], []
    for layer in (ours, theirs):
        x = data.clone().requires_grad_()
        outputs.append(layer(x))
        (outputs[-1] * weights).sum().backward()
        gradients.append((x.grad, layer.weight.grad, layer.bias.grad))
    torch.testing.assert_close(*outputs)
    for gradient, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)
    assert outputs[0].is_contiguous(memory_format=layout)


@pytest.mark.parametrize("shared", [True, False])
def test_group_norm_gradients_match_finite_differences(shared):
    torch.manual_seed(0)
    x = torch.randn(2, 6, 3, 2, dtype=torch.double).to(memory_format=torch.channels_last).requires_grad_()
    scale, shift = torch.randn(2, 1 if shared else 2, 6, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *inputs: group_norm(*inputs, groups=3), (x, scale, shift))


def test_group_norm_removes_a_large_mean_in_bf16():
    torch.manual_seed(0)
    x = (torch.randn(2, 8, 16, 16) + 10).bfloat16().to(memory_format=torch.channels_last)
    normalised = group_norm(x, torch.ones(1, 8), torch.zeros(1, 8), groups=2)
    assert normalised.dtype == torch.bfloat16
    assert (normalised.float() - nn.functional.group_norm(x.float(), 2)).abs().max() < 0.1


def test_group_norm_of_a_constant_map_is_its_shift():
    x = torch.full((1, 8, 4, 4), 1e4).to(memory_format=torch.channels_last)
    assert torch.allclose(group_norm(x, torch.ones(1, 8), torch.full((1, 8), 3.0), 2), torch.tensor(3.0), atol=1)


def test_adaptive_group_norm_starts_as_plain_group_norm():
    x = torch.randn(3, 8, 4, 4)
    norm = AdaptiveGroupNorm(8, 16, groups=2)
    torch.testing.assert_close(norm(x, torch.randn(3, 16)), nn.functional.group_norm(x, 2))


def test_adaptive_group_norm_applies_each_images_own_scale_and_shift():
    torch.manual_seed(0)
    x, condition = torch.randn(3, 8, 4, 4), torch.randn(3, 16)
    norm = AdaptiveGroupNorm(8, 16, groups=1)
    nn.init.normal_(norm.linear.weight)
    output = norm(x, condition)
    normalised = nn.functional.group_norm(x, 1)
    for i in range(3):
        scale, shift = (norm.linear.weight @ condition[i]).split(8)
        expected = normalised[i] * (1 + scale)[:, None, None] + shift[:, None, None]
        torch.testing.assert_close(output[i], expected, rtol=1e-4, atol=1e-4)
