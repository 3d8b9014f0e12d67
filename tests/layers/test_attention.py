import pytest
import torch
from torch import nn

from facekit.layers.attention import SelfAttention


def nonzero_attention(channels: int, heads: int) -> SelfAttention:
    """A self-attention whose last layer is no longer 0."""
    torch.manual_seed(0)
    layer = SelfAttention(channels, heads, groups=1)
    nn.init.normal_(layer.out.weight)
    return layer


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_self_attention_equals_softmax_attention_computed_step_by_step(layout):
    layer = nonzero_attention(12, heads=3)
    x = torch.randn(2, 12, 4, 3).to(memory_format=layout)
    query, key, value = layer.qkv(nn.functional.group_norm(x, 1)).flatten(2).chunk(3, dim=1)  # (N, C, HW)
    attended = []
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        weights = torch.einsum("nci,ncj->nij", query[:, part], key[:, part]).div(4**0.5).softmax(dim=-1)
        attended.append(torch.einsum("nij,ncj->nci", weights, value[:, part]))
    expected = x + layer.out(torch.cat(attended, dim=1).unflatten(2, (4, 3)))
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_self_attention_is_equivariant_to_permutations_of_positions():
    layer = nonzero_attention(8, heads=2)
    x = torch.randn(2, 8, 4, 4)
    order = torch.randperm(16)
    permuted = layer(x.flatten(2)[..., order].unflatten(2, (4, 4)))
    torch.testing.assert_close(permuted, layer(x).flatten(2)[..., order].unflatten(2, (4, 4)))


def test_every_position_attends_to_every_other():
    layer = nonzero_attention(8, heads=2)
    x = torch.randn(1, 8, 4, 4, requires_grad=True)
    layer(x)[0, :, 0, 0].sum().backward()
    assert (x.grad.abs().sum(1) > 0).all()


def test_self_attention_starts_as_the_identity():
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(SelfAttention(8)(x), x)


def test_heads_that_do_not_divide_the_channels_raise():
    with pytest.raises(ValueError, match="10 channels cannot be split into 4 heads"):
        SelfAttention(10, heads=4)
