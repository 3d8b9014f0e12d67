import pytest
import torch
from torch import nn

from facekit.layers.unet import ConditionedBlock, ConvEncoder, UNet, copy_from_coarser

SMALL = {"widths": (8, 12), "attention": (False, True), "condition": 16, "groups": 4}


def trained(network: nn.Module, *inputs: torch.Tensor, steps: int = 3) -> nn.Module:
    """A network after a few training steps towards fixed noise.

    Each step lets gradients pass one more of the layers that were initialised to 0.
    """
    target = torch.randn_like(network(*inputs))
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(steps):
        loss = (network(*inputs) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network


def inputs(n: int = 3, channels: int = 3, size: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(n, channels, size, size), torch.randn(n, 16)


@pytest.mark.parametrize("norm", ["adaptive", "added"])
@pytest.mark.parametrize(("factor", "blocks"), [(1, 1), (2, 2), (4, 1)])
def test_the_output_has_the_size_of_the_input_and_is_zero_before_training(norm, factor, blocks):
    x, condition = inputs(channels=6)
    network = UNet(6, 3, norm=norm, factor=factor, blocks=blocks, **SMALL)
    assert torch.equal(network(x, condition), torch.zeros(3, 3, 16, 16))
    assert torch.equal(network(x[..., :8], condition), torch.zeros(3, 3, 16, 8))


@pytest.mark.parametrize("norm", ["adaptive", "added"])
def test_the_condition_changes_the_output_after_training(norm):
    x, condition = inputs()
    network = trained(UNet(3, 3, norm=norm, **SMALL), x, condition, steps=8)
    assert (network(x, condition) - network(x, condition.roll(1, 0))).abs().mean() > 1e-3


@pytest.mark.parametrize("norm", ["adaptive", "added"])
def test_gradients_reach_every_weight_and_every_input(norm):
    x, condition = inputs()
    network = trained(UNet(3, 3, norm=norm, blocks=2, **SMALL), x, condition)
    x.requires_grad_(), condition.requires_grad_()
    network.zero_grad()
    network(x, condition).square().sum().backward()
    without = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []
    assert condition.grad.all()
    assert x.grad.all()


def test_each_decoder_block_adds_the_map_of_its_counterpart_in_the_encoder():
    x, condition = inputs()
    network = trained(UNet(3, 3, blocks=2, **SMALL), x, condition)
    encoder_outputs, decoder_inputs = [], []
    for level in network.down:
        for block in level:
            block.register_forward_hook(lambda block, args, output: encoder_outputs.append(output))
    for level in network.up:
        for block in level:
            block.register_forward_pre_hook(lambda block, args: decoder_inputs.append(args[0]))
    for block in network.middle:
        block.register_forward_hook(lambda block, args, output: torch.zeros_like(output))
    network(x, condition)
    assert len(encoder_outputs) == len(decoder_inputs) == 4
    torch.testing.assert_close(decoder_inputs[0], encoder_outputs[-1])


def test_features_neither_explode_nor_vanish_before_training():
    x, condition = inputs(8)
    network = UNet(3, 3, blocks=2, **SMALL)
    deviations = []
    for module in network.modules():
        if isinstance(module, ConditionedBlock):
            module.register_forward_hook(lambda block, args, output: deviations.append(output.std().item()))
    network(x, condition)
    assert len(deviations) == 10
    assert min(deviations) > 0.3
    assert max(deviations) < 5


def test_the_output_for_an_image_does_not_depend_on_its_batch():
    x, condition = inputs()
    network = trained(UNet(3, 3, **SMALL), x, condition).eval()
    one_by_one = torch.cat([network(x[i : i + 1], condition[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network(x, condition), one_by_one, rtol=1e-4, atol=1e-5)


def test_bf16_and_channels_last_give_nearly_the_same_output():
    x, condition = inputs()
    network = trained(UNet(3, 3, **SMALL), x, condition).eval()
    exact = network(x, condition)
    channels_last = network.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last), condition)
    torch.testing.assert_close(channels_last, exact, rtol=1e-3, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(x.to(memory_format=torch.channels_last), condition)
    rounded.float().square().mean().backward()
    assert (rounded.float() - exact).abs().mean() < 0.03 * exact.abs().mean()


def test_the_network_can_memorise_images_by_their_conditions():
    torch.manual_seed(0)
    images, condition, same_input = torch.randn(4, 3, 8, 8), torch.randn(4, 16), torch.randn(1, 3, 8, 8)
    network = UNet(3, 3, factor=4, widths=(16, 32), attention=(False, True), condition=16)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(80):
        loss = (network(same_input.expand_as(images), condition) - images).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.3


def test_dropout_acts_in_training_only():
    x, condition = inputs()
    network = trained(UNet(3, 3, dropout=0.5, **SMALL), x, condition)
    assert not torch.equal(network(x, condition), network(x, condition))
    network.eval()
    assert torch.equal(network(x, condition), network(x, condition))


@pytest.mark.parametrize(("height", "width"), [(18, 16), (16, 18), (15, 15)])
def test_image_sizes_that_the_levels_cannot_halve_raise(height, width):
    for network in (UNet(3, 3, **SMALL), ConvEncoder(3, 8, widths=(8, 12), groups=4)):
        with pytest.raises(ValueError, match=f"{height} x {width} pixels do not fit.*divisible by 4"):
            network(torch.zeros(1, 3, height, width), *[torch.zeros(1, 16)] * isinstance(network, UNet))


def test_incompatible_settings_raise():
    with pytest.raises(ValueError, match="'adaptive' or 'added', not 'batch'"):
        UNet(3, 3, norm="batch")
    with pytest.raises(ValueError, match="4 channels are no multiple of 3"):
        UNet(4, 3)
    with pytest.raises(ValueError, match="3 levels, but attention is given for 2"):
        UNet(3, 3, attention=(False, True))


def test_the_network_of_p1_can_be_configured():
    """P1's code has 64, 128, 256 and 256 channels and 15.66 M parameters."""
    network = UNet(
        1, 1, widths=(64, 128, 256, 240), attention=(False, True, True, True), factor=1, norm="added", blocks=2
    )
    assert sum(weight.numel() for weight in network.parameters()) == pytest.approx(15.66e6, rel=0.03)


def test_the_encoder_takes_any_size_and_encodes_each_image_independently():
    torch.manual_seed(0)
    encoder = ConvEncoder(3, 10, widths=(8, 12), blocks=2, groups=4)
    x = torch.randn(4, 3, 16, 24)
    codes = encoder(x)
    assert codes.shape == (4, 10)
    torch.testing.assert_close(codes[2:3], encoder(x[2:3]), rtol=1e-4, atol=1e-5)
    assert torch.cdist(codes, codes).add(torch.eye(4)).min() > 1e-3
    trained(encoder, x)
    encoder.zero_grad()
    encoder(x).square().sum().backward()
    assert [name for name, weight in encoder.named_parameters() if not weight.grad.any()] == []


def test_a_network_for_large_images_can_start_as_one_for_small_images():
    x, condition = inputs(size=16, channels=6)
    coarser = trained(UNet(6, 3, factor=2, **SMALL), x, condition)
    finer = UNet(6, 3, factor=4, **SMALL)
    copy_from_coarser(finer, coarser)
    large = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = coarser(x, condition).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(finer(large, condition), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("fields", [{"widths": (8, 16)}, {"blocks": 1}, {"factor": 1}])
def test_networks_that_do_not_correspond_raise(fields):
    finer = UNet(6, 3, **{"factor": 4} | SMALL | fields)
    with pytest.raises(ValueError, match="more than the pixel-unshuffle factor"):
        copy_from_coarser(finer, UNet(6, 3, factor=2, **SMALL))


def test_networks_for_other_channels_raise_and_stay_as_they_are():
    finer = UNet(2, 1, factor=2, **SMALL)
    before = finer.stem.weight.clone()
    with pytest.raises(ValueError, match="image channels"):
        copy_from_coarser(finer, UNet(6, 3, factor=2, **SMALL))
    assert torch.equal(finer.stem.weight, before)
