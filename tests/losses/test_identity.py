import pytest
import torch
import torch.nn.functional as F

from facekit.losses.identity import cosface_loss

PERSONS = torch.tensor([0, 2])


def unit(*shape):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))), dim=1)


def test_cosface_without_margin_is_a_softmax_over_cosines():
    embeddings, proxies = unit(2, 5), unit(3, 5)
    expected = F.cross_entropy(10 * embeddings @ proxies.T, PERSONS)
    torch.testing.assert_close(cosface_loss(embeddings, proxies, PERSONS, margin=0, scale=10), expected)


def test_cosface_subtracts_the_margin_from_the_correct_cosine_only():
    proxies = torch.eye(2)
    loss = cosface_loss(torch.tensor([[1.0, 0.0]]), proxies, torch.tensor([0]), margin=0.25, scale=4)
    assert loss.item() == pytest.approx(F.cross_entropy(torch.tensor([[3.0, 0.0]]), torch.tensor([0])).item())


def test_cosface_does_not_depend_on_the_lengths_of_embeddings_and_proxies():
    embeddings, proxies = unit(2, 5), unit(3, 5)
    rescaled = cosface_loss(7 * embeddings, 0.1 * proxies, PERSONS, margin=0.2, scale=10)
    torch.testing.assert_close(rescaled, cosface_loss(embeddings, proxies, PERSONS, margin=0.2, scale=10))
