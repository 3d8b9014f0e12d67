import pytest
import torch
import torchvision
from torch import nn

from facekit.layers.initialise import initialise
from facekit.layers.residual import PixelUnshuffleStem, ResidualBlock, ResidualTrunk


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_resnet_18_has_as_many_parameters_as_torchvisions():
    ours = ResidualTrunk(3, (64, 128, 256, 512), (2, 2, 2, 2))
    theirs = torchvision.models.resnet18(weights=None)
    assert count(ours.stages) == sum(count(getattr(theirs, f"layer{i}")) for i in (1, 2, 3, 4))


def test_residual_block_equals_torchvisions_basic_block():
    shortcut = nn.Sequential(nn.Conv2d(4, 8, 1, 2, bias=False), nn.BatchNorm2d(8))
    theirs = torchvision.models.resnet.BasicBlock(4, 8, 2, shortcut)
    ours = ResidualBlock(4, 8, 2)
    ours.load_state_dict(
        {name.replace("bn", "norm").replace("downsample", "shortcut"): v for name, v in theirs.state_dict().items()}
    )
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("factor", [1, 2])
def test_each_stage_of_the_trunk_halves_its_maps(factor):
    trunk = ResidualTrunk(1, (8, 12, 16), (1, 2, 1), factor)
    x = torch.randn(2, 1, 48, 48)
    maps = trunk.maps(x)
    side = 48 // factor
    assert [tuple(m.shape) for m in maps] == [
        (2, 8, side, side),
        (2, 12, side // 2, side // 2),
        (2, 16, side // 4, side // 4),
    ]
    assert trunk(x).shape == (2, 16)
    assert trunk.width == 16


def test_the_pixel_unshuffle_stem_depends_on_every_pixel():
    stem = PixelUnshuffleStem(1, 8, 2).eval()
    x = torch.randn(1, 1, 8, 8, requires_grad=True)
    initialise(stem)
    stem.conv(stem.unshuffle(x)).square().sum().backward()
    assert (x.grad != 0).all()


def test_initialise_gives_weights_he_variance_and_zero_biases():
    layer = nn.Sequential(nn.Conv2d(16, 64, 3), nn.Linear(500, 300))
    torch.manual_seed(0)
    initialise(layer)
    assert layer[0].weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
    assert layer[1].weight.std().item() == pytest.approx((2 / 500) ** 0.5, rel=0.05)
    assert not layer[0].bias.any()
    assert not layer[1].bias.any()
