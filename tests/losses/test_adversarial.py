import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.losses.adversarial import ADVERSARIAL, discriminator_loss, generator_loss, gradient_penalty, r1_penalty
from facekit.losses.perceptual import feature_distance

LOG2 = math.log(2)

# Of a critic that scores real pictures 1 and made ones 0: its own loss, and the maker's.
BY_HAND = {
    "wasserstein": (-1, 0),
    "hinge": (0 + 1, 0),
    "logistic": (math.log1p(math.exp(-1)) + LOG2, LOG2),
    "least_squares": (0, 1),
}


def linear(weight):
    """A critic that scores (N, C, H, W) by one number, linearly."""
    return lambda images: (images * weight).sum((1, 2, 3))


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_losses_are_those_of_the_papers(kind):
    real, made = torch.ones(3, 1, 2, 2), torch.zeros(3, 1, 2, 2)
    assert discriminator_loss(real, made, kind).item() == pytest.approx(BY_HAND[kind][0], abs=1e-6)
    assert generator_loss(made, kind).item() == pytest.approx(BY_HAND[kind][1], abs=1e-6)


@pytest.mark.parametrize("kind", ADVERSARIAL)
@given(real=st.floats(-0.9, 0.9), made=st.floats(-0.9, 0.9))
@settings(max_examples=15, deadline=None)
def test_the_two_pull_made_pictures_scores_apart(kind, real, made):
    real, made = (torch.full((2, 1), value + 0.05, requires_grad=True) for value in (real, made))
    discriminator_loss(real, made, kind).backward()
    assert (real.grad < 0).all()  # real ones up
    downwards = made.grad > 0 if kind != "least_squares" else made.grad.sign() == made.detach().sign()  # towards 0
    assert downwards.all()
    made.grad = None
    generator_loss(made, kind).backward()
    assert (made.grad < 0).all()


def test_half_precision_scores_are_judged_in_single():
    scores = torch.randn(64, 1, 3, 3)
    for kind in ADVERSARIAL:
        half = discriminator_loss(scores.bfloat16(), -scores.bfloat16(), kind)
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, discriminator_loss(scores, -scores, kind), rtol=2e-2, atol=2e-2)


@given(scale=st.floats(0.1, 3))
@settings(max_examples=20, deadline=None)
def test_a_linear_critics_slope_is_its_weight_everywhere(scale):
    weight = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    weight = (scale * weight / weight.norm()).requires_grad_()
    real, made = torch.randn(2, 5, 3, 4, 4)
    torch.testing.assert_close(gradient_penalty(linear(weight), real, made), torch.tensor((scale - 1) ** 2))
    torch.testing.assert_close(r1_penalty(linear(weight), real), torch.tensor(scale**2))
    # Differentiated again: of (|w| - 1)² and of |w|².
    [once] = torch.autograd.grad(gradient_penalty(linear(weight), real, made), weight)
    torch.testing.assert_close(once, 2 * (scale - 1) * weight.detach() / scale, atol=1e-4, rtol=1e-4)
    [once] = torch.autograd.grad(r1_penalty(linear(weight), real), weight)
    torch.testing.assert_close(once, 2 * weight.detach())


def test_where_slopes_are_taken():
    """Of the score |x|² / 2 the slope at x is x: R1 asks at the real pictures, the penalty between them and others."""
    real, made = torch.full((400, 1, 1, 1), 3.0), torch.full((400, 1, 1, 1), 1.0)

    def critic(images):
        return images.square() / 2

    assert r1_penalty(critic, real).item() == pytest.approx(9)
    torch.manual_seed(0)
    # (u - 1)² for u even between 1 and 3: 4 / 3
    assert gradient_penalty(critic, real, made).item() == pytest.approx(4 / 3, abs=0.15)


def test_scores_of_patches_count_together():
    weight = torch.full((1, 3, 4, 4), 0.1)
    patches = lambda images: (images * weight).flatten(1).unflatten(1, (4, 12)).sum(2)  # noqa: E731
    real, made = torch.randn(2, 2, 3, 4, 4)
    # R1 of their mean, a quarter of what the linear critic says; the gradient penalty of their sum.
    torch.testing.assert_close(r1_penalty(patches, real), r1_penalty(linear(weight), real) / 16)
    torch.testing.assert_close(gradient_penalty(patches, real, made), gradient_penalty(linear(weight), real, made))


def test_features_are_compared_map_by_map():
    a = [torch.zeros(2, 4, 8, 8), torch.zeros(2, 8, 4, 4)]
    b = [torch.full_like(a[0], 0.5), torch.full_like(a[1], -0.25)]
    assert feature_distance(a, b).item() == pytest.approx(0.75)
    assert feature_distance(b, b).item() == 0
    # Maps that differ in opposite ways do not make up for each other, as they would if maps were added up first.
    c = [torch.full_like(a[0], 0.5), torch.full_like(a[1], -0.5)]
    assert feature_distance(a, c).item() == pytest.approx(1)
