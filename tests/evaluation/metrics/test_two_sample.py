import pytest
import torch

from facekit.evaluation.metrics.identity import verification_auc
from facekit.evaluation.metrics.two_sample import two_sample_scores

PEOPLE, EACH = 40, 4
PERSONS = torch.arange(PEOPLE).repeat_interleave(EACH)


def portraits(seed: int, size: int = 16) -> torch.Tensor:
    """Images in which each person has a colour and every image its own noise."""
    generator = torch.Generator().manual_seed(seed)
    colour = torch.rand(PEOPLE, 3, 1, 1, generator=torch.Generator().manual_seed(0)).repeat_interleave(EACH, 0)
    return (colour + 0.2 * torch.randn(PEOPLE * EACH, 3, size, size, generator=generator)).clamp(-1, 1)


def auc(generated: torch.Tensor, real: torch.Tensor, **options) -> float:
    return verification_auc(*two_sample_scores(generated, real, PERSONS, PERSONS, steps=60, **options))


def test_images_of_one_distribution_cannot_be_told_apart():
    assert 0.35 < auc(portraits(1), portraits(2)) < 0.65


def test_a_difference_that_holds_for_all_people_is_found():
    blurred = torch.nn.functional.avg_pool2d(portraits(1), 3, stride=1, padding=1)
    assert auc(blurred, portraits(2)) > 0.95


def test_what_is_learned_of_some_people_is_tested_on_others():
    """A mark tells the generated from the real images of one person, and helps with no other person."""
    marks = torch.randn(PEOPLE, 3, 16, 16, generator=torch.Generator().manual_seed(5)).repeat_interleave(EACH, 0)
    real = torch.where(PERSONS[:, None, None, None] % 2 == 0, -marks, marks)
    generated = -real
    assert auc((portraits(1) + generated).clamp(-1, 1), (portraits(2) + real).clamp(-1, 1)) < 0.7


def test_scores_are_ranks_and_the_seed_decides_them():
    generated, real = portraits(1), portraits(2)
    state = torch.get_rng_state()
    first = two_sample_scores(generated, real, PERSONS, PERSONS, steps=4)
    again = two_sample_scores(generated, real, PERSONS, PERSONS, steps=4)
    other = two_sample_scores(generated, real, PERSONS, PERSONS, steps=4, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert [len(part) for part in first] == [PEOPLE * EACH] * 2
    assert 0 < torch.cat(first).min() <= torch.cat(first).max() <= 1


def test_too_few_people_are_refused():
    few = torch.arange(3)
    with pytest.raises(ValueError, match="at least four people"):
        two_sample_scores(portraits(1)[:3], portraits(2)[:3], few, few)
