import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.layers.embeddings import CodeEmbedding, ExpressionEmbedding, TimestepEmbedding, sinusoids


def test_sinusoids_are_sines_and_cosines_of_falling_frequency():
    got = sinusoids(torch.tensor([0, 3]), 8)
    assert torch.equal(got[0], torch.tensor([0.0] * 4 + [1.0] * 4))
    expected = [math.sin(3 * 10_000 ** (-i / 4)) for i in range(4)] + [
        math.cos(3 * 10_000 ** (-i / 4)) for i in range(4)
    ]
    torch.testing.assert_close(got[1], torch.tensor(expected))


def test_timesteps_may_be_whole_or_not_and_are_told_apart():
    embedding = TimestepEmbedding(32)
    whole, broken = torch.arange(1000), torch.arange(1000).float()
    torch.testing.assert_close(embedding(whole), embedding(broken))
    distances = torch.cdist(embedding(whole), embedding(whole)) + torch.eye(1000)
    assert distances.min() > 1e-3
    assert not torch.allclose(embedding(torch.tensor([3.5])), embedding(torch.tensor([3])))


def test_an_odd_length_cannot_be_split_into_sines_and_cosines():
    with pytest.raises(ValueError, match="even, and is 33"):
        TimestepEmbedding(33)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.integers(0, 6), st.integers(0, 6))
def test_a_blend_of_emotions_is_the_blend_of_their_rows(share, one, other):
    embedding = ExpressionEmbedding(7, 16)
    rows = torch.eye(7)
    blended = embedding((share * rows[one] + (1 - share) * rows[other])[None])
    apart = embedding(rows)
    torch.testing.assert_close(blended[0], share * apart[one] + (1 - share) * apart[other])


@pytest.mark.parametrize(("kind", "size"), [(ExpressionEmbedding, 7), (CodeEmbedding, 24)])
def test_dropped_faces_get_the_learned_null_row_and_nothing_of_what_was_given(kind, size):
    embedding = kind(size, 16)
    given = torch.rand(4, size, requires_grad=True)
    dropped = torch.tensor([True, False, False, True])
    with torch.no_grad():
        embedding.null.fill_(5.0)
    got = embedding(given, dropped)
    assert torch.equal(got[dropped], torch.full((2, 16), 5.0))
    torch.testing.assert_close(got[~dropped], embedding(given)[~dropped])
    got.sum().backward()
    assert (given.grad[dropped] == 0).all()
    assert (given.grad[~dropped] != 0).all()
    assert torch.equal(embedding.null.grad, torch.full((16,), 2.0))


def test_each_embedding_starts_at_the_size_of_the_others():
    times = TimestepEmbedding(256)(torch.arange(1000))
    emotions = ExpressionEmbedding(7, 256)(torch.eye(7))
    codes = CodeEmbedding(128, 256)(torch.randn(500, 128))
    for embedded in (times, emotions, codes):
        assert 0.5 < embedded.std() < 2
