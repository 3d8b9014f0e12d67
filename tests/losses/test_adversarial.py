import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.losses.adversarial import ADVERSARIAL, discriminator_loss, generator_loss, gradient_penalty, r1_penalty

LOG2 = math.log(2)

# Losses of the discriminator and of the generator where real images score 1 and generated ones 0.
EXPECTED = {
    "wasserstein": (-1, 0),
    "hinge": (0 + 1, 0),
    "logistic": (math.log1p(math.exp(-1)) + LOG2, LOG2),
    "least_squares": (0, 1),
}


def linear(weight):
    """A linear discriminator: (N, C, H, W) to one score per image."""
    return lambda images: (images * weight).sum((1, 2, 3))


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_losses_equal_the_papers_equations(kind):
    real, generated = torch.ones(3, 1, 2, 2), torch.zeros(3, 1, 2, 2)
    assert discriminator_loss(real, generated, kind).item() == pytest.approx(EXPECTED[kind][0], abs=1e-6)
    assert generator_loss(generated, kind).item() == pytest.approx(EXPECTED[kind][1], abs=1e-6)


@pytest.mark.parametrize("kind", ADVERSARIAL)
@given(real=st.floats(-0.9, 0.9), generated=st.floats(-0.9, 0.9))
@settings(max_examples=15, deadline=None)
def test_discriminator_lowers_and_generator_raises_the_scores_of_generated_images(kind, real, generated):
    real, generated = (torch.full((2, 1), value + 0.05, requires_grad=True) for value in (real, generated))
    discriminator_loss(real, generated, kind).backward()
    assert (real.grad < 0).all()  # scores of real images rise
    if kind == "least_squares":  # the target of generated images is 0
        assert (generated.grad.sign() == generated.detach().sign()).all()
    else:
        assert (generated.grad > 0).all()
    generated.grad = None
    generator_loss(generated, kind).backward()
    assert (generated.grad < 0).all()


def test_half_precision_scores_give_a_single_precision_loss():
    scores = torch.randn(64, 1, 3, 3)
    for kind in ADVERSARIAL:
        half = discriminator_loss(scores.bfloat16(), -scores.bfloat16(), kind)
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, discriminator_loss(scores, -scores, kind), rtol=2e-2, atol=2e-2)


@given(scale=st.floats(0.1, 3))
@settings(max_examples=20, deadline=None)
def test_penalties_of_a_linear_discriminator_follow_from_the_norm_of_its_weight(scale):
    weight = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    weight = (scale * weight / weight.norm()).requires_grad_()
    real, generated = torch.randn(2, 5, 3, 4, 4)
    torch.testing.assert_close(gradient_penalty(linear(weight), real, generated), torch.tensor((scale - 1) ** 2))
    torch.testing.assert_close(r1_penalty(linear(weight), real), torch.tensor(scale**2))
    # The penalties are differentiable in the weight w: they are (|w| - 1)² and |w|².
    [gradient] = torch.autograd.grad(gradient_penalty(linear(weight), real, generated), weight)
    torch.testing.assert_close(gradient, 2 * (scale - 1) * weight.detach() / scale, atol=1e-4, rtol=1e-4)
    [gradient] = torch.autograd.grad(r1_penalty(linear(weight), real), weight)
    torch.testing.assert_close(gradient, 2 * weight.detach())


def test_r1_is_taken_at_real_images_and_the_gradient_penalty_between_real_and_generated():
    """The gradient of the score |x|² / 2 is x itself, so that the penalties reveal where they are evaluated."""
    real, generated = torch.full((400, 1, 1, 1), 3.0), torch.full((400, 1, 1, 1), 1.0)

    def quadratic(images):
        return images.square() / 2

    assert r1_penalty(quadratic, real).item() == pytest.approx(9)
    torch.manual_seed(0)
    # The mean of (u - 1)² for u uniform on [1, 3] is 4 / 3.
    assert gradient_penalty(quadratic, real, generated).item() == pytest.approx(4 / 3, abs=0.15)


def test_r1_uses_the_mean_of_patch_scores_and_the_gradient_penalty_their_sum():
    weight = torch.full((1, 3, 4, 4), 0.1)
    patches = lambda images: (images * weight).flatten(1).unflatten(1, (4, 12)).sum(2)  # noqa: E731
    real, generated = torch.randn(2, 2, 3, 4, 4)
    # The mean of the four patch scores is a quarter of the linear discriminator's score; their sum equals it.
    torch.testing.assert_close(r1_penalty(patches, real), r1_penalty(linear(weight), real) / 16)
    of_patches, of_sum = (gradient_penalty(scores, real, generated) for scores in (patches, linear(weight)))
    torch.testing.assert_close(of_patches, of_sum)
