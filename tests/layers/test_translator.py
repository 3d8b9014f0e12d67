"""The image-to-image generator, the patch discriminator, and the initialisation of both."""

import pytest
import torch
from torch import nn

from facekit.layers.initialise import initialise_convolutions
from facekit.layers.patches import FeatureDiscriminator, PatchDiscriminator, high_frequencies
from facekit.layers.stages import Stage
from facekit.layers.translator import CONDITIONS, DROPOUTS, SKIPS, Translator

SMALL = {"width": 4, "blocks": 1, "halvings": 1}


def one_hot(label):
    return torch.nn.functional.one_hot(torch.tensor(label), 3).float()


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("factor", [1, 2])
def test_the_translator_preserves_the_size_of_images_and_uses_the_label(condition, factor):
    torch.manual_seed(0)
    network = Translator(3, 3, condition=condition, factor=factor, **SMALL)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)  # adaptive norms initially ignore the label
    images = torch.rand(2, 3, 16, 16)
    first, second = network(images, one_hot([0, 0])), network(images, one_hot([1, 2]))
    assert first.shape == images.shape
    assert (first - second).abs().mean() > 1e-3


def test_instance_norm_removes_a_label_plane_where_padding_has_no_border():
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 4, 3, padding=1, padding_mode="circular", bias=False)
    stage, images = Stage(conv, 0, None, 0.0), torch.rand(1, 3, 8, 8)
    planes = [torch.full((1, 3, 8, 8), value) for value in (0.0, 1.0)]
    first, second = (stage(torch.cat([images, plane], 1), None) for plane in planes)
    torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


def test_skip_connections_add_encoder_maps_and_the_input_image():
    torch.manual_seed(0)
    images = torch.rand(1, 3, 16, 16) * 2 - 1
    networks = {skips: Translator(3, 0, skips=skips, **SMALL) for skips in SKIPS}
    for network in networks.values():
        network.load_state_dict(networks["none"].state_dict())
    assert not torch.allclose(networks["none"](images), networks["mirrored"](images))
    torch.testing.assert_close(networks["global"](images), networks["none"](images) + images)
    torch.testing.assert_close(networks["residual"](images), networks["mirrored"](images) + images)
    nn.init.zeros_(networks["residual"].last.weight)
    assert torch.equal(networks["residual"](images), images)


@pytest.mark.parametrize(("dropout", "channels"), [("none", []), ("ends", [4, 4]), ("blocks", [8, 8])])
def test_dropout_acts_on_the_layers_of_its_setting(dropout, channels):
    network, dropped = Translator(3, 0, dropout=dropout, **SMALL | {"blocks": 2}), []
    network(torch.rand(1, 3, 16, 16), None, lambda h: dropped.append(h.shape[1]) or h)
    assert dropped == channels


def test_unknown_and_incompatible_settings_raise():
    for name in ("condition", "skips", "dropout", "block"):
        with pytest.raises(ValueError, match=f"{name} is 'odd'; known are"):
            Translator(3, 3, **{name: "odd"})
    assert "blocks" in DROPOUTS
    with pytest.raises(ValueError, match="width, 12, is not divisible by its 8 groups"):
        Translator(3, 3, width=12, groups=8)
    with pytest.raises(ValueError, match="48 pixels cannot be halved 5 times"):
        PatchDiscriminator(3, 48, 7, layers=5)


def test_the_discriminator_scores_patches_separately_and_classifies_whole_images():
    torch.manual_seed(0)
    network = PatchDiscriminator(3, 32, 5, width=4, layers=2)
    image = torch.rand(1, 3, 32, 32)
    scores, logits = network(image)
    assert scores.shape == (1, 1, 8, 8)
    assert logits.shape == (1, 5)
    torch.testing.assert_close(network.scores(image), scores)
    assert [m.shape[1:] for m in network.maps(image)] == [(4, 16, 16), (8, 8, 8)]
    image[..., 24:, 24:] = 0  # a corner
    changed = (network(image)[0] - scores).abs()[0, 0] > 1e-7
    assert changed[-2:, -2:].any()
    assert not changed[:3, :3].any()
    assert PatchDiscriminator(3, 32, 0, width=4, layers=2)(image)[1] is None


def test_high_frequencies_are_a_further_input_of_the_discriminator():
    flat, edge = torch.full((1, 3, 8, 8), 0.3), torch.zeros(1, 1, 8, 8)
    edge[..., 4:] = 0.9
    torch.testing.assert_close(high_frequencies(flat), torch.zeros_like(flat))
    expected = torch.zeros(8)
    expected[3], expected[4] = -0.3, 0.3  # one of the three pixels around each belongs to the other side
    torch.testing.assert_close(high_frequencies(edge)[0, 0, 0], expected)
    network = PatchDiscriminator(3, 32, 0, width=4, layers=2, high_frequencies=True)
    assert network.layers[0].in_channels == 6
    assert network(torch.rand(2, 3, 32, 32))[0].shape == (2, 1, 8, 8)


def test_a_conditional_discriminator_adds_the_projection_on_the_label_to_every_patch():
    torch.manual_seed(0)
    network = PatchDiscriminator(3, 32, 0, width=4, layers=2, labels=3)
    images, label = torch.rand(2, 3, 32, 32), torch.tensor([[1.0, 0, 0], [0, 0.5, 0.5]])
    unconditional, conditional = network.scores(images), network.scores(images, label)
    assert conditional.shape == unconditional.shape == (2, 1, 8, 8)
    torch.testing.assert_close(network(images, label)[0], conditional)
    features = network.source(network.maps(images)[-1])[:, 1:]
    projection = (features * network.embedding(label)[:, :, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(conditional - unconditional, projection)
    assert not torch.allclose(network.scores(images, label.roll(1, 0)), conditional, atol=1e-4)
    assert network.embedding[0].weight.grad is None
    conditional.sum().backward()
    assert network.embedding[0].weight.grad.abs().sum() > 0


def test_a_discriminator_of_features_scores_every_position_of_every_map():
    torch.manual_seed(0)
    network = FeatureDiscriminator((5, 6), 3, width=8)
    maps = [torch.rand(2, 5, 16, 16), torch.rand(2, 6, 8, 8)]
    images, label = torch.rand(2, 3, 32, 32), torch.tensor([[1.0, 0, 0], [0, 0.5, 0.5]])
    scores = network(images, label, lambda given: maps if given is images else None)
    assert scores.shape == (2, 4 * 4 + 2 * 2)
    assert not torch.allclose(network(images, label.roll(1, 0), lambda _: maps), scores, atol=1e-4)
    changed = [maps[0], maps[1] + 1]
    again = network(images, label, lambda _: changed)
    torch.testing.assert_close(again[:, :16], scores[:, :16])
    assert not torch.allclose(again[:, 16:], scores[:, 16:], atol=1e-4)
    with pytest.raises(ValueError, match="shorter"):
        network(images, label, lambda _: maps[:1])


@pytest.mark.parametrize("scheme", ["uniform", "normal", "he"])
def test_initialise_convolutions_sets_every_convolution_and_norm(scheme):
    torch.manual_seed(0)
    network = nn.ModuleList([Translator(3, 7, width=16, blocks=1), PatchDiscriminator(3, 32, 7, width=16, layers=3)])
    for parameter in network.parameters():
        nn.init.constant_(parameter, torch.nan)
    initialise_convolutions(network, scheme)
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.weight.numel() > 2000:
            fan_in = layer.weight[0].numel()
            if isinstance(layer, nn.ConvTranspose2d) and scheme == "he":
                fan_in = layer.in_channels * 4  # each output pixel depends on a quarter of the 4 x 4 kernel
            expected = {"uniform": (3 * fan_in) ** -0.5, "normal": 0.02, "he": (2 / fan_in) ** 0.5}[scheme]
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)
            assert layer.bias is None or bool(layer.bias.any()) == (scheme == "uniform")
        elif isinstance(layer, nn.GroupNorm):
            assert layer.weight.eq(1).all()
            assert layer.bias.eq(0).all()


def test_uniform_initialisation_is_torchs_default():
    torch.manual_seed(0)
    for layer in (nn.Conv2d(8, 16, 3), nn.ConvTranspose2d(8, 16, 4, 2)):
        expected = layer.weight.abs().max().item()
        initialise_convolutions(layer, "uniform")
        assert layer.weight.abs().max().item() == pytest.approx(expected, rel=0.02)


def test_initialise_convolutions_leaves_adaptive_norms_independent_of_the_label():
    network = Translator(3, 3, condition="adaptive", **SMALL)
    initialise_convolutions(network, "he")
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(network(images, one_hot([0, 0])), network(images, one_hot([1, 2])))
