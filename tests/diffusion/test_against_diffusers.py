"""With the same network and noise, the samplers equal diffusers' schedulers step by step."""

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddim_inverse import DDIMInverseScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

from facekit.diffusion import PREDICTIONS, NoiseSchedule, Sampler

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # raised by diffusers

SHAPE = (2, 3, 4, 4)
THEIR_NAME = {"noise": "epsilon", "clean": "sample", "velocity": "v_prediction"}
SCHEDULES = {"linear": NoiseSchedule.linear(), "cosine": NoiseSchedule.cosine()}


def network(noisy, timestep):
    """An arbitrary nonlinear function of all its inputs."""
    return torch.tanh(1.3 * noisy + noisy.roll(1, -1) - 0.7 + timestep.view(-1, 1, 1, 1) / 700)


def denoiser(schedule, prediction):
    return lambda noisy, timestep: schedule.to_clean(network(noisy, timestep), noisy, timestep, prediction)


def theirs(kind, schedule, prediction, **settings):
    bar = schedule.alpha_bar
    betas = 1 - torch.cat([bar[:1], bar[1:] / bar[:-1]])
    given = {"trained_betas": betas.numpy(), "prediction_type": THEIR_NAME[prediction], "timestep_spacing": "trailing"}
    return kind(**given | settings)


def their_trajectory(scheduler, steps, start, **arguments):
    """The timesteps, and the input of the network at every step with the sample at the end.

    steps  a number, or a list of timesteps
    """
    scheduler.set_timesteps(**{"timesteps" if isinstance(steps, list) else "num_inference_steps": steps})
    inputs = [start]
    for timestep in scheduler.timesteps:
        output = network(inputs[-1], timestep.expand(len(start)))
        inputs.append(scheduler.step(output, timestep.item(), inputs[-1], **arguments).prev_sample)
    return scheduler.timesteps.tolist(), inputs


def our_trajectory(sampler, schedule, prediction, start, noise=None):
    steps = list(sampler.trajectory(denoiser(schedule, prediction), start, schedule, noise=noise))
    return [step.timestep for step in steps], [step.noisy for step in steps] + [steps[-1].clean]


def assert_same_trajectory(ours, others):
    assert ours[0] == others[0]
    for mine, other in zip(ours[1], others[1], strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-3)


def draws(seed):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randn(SHAPE, generator=generator)


@pytest.fixture
def start(normal):
    return normal(0, *SHAPE)


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("steps", [1, 20, 1000])
def test_ddpm(steps, prediction, clip, start):
    schedule = SCHEDULES["linear"]
    sampler = Sampler("ddpm", steps=steps, clip=clip, spacing="uniform")
    ours = our_trajectory(sampler, schedule, prediction, start, noise=draws(5))
    scheduler = theirs(DDPMScheduler, schedule, prediction, clip_sample=clip)
    assert_same_trajectory(ours, their_trajectory(scheduler, steps, start, generator=torch.Generator().manual_seed(5)))


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_ddim(eta, prediction, clip, start):
    schedule = SCHEDULES["linear"]
    sampler = Sampler("ddim", steps=25, eta=eta, clip=clip, spacing="uniform")
    ours = our_trajectory(sampler, schedule, prediction, start, noise=draws(5))
    scheduler = theirs(DDIMScheduler, schedule, prediction, clip_sample=clip)
    arguments = {"eta": eta, "use_clipped_model_output": True, "generator": torch.Generator().manual_seed(5)}
    assert_same_trajectory(ours, their_trajectory(scheduler, 25, start, **arguments))


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("prediction", ["clean", "velocity"])
@pytest.mark.parametrize("steps", [1, 2, 3, 20, 50])
def test_dpm_solver(steps, prediction, name, start):
    schedule = SCHEDULES[name]
    ours = our_trajectory(Sampler("dpm++", steps=steps, clip=False, spacing="uniform"), schedule, prediction, start)
    scheduler = theirs(DPMSolverMultistepScheduler, schedule, prediction)
    assert_same_trajectory(ours, their_trajectory(scheduler, steps, start))


@pytest.mark.parametrize("steps", [2, 12, 40])
def test_quadratic_spacing(steps, start):
    schedule = SCHEDULES["linear"]
    sampler = Sampler("dpm++", steps=steps, clip=False)
    ours = our_trajectory(sampler, schedule, "velocity", start)
    assert_same_trajectory(
        ours, their_trajectory(theirs(DPMSolverMultistepScheduler, schedule, "velocity"), ours[0], start)
    )
    ours = our_trajectory(Sampler("ddpm", steps=steps), schedule, "velocity", start, noise=draws(5))
    scheduler = theirs(DDPMScheduler, schedule, "velocity")
    assert_same_trajectory(
        ours, their_trajectory(scheduler, ours[0], start, generator=torch.Generator().manual_seed(5))
    )


def test_a_single_step_of_inversion(start):
    """With several steps the two differ: see test_sampler for the more accurate prediction of ours."""
    schedule = SCHEDULES["linear"]
    found = Sampler("ddim", steps=1).invert(denoiser(schedule, "noise"), start, schedule)
    _, inputs = their_trajectory(theirs(DDIMInverseScheduler, schedule, "noise", clip_sample=False), 1, start)
    torch.testing.assert_close(found, inputs[-1], rtol=1e-3, atol=1e-3)


def test_added_noise_equals_that_of_diffusers(start, normal):
    schedule, timestep = SCHEDULES["cosine"], torch.tensor([3, 640])
    noise = normal(1, *SHAPE)
    expected = theirs(DDPMScheduler, schedule, "noise").add_noise(start, noise, timestep)
    torch.testing.assert_close(schedule.add_noise(start, noise, timestep), expected, rtol=1e-3, atol=1e-4)
