import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.layers.embeddings import CodeEmbedding, ExpressionEmbedding, TimestepEmbedding, sinusoids


def test_sinusoids_are_sines_and_cosines_of_decreasing_frequency():
    encoded = sinusoids(torch.tensor([0, 3]), 8)
    assert torch.equal(encoded[0], torch.tensor([0.0] * 4 + [1.0] * 4))
    expected = [math.sin(3 * 10_000 ** (-i / 4)) for i in range(4)] + [
        math.cos(3 * 10_000 ** (-i / 4)) for i in range(4)
    ]
    torch.testing.assert_close(encoded[1], torch.tensor(expected))


def test_timestep_embedding_takes_integers_and_fractions_and_distinguishes_all_timesteps():
    embedding = TimestepEmbedding(32)
    integers, floats = torch.arange(1000), torch.arange(1000).float()
    torch.testing.assert_close(embedding(integers), embedding(floats))
    distances = torch.cdist(embedding(integers), embedding(integers)) + torch.eye(1000)
    assert distances.min() > 1e-3
    assert not torch.allclose(embedding(torch.tensor([3.5])), embedding(torch.tensor([3])))


def test_an_odd_length_of_the_timestep_embedding_raises():
    with pytest.raises(ValueError, match="even, but is 33"):
        TimestepEmbedding(33)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.integers(0, 6), st.integers(0, 6))
def test_a_blend_of_emotions_is_embedded_as_the_blend_of_their_embeddings(share, first, second):
    embedding = ExpressionEmbedding(7, 16)
    one_hot = torch.eye(7)
    blended = embedding((share * one_hot[first] + (1 - share) * one_hot[second])[None])
    embedded = embedding(one_hot)
    torch.testing.assert_close(blended[0], share * embedded[first] + (1 - share) * embedded[second])


@pytest.mark.parametrize(("kind", "size"), [(ExpressionEmbedding, 7), (CodeEmbedding, 24)])
def test_dropped_conditions_are_replaced_by_the_learned_null_embedding(kind, size):
    embedding = kind(size, 16)
    condition = torch.rand(4, size, requires_grad=True)
    dropped = torch.tensor([True, False, False, True])
    with torch.no_grad():
        embedding.null.fill_(5.0)
    embedded = embedding(condition, dropped)
    assert torch.equal(embedded[dropped], torch.full((2, 16), 5.0))
    torch.testing.assert_close(embedded[~dropped], embedding(condition)[~dropped])
    embedded.sum().backward()
    assert (condition.grad[dropped] == 0).all()
    assert (condition.grad[~dropped] != 0).all()
    assert torch.equal(embedding.null.grad, torch.full((16,), 2.0))


def test_all_embeddings_start_with_a_similar_standard_deviation():
    times = TimestepEmbedding(256)(torch.arange(1000))
    emotions = ExpressionEmbedding(7, 256)(torch.eye(7))
    codes = CodeEmbedding(128, 256)(torch.randn(500, 128))
    for embedded in (times, emotions, codes):
        assert 0.5 < embedded.std() < 2
