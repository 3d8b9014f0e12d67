"""The generator that translates pictures, the discriminator of patches, and how both start."""

import pytest
import torch
from torch import nn

from facekit.layers.initialise import initialise_convolutions
from facekit.layers.patches import PatchDiscriminator
from facekit.layers.stages import Stage
from facekit.layers.translator import CONDITIONS, DROPOUTS, SKIPS, Translator

SMALL = {"width": 4, "blocks": 1, "halvings": 1}


def spread(label):
    return torch.nn.functional.one_hot(torch.tensor(label), 3).float()


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("factor", [1, 2])
def test_pictures_keep_their_size_and_the_label_counts(condition, factor):
    torch.manual_seed(0)
    network = Translator(3, 3, condition=condition, factor=factor, **SMALL)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)  # adaptive norms start blind to the label
    images = torch.rand(2, 3, 16, 16)
    one, other = network(images, spread([0, 0])), network(images, spread([1, 2]))
    assert one.shape == images.shape
    assert (one - other).abs().mean() > 1e-3


def test_without_a_border_a_plane_says_nothing_past_an_instance_norm():
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 4, 3, padding=1, padding_mode="circular", bias=False)
    stage, images = Stage(conv, 0, None, 0.0), torch.rand(1, 3, 8, 8)
    planes = [torch.full((1, 3, 8, 8), value) for value in (0.0, 1.0)]
    one, other = (stage(torch.cat([images, plane], 1), None) for plane in planes)
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_skips_lead_past_the_network():
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
def test_where_features_are_dropped(dropout, channels):
    network, seen = Translator(3, 0, dropout=dropout, **SMALL | {"blocks": 2}), []
    network(torch.rand(1, 3, 16, 16), None, lambda h: seen.append(h.shape[1]) or h)
    assert seen == channels


def test_what_does_not_exist_is_refused():
    for name in ("condition", "skips", "dropout", "block"):
        with pytest.raises(ValueError, match=f"{name} is 'odd'; known are"):
            Translator(3, 3, **{name: "odd"})
    assert "blocks" in DROPOUTS
    with pytest.raises(ValueError, match="width is 12, which its 8 groups do not divide"):
        Translator(3, 3, width=12, groups=8)
    with pytest.raises(ValueError, match="48 pixels cannot be halved 5 times"):
        PatchDiscriminator(3, 48, 7, layers=5)


def test_patches_are_judged_apart_and_classes_from_the_whole():
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


def test_with_a_label_patches_are_judged_by_a_projection():
    torch.manual_seed(0)
    network = PatchDiscriminator(3, 32, 0, width=4, layers=2, labels=3)
    images, label = torch.rand(2, 3, 32, 32), torch.tensor([[1.0, 0, 0], [0, 0.5, 0.5]])
    alone, judged = network.scores(images), network.scores(images, label)
    assert judged.shape == alone.shape == (2, 1, 8, 8)
    torch.testing.assert_close(network(images, label)[0], judged)
    # What the label adds is a product with its embedding, place by place.
    of_labels = network.source(network.maps(images)[-1])[:, 1:]
    added = (of_labels * network.embedding(label)[:, :, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(judged - alone, added)
    assert not torch.allclose(network.scores(images, label.roll(1, 0)), judged, atol=1e-4)
    assert network.embedding[0].weight.grad is None
    judged.sum().backward()
    assert network.embedding[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("start", ["uniform", "normal", "he"])
def test_every_convolution_and_norm_is_started(start):
    torch.manual_seed(0)
    network = nn.ModuleList([Translator(3, 7, width=16, blocks=1), PatchDiscriminator(3, 32, 7, width=16, layers=3)])
    for parameter in network.parameters():
        nn.init.constant_(parameter, torch.nan)
    initialise_convolutions(network, start)
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.weight.numel() > 2000:
            fan_in = layer.weight[0].numel()
            if isinstance(layer, nn.ConvTranspose2d) and start == "he":
                fan_in = layer.in_channels * 4  # 4 x 4, of which each output sees a quarter
            expected = {"uniform": (3 * fan_in) ** -0.5, "normal": 0.02, "he": (2 / fan_in) ** 0.5}[start]
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)
            assert layer.bias is None or bool(layer.bias.any()) == (start == "uniform")
        elif isinstance(layer, nn.GroupNorm):
            assert layer.weight.eq(1).all()
            assert layer.bias.eq(0).all()


def test_uniform_is_torchs_own():
    torch.manual_seed(0)
    for layer in (nn.Conv2d(8, 16, 3), nn.ConvTranspose2d(8, 16, 4, 2)):
        theirs = layer.weight.abs().max().item()
        initialise_convolutions(layer, "uniform")
        assert layer.weight.abs().max().item() == pytest.approx(theirs, rel=0.02)


def test_adaptive_norms_stay_blind_at_the_start():
    network = Translator(3, 3, condition="adaptive", **SMALL)
    initialise_convolutions(network, "he")
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(network(images, spread([0, 0])), network(images, spread([1, 2])))
