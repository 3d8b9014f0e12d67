"""P3's mixed attention block and its attention maps."""

import pytest
import torch
from torch import nn

from facekit.layers.attention import ChannelAttention, SpatialAttention
from facekit.layers.mixed_attention import MixedAttention, MixedAttentionBlock, attention_maps


def test_channel_and_spatial_attention_weights_lie_between_0_and_1():
    torch.manual_seed(0)
    x = 5 * torch.randn(2, 16, 6, 4)
    channel_weights, spatial_weights = ChannelAttention(16)(x), SpatialAttention()(x)
    assert channel_weights.shape == (2, 16, 1, 1)
    assert spatial_weights.shape == (2, 1, 6, 4)
    for weights in (channel_weights, spatial_weights):
        assert weights.min() > 0
        assert weights.max() < 1


def test_channel_attention_does_not_depend_on_the_order_of_positions():
    torch.manual_seed(0)
    x, attention = torch.randn(1, 8, 4, 4), ChannelAttention(8)
    permuted = x.flatten(2)[:, :, torch.randperm(16)].view_as(x)
    torch.testing.assert_close(attention(x), attention(permuted))


def test_mixed_attention_multiplies_by_channel_and_then_by_spatial_attention():
    torch.manual_seed(0)
    x, attention = torch.randn(1, 8, 4, 4), MixedAttention(8)
    channels = x * attention.channel(x)
    torch.testing.assert_close(attention(x), channels * attention.spatial(channels))


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_the_block_preserves_the_shape_and_is_residual(scales):
    torch.manual_seed(0)
    block, x = MixedAttentionBlock(8, 0, None, 0.0, scales), torch.randn(2, 8, 12, 8)
    assert block(x, None).shape == x.shape
    nn.init.zeros_(block.last.norm.weight)
    assert torch.equal(block(x, None), x)


def test_skip_connections_add_encoder_maps_of_the_same_size():
    torch.manual_seed(0)
    block, x = MixedAttentionBlock(4, 0, None, 0.0, 2), torch.randn(1, 4, 8, 8)
    nn.init.zeros_(block.decoder[0].norm.weight)  # the decoder adds nothing: the skip connection is left
    fine = block.attention[0](block.encoder[0](x, None))
    torch.testing.assert_close(block(x, None), x + block.last(fine, None))


def test_the_label_changes_the_output_with_adaptive_norms():
    torch.manual_seed(0)
    block = MixedAttentionBlock(4, 3, None, 0.0, 2)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    x, labels = torch.randn(1, 4, 8, 8), torch.eye(3)
    assert not torch.allclose(block(x, labels[:1]), block(x, labels[1:2]))


def test_too_many_or_no_scales_raise():
    with pytest.raises(ValueError, match="6 x 6 cannot be halved down to 1 / 4"):
        MixedAttentionBlock(4, 0, None, 0.0, 3)(torch.zeros(1, 4, 6, 6), None)
    with pytest.raises(ValueError, match="at least one scale"):
        MixedAttentionBlock(4, 0, None, 0.0, 0)


def test_attention_maps_are_averaged_over_blocks_by_scale_and_hooks_are_removed():
    torch.manual_seed(0)

    class TwoBlocks(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(MixedAttentionBlock(4, 0, None, 0.0, 2) for _ in range(2))

        def forward(self, x):
            for block in self.blocks:
                x = block(x, None)
            return x

    network, x = TwoBlocks(), torch.randn(3, 4, 8, 8)
    maps = attention_maps(network, x)
    assert [tuple(each.shape) for each in maps.values()] == [(3, 1, 8, 8), (3, 1, 4, 4)]
    assert not any(module._forward_hooks for module in network.modules())
    first, second = network.blocks
    fine = [block.attention[0] for block in (first, second)]
    with torch.no_grad():
        h = x
        expected = []
        for block, attention in zip(network.blocks, fine, strict=True):
            encoded = block.encoder[0](h, None)
            expected.append(attention.spatial(encoded * attention.channel(encoded)))
            h = block(h, None)
    torch.testing.assert_close(maps[0], (expected[0] + expected[1]) / 2)
    assert attention_maps(nn.Conv2d(4, 4, 1), x) == {}
