"""P3's block, and where it looks."""

import pytest
import torch
from torch import nn

from facekit.layers.attention import ChannelAttention, SpatialAttention
from facekit.layers.mixed_attention import MixedAttention, MixedAttentionBlock, attention_maps


def test_weights_of_channels_and_places_lie_between_0_and_1():
    torch.manual_seed(0)
    x = 5 * torch.randn(2, 16, 6, 4)
    channels, places = ChannelAttention(16)(x), SpatialAttention()(x)
    assert channels.shape == (2, 16, 1, 1)
    assert places.shape == (2, 1, 6, 4)
    for weights in (channels, places):
        assert weights.min() > 0
        assert weights.max() < 1


def test_channels_are_weighed_by_mean_and_greatest_value_alone():
    torch.manual_seed(0)
    x, attention = torch.randn(1, 8, 4, 4), ChannelAttention(8)
    elsewhere = x.flatten(2)[:, :, torch.randperm(16)].view_as(x)
    torch.testing.assert_close(attention(x), attention(elsewhere))


def test_attention_multiplies():
    torch.manual_seed(0)
    x, attention = torch.randn(1, 8, 4, 4), MixedAttention(8)
    channels = x * attention.channel(x)
    torch.testing.assert_close(attention(x), channels * attention.spatial(channels))


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_a_block_keeps_its_shape_and_is_residual(scales):
    torch.manual_seed(0)
    block, x = MixedAttentionBlock(8, 0, None, 0.0, scales), torch.randn(2, 8, 12, 8)
    assert block(x, None).shape == x.shape
    nn.init.zeros_(block.last.norm.weight)
    assert torch.equal(block(x, None), x)


def test_links_join_maps_of_one_size():
    torch.manual_seed(0)
    block, x = MixedAttentionBlock(4, 0, None, 0.0, 2), torch.randn(1, 4, 8, 8)
    nn.init.zeros_(block.decoder[0].norm.weight)  # what comes up from the coarse scale is nothing: the link is left
    fine = block.attention[0](block.encoder[0](x, None))
    torch.testing.assert_close(block(x, None), x + block.last(fine, None))


def test_a_label_is_heard_where_norms_are_adaptive():
    torch.manual_seed(0)
    block = MixedAttentionBlock(4, 3, None, 0.0, 2)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    x, labels = torch.randn(1, 4, 8, 8), torch.eye(3)
    assert not torch.allclose(block(x, labels[:1]), block(x, labels[1:2]))


def test_maps_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="6 x 6 cannot be halved down to 1 / 4"):
        MixedAttentionBlock(4, 0, None, 0.0, 3)(torch.zeros(1, 4, 6, 6), None)
    with pytest.raises(ValueError, match="one scale at least"):
        MixedAttentionBlock(4, 0, None, 0.0, 0)


def test_maps_of_several_blocks_are_averaged_by_scale_and_hooks_are_taken_off():
    torch.manual_seed(0)

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(MixedAttentionBlock(4, 0, None, 0.0, 2) for _ in range(2))

        def forward(self, x):
            for block in self.blocks:
                x = block(x, None)
            return x

    network, x = Two(), torch.randn(3, 4, 8, 8)
    maps = attention_maps(network, x)
    assert [tuple(each.shape) for each in maps.values()] == [(3, 1, 8, 8), (3, 1, 4, 4)]
    assert not any(module._forward_hooks for module in network.modules())
    first, second = network.blocks
    fine = [block.attention[0] for block in (first, second)]
    with torch.no_grad():
        h = x
        seen = []
        for block, attention in zip(network.blocks, fine, strict=True):
            inside = block.encoder[0](h, None)
            seen.append(attention.spatial(inside * attention.channel(inside)))
            h = block(h, None)
    torch.testing.assert_close(maps[0], (seen[0] + seen[1]) / 2)
    assert attention_maps(nn.Conv2d(4, 4, 1), x) == {}
