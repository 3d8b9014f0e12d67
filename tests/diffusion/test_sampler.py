import itertools
from itertools import pairwise

import pytest
import torch
from diffusers.schedulers.scheduling_ddim_inverse import DDIMInverseScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.diffusion import NoiseSchedule, Sampler, noise_stream, seeded_noise
from facekit.diffusion.sampler import METHODS, SPACINGS

SHORT = NoiseSchedule.linear(100, 1e-3, 0.2)  # the final noise level of Ho's, in a tenth of the steps

# ---------------------------------------------------------------------------------------------- on a known distribution


def assert_of_the_mixture(points, mixture):
    """The points have the mixture's weights, means and covariances within about three standard deviations."""
    own = mixture.responsibilities(points, 1.0, 0.0).argmax(1)
    for k in range(3):
        mine = points[own == k]
        assert len(mine) / len(points) == pytest.approx(mixture.weights[k].item(), abs=0.03)
        torch.testing.assert_close(mine.mean(0), mixture.means[k], rtol=0, atol=0.02)
        torch.testing.assert_close(mine.T.cov(), mixture.covariances[k], rtol=0, atol=0.005)


@pytest.mark.parametrize(
    "sampler",
    [
        Sampler("ddpm", steps=400, clip=False),
        Sampler("ddim", steps=100, clip=False),
        Sampler("ddim", steps=200, eta=0.5, clip=False),
        Sampler("dpm++", steps=20, clip=False),
    ],
    ids=lambda sampler: f"{sampler.method} {sampler.eta}",
)
def test_samples_follow_the_distribution_of_the_denoiser(sampler, mixture, normal):
    schedule = NoiseSchedule.linear(400, 2.5e-4, 0.05)
    noise = (normal(seed, 2500, 2) for seed in itertools.count(1))
    points = sampler.sample(mixture.denoiser(schedule), normal(0, 2500, 2), schedule, noise=noise)
    assert_of_the_mixture(points, mixture)


@pytest.fixture(scope="module")
def exact(mixture):
    """A schedule, noise, and the samples of the deterministic trajectory in many steps."""
    schedule, start = NoiseSchedule.cosine(), seeded_noise(range(100), (100, 2))
    sampler = Sampler("dpm++", steps=200, clip=False)
    return schedule, start, sampler.sample(mixture.denoiser(schedule), start, schedule)


def median_error(sampler, mixture, exact):
    schedule, start, expected = exact
    return (sampler.sample(mixture.denoiser(schedule), start, schedule) - expected).norm(dim=1).median().item()


def test_few_steps_of_dpm_beat_ddim_and_quadratic_beats_uniform(mixture, exact):
    error = {
        (method, spacing): median_error(Sampler(method, steps=20, clip=False, spacing=spacing), mixture, exact)
        for method, spacing in itertools.product(("dpm++", "ddim"), SPACINGS)
    }
    assert error["dpm++", "quadratic"] < 0.3 * error["ddim", "quadratic"]
    assert error["dpm++", "quadratic"] < 0.3 * error["dpm++", "uniform"]


def test_twice_the_steps_reduce_the_error_as_the_order_of_the_method_predicts(mixture, exact):
    for method, factor in (("dpm++", 0.45), ("ddim", 0.65)):
        few, many = (median_error(Sampler(method, steps=k, clip=False), mixture, exact) for k in (15, 30))
        assert few * 0.1 < many < few * factor


# ------------------------------------------------------------------------------------------------------------ inversion


@pytest.mark.parametrize("name", ["linear", "cosine"])
@pytest.mark.parametrize(("method", "most", "beyond"), [("dpm++", 0.01, 0.1), ("ddim", 0.015, 0.25)])
def test_decoding_an_inversion_returns_the_input(method, most, beyond, name, mixture):
    schedule = getattr(NoiseSchedule, name)()
    points, _ = mixture.sample(100, torch.Generator().manual_seed(0))
    denoise, sampler = mixture.denoiser(schedule), Sampler(method, steps=20, clip=False)
    code = sampler.invert(denoise, points, schedule)
    assert (sampler.sample(denoise, code, schedule) - points).norm(dim=1).median() < most
    assert code.std().item() == pytest.approx(1, abs=beyond)  # a code is distributed like noise


def test_inversion_is_more_accurate_than_that_of_diffusers(mixture):
    schedule, sampler = NoiseSchedule.linear(), Sampler("ddim", steps=50, clip=False, spacing="uniform")
    points, _ = mixture.sample(100, torch.Generator().manual_seed(0))
    denoise = mixture.denoiser(schedule)
    scheduler = DDIMInverseScheduler(timestep_spacing="trailing", prediction_type="epsilon", clip_sample=False)
    scheduler.set_timesteps(50)
    plain = points
    for timestep in scheduler.timesteps:
        at = timestep.expand(100)
        noise = schedule.to_noise(denoise(plain, at), plain, at)
        plain = scheduler.step(noise, timestep.item(), plain).prev_sample
    ours = sampler.invert(denoise, points, schedule)
    error = [(sampler.sample(denoise, code, schedule) - points).norm(dim=1).median() for code in (ours, plain)]
    assert error[0] < 0.7 * error[1]


def test_inversion_may_stop_at_an_intermediate_noise_level(mixture, schedule):
    points, _ = mixture.sample(50, torch.Generator().manual_seed(0))
    denoise, sampler = mixture.denoiser(schedule), Sampler("ddim", steps=50, clip=False)
    code = sampler.invert(denoise, points, schedule, strength=0.3)
    back = sampler.sample(denoise, code, schedule, strength=0.3)
    assert (back - points).norm(dim=1).median() < 0.02
    assert not torch.allclose(code, sampler.invert(denoise, points, schedule), atol=0.1)


# ------------------------------------------------------------------------------------------------------------ timesteps


@given(steps=st.integers(1, 100), strength=st.floats(0.01, 1), spacing=st.sampled_from(SPACINGS))
@settings(max_examples=60, deadline=None)
def test_timesteps_decrease(steps, strength, spacing):
    sampler = Sampler(steps=steps, spacing=spacing)
    whole, part = sampler.timesteps(SHORT), sampler.timesteps(SHORT, strength)
    assert len(whole) == steps
    assert whole[0] == 99
    assert all(noisier > cleaner >= 0 for noisier, cleaner in pairwise(whole))
    assert whole[-len(part) :] == part
    assert part[0] < max(strength * 100, whole[-1] + 1)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_as_many_steps_as_timesteps_use_all_of_them(spacing):
    assert Sampler(steps=100, spacing=spacing).timesteps(SHORT) == list(range(99, -1, -1))


def test_quadratic_steps_become_shorter_towards_the_clean_image(schedule):
    timesteps = Sampler(steps=20).timesteps(schedule)
    assert timesteps[0] == 999
    assert timesteps[-1] == 0
    gaps = [noisier - cleaner for noisier, cleaner in pairwise(timesteps)]
    assert all(longer > shorter for longer, shorter in pairwise(gaps))


def test_a_trajectory_yields_every_step(mixture):
    start, sampler, evaluated = seeded_noise(1, (4, 2)), Sampler(steps=7), []

    def denoise(noisy, timestep):
        assert timestep.dtype == torch.int64
        evaluated.append(timestep.tolist())
        return 3 * mixture.denoiser(SHORT)(noisy, timestep)

    steps = list(sampler.trajectory(denoise, start, SHORT))
    assert evaluated == [[timestep] * 4 for timestep in sampler.timesteps(SHORT)]
    assert [step.timestep for step in steps] == sampler.timesteps(SHORT)
    assert torch.equal(steps[0].noisy, start)
    assert all(step.clean.abs().max() <= 1 for step in steps)
    assert torch.equal(sampler.sample(denoise, start, SHORT), steps[-1].clean)


def test_clipping_is_optional(mixture):
    far = lambda noisy, timestep: 3 * torch.ones_like(noisy)  # noqa: E731
    start = seeded_noise(1, (2, 2))
    assert Sampler(clip=True).sample(far, start, SHORT).eq(1).all()
    assert Sampler(clip=False).sample(far, start, SHORT).eq(3).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_sample_does_not_depend_on_its_batch(method, mixture):
    sampler = Sampler(method, steps=12, eta=0.7 if method == "ddim" else 0.0)

    def sample(seeds):
        stream = noise_stream(seeds, (len(seeds), 2))
        return sampler.sample(mixture.denoiser(SHORT), next(stream), SHORT, noise=stream)

    together = sample([5, 6, 7])
    torch.testing.assert_close(sample([7, 5]), together[[2, 0]], rtol=0, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_more_noise_preserves_less_of_the_input(mixture):
    points, _ = mixture.sample(60, torch.Generator().manual_seed(0))
    sampler, noise, denoise = Sampler(steps=20, clip=False), seeded_noise(range(60), (60, 2)), mixture.denoiser(SHORT)

    def change(strength):
        start = sampler.noised(points, noise, SHORT, strength)
        return (sampler.sample(denoise, start, SHORT, strength=strength) - points).norm(dim=1).mean().item()

    slight, half, whole = change(0.05), change(0.4), change(1.0)
    assert slight < 0.15 < half < whole
    pure = sampler.sample(denoise, noise, SHORT)
    start = sampler.noised(points, noise, SHORT, 1.0)
    assert (sampler.sample(denoise, start, SHORT) - pure).norm(dim=1).median() < 0.05  # independent of the input


def test_sampling_and_inversion_track_no_gradient(mixture):
    weight = torch.ones(1, requires_grad=True)
    denoise = lambda noisy, timestep: weight * noisy  # noqa: E731
    start = seeded_noise(0, (2, 2))
    assert not Sampler(steps=3).sample(denoise, start, SHORT).requires_grad
    assert not Sampler(steps=3).invert(denoise, start, SHORT).requires_grad


# --------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "euler"}, r"'euler' is no sampling method; known are dpm\+\+, ddim, ddpm"),
        ({"spacing": "even"}, "'even' is no spacing"),
        ({"steps": 0}, "at least one step, not 0"),
        ({"method": "ddim", "eta": 1.5}, "eta is 1.5"),
        ({"method": "dpm++", "eta": 0.5}, "eta is a setting of 'ddim'"),
        ({"method": "ddpm", "eta": 1.0}, "eta is a setting of 'ddim'"),
    ],
)
def test_invalid_settings_raise(wrong, message):
    with pytest.raises(ValueError, match=message):
        Sampler(**wrong)


def test_arguments_that_do_not_fit_the_schedule_raise(mixture):
    start = seeded_noise(0, (2, 2))
    with pytest.raises(ValueError, match="101 steps are more than the 100 timesteps"):
        Sampler(steps=101).timesteps(SHORT)
    for strength in (0.0, 1.1):
        with pytest.raises(ValueError, match="strength is"):
            Sampler().timesteps(SHORT, strength)
    for sampler in (Sampler("ddpm"), Sampler("ddim", eta=0.1)):
        with pytest.raises(ValueError, match="give noise, such as noise_stream"):
            sampler.sample(mixture.denoiser(SHORT), start, SHORT)
