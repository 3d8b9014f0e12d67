import pytest
import torch
import torch.nn.functional as F

from facekit.losses.identity import cosface_loss

PERSONS = torch.tensor([0, 2])


def unit(*shape):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))), dim=1)


def test_without_margin_it_is_a_softmax_over_cosines():
    embeddings, proxies = unit(2, 5), unit(3, 5)
    expected = F.cross_entropy(10 * embeddings @ proxies.T, PERSONS)
    torch.testing.assert_close(cosface_loss(embeddings, proxies, PERSONS, margin=0, scale=10), expected)


def test_the_margin_is_taken_off_ones_own_cosine_alone():
    proxies = torch.eye(2)
    loss = cosface_loss(torch.tensor([[1.0, 0.0]]), proxies, torch.tensor([0]), margin=0.25, scale=4)
    assert loss.item() == pytest.approx(F.cross_entropy(torch.tensor([[3.0, 0.0]]), torch.tensor([0])).item())


def test_lengths_do_not_matter():
    embeddings, proxies = unit(2, 5), unit(3, 5)
    stretched = cosface_loss(7 * embeddings, 0.1 * proxies, PERSONS, margin=0.2, scale=10)
    torch.testing.assert_close(stretched, cosface_loss(embeddings, proxies, PERSONS, margin=0.2, scale=10))
