import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.diffusion import PREDICTIONS, NoiseSchedule


def test_linear_schedule_equals_that_of_ho():
    schedule = NoiseSchedule.linear()
    assert len(schedule) == 1000
    assert schedule.alpha_bar[0].item() == pytest.approx(1 - 1e-4)
    assert schedule.alpha_bar[-1].item() == pytest.approx(4.036e-5, rel=1e-3)  # Ho 2020, §4: almost no signal remains
    ratio = schedule.alpha_bar[1:] / schedule.alpha_bar[:-1]
    torch.testing.assert_close((1 - ratio).diff(), torch.full((998,), (0.02 - 1e-4) / 999).double())


def test_cosine_schedule_equals_that_of_nichol():
    schedule = NoiseSchedule.cosine(1000)
    angle = lambda fraction: math.cos((fraction + 0.008) / 1.008 * math.pi / 2) ** 2  # noqa: E731
    for timestep in (0, 300, 499, 900):
        expected = angle((timestep + 1) / 1000) / angle(0)
        assert schedule.alpha_bar[timestep].item() == pytest.approx(expected, rel=1e-9)
    assert 1 - (schedule.alpha_bar[-1] / schedule.alpha_bar[-2]).item() == pytest.approx(0.999)


@pytest.mark.parametrize(
    ("bar", "message"),
    [
        (torch.tensor([0.9, 0.9]).double(), "must fall"),
        (torch.tensor([1.0, 0.5]).double(), "below 1"),
        (torch.tensor([0.9, 0.0]).double(), "above 0"),
        (torch.tensor([0.9, 0.5]), "float64"),
        (torch.tensor([[0.9, 0.5]]).double(), "shape"),
    ],
)
def test_invalid_schedules_raise(bar, message):
    with pytest.raises(ValueError, match=message):
        NoiseSchedule(bar)


def test_each_image_gets_the_noise_level_of_its_timestep(schedule, normal):
    clean, noise, timestep = normal(0, 3, 1, 4, 4), normal(1, 3, 1, 4, 4), torch.tensor([0, 500, 999])
    noisy = schedule.add_noise(clean, noise, timestep)
    assert noisy.dtype == torch.float32
    for row, t in enumerate(timestep.tolist()):
        bar = schedule.alpha_bar[t].item()
        expected = math.sqrt(bar) * clean[row] + math.sqrt(1 - bar) * noise[row]
        torch.testing.assert_close(noisy[row], expected)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@given(timestep=st.integers(0, 999), seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_every_prediction_determines_clean_image_and_noise(prediction, timestep, seed):
    schedule = NoiseSchedule.linear()
    clean, noise = torch.randn(2, 2, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    timestep = torch.tensor([timestep, 999 - timestep])
    noisy = schedule.add_noise(clean, noise, timestep)
    target = schedule.target(clean, noise, timestep, prediction)
    found = schedule.to_clean(target, noisy, timestep, prediction)
    torch.testing.assert_close(found, clean, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(schedule.to_noise(clean, noisy, timestep), noise, rtol=1e-3, atol=1e-4)


def test_velocity_equals_that_of_salimans(schedule, normal):
    clean, noise, timestep = normal(0, 1, 6), normal(1, 1, 6), torch.tensor([321])
    bar = schedule.alpha_bar[321].item()
    expected = math.sqrt(bar) * noise - math.sqrt(1 - bar) * clean
    torch.testing.assert_close(schedule.target(clean, noise, timestep, "velocity"), expected)


@pytest.mark.parametrize("method", ["target", "to_clean"])
def test_an_unknown_prediction_raises(schedule, normal, method):
    image = normal(0, 1, 4)
    with pytest.raises(ValueError, match="'epsilon' is no kind of prediction; known are noise, clean, velocity"):
        getattr(schedule, method)(image, image, torch.tensor([3]), "epsilon")


def test_snr_and_level_agree(schedule):
    level = schedule.level(700)
    assert level.signal**2 + level.noise**2 == pytest.approx(1)
    assert schedule.snr(torch.tensor([700])).item() == pytest.approx((level.signal / level.noise) ** 2)
    assert level.log_ratio == pytest.approx(math.log(schedule.snr(torch.tensor([700])).item()) / 2)


@pytest.mark.parametrize(("density", "middle"), [("uniform", 0.462), ("logit_normal", 0.683)])
def test_timesteps_follow_their_density(schedule, density, middle):
    torch.manual_seed(0)
    drawn = schedule.sample_timesteps(20_000, density)
    assert drawn.dtype == torch.int64
    assert drawn.min() >= 0
    assert drawn.max() < len(schedule)
    # Within one standard deviation of the normal number its sigmoid is between 0.269 and 0.731.
    fraction = ((drawn >= 269) & (drawn < 731)).float().mean().item()
    assert fraction == pytest.approx(middle, abs=0.015)
    assert drawn.float().mean().item() == pytest.approx(500, abs=10)


def test_an_unknown_density_raises(schedule):
    with pytest.raises(ValueError, match="'middle' is no density of timesteps; known are uniform, logit_normal"):
        schedule.sample_timesteps(3, "middle")
