import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.diffusion import noise_stream, seeded_noise

SHAPE = (3, 4, 4)


def draws(seeds, count=3):
    rows = len(seeds)
    return torch.stack(list(itertools.islice(noise_stream(seeds, (rows, *SHAPE)), count)))  # (count, N, C, H, W)


@given(seeds=st.lists(st.integers(0, 2**31), min_size=1, max_size=5), data=st.data())
@settings(max_examples=20, deadline=None)
def test_the_noise_of_a_face_depends_on_its_seed_and_the_draw_alone(seeds, data):
    order = data.draw(st.permutations(range(len(seeds))))
    together = draws(seeds)
    assert torch.equal(draws([seeds[i] for i in order]), together[:, order])
    assert torch.equal(draws(seeds[:1]), together[:, :1])


def test_one_seed_gives_all_faces_the_same_noise():
    noise = seeded_noise(7, (3, *SHAPE))
    assert torch.equal(noise, seeded_noise([7, 7, 7], (3, *SHAPE)))
    assert torch.equal(noise[:1], seeded_noise(7, (1, *SHAPE)))


def test_seeds_may_be_a_tensor():
    assert torch.equal(seeded_noise(torch.tensor([4, 9]), (2, 5)), seeded_noise([4, 9], (2, 5)))


def test_noise_is_normal_and_independent_between_seeds_and_draws():
    noise = torch.stack(list(itertools.islice(noise_stream(range(8), (8, 2000)), 5)))
    flat = noise.flatten(0, 1)  # (40, 2000)
    assert flat.mean().abs() < 0.02
    assert flat.std().item() == pytest.approx(1, abs=0.02)
    assert (torch.corrcoef(flat) - torch.eye(40)).abs().max() < 0.12  # 5 deviations


def test_seeded_noise_is_the_first_draw_of_the_stream():
    assert torch.equal(seeded_noise([1, 2], (2, 6)), next(noise_stream([1, 2], (2, 6))))


def test_seeds_of_another_number_than_faces_raise():
    with pytest.raises(ValueError, match="2 seeds for 3 faces"):
        seeded_noise([1, 2], (3, 4))
