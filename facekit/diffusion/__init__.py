"""Diffusion without networks: noise schedules, samplers and guidance. Networks are passed in as functions.

>>> from facekit.diffusion import NoiseSchedule, Sampler, seeded_noise
"""

from facekit.diffusion.guidance import drop_conditions, guide
from facekit.diffusion.noise import noise_stream, seeded_noise
from facekit.diffusion.sampler import Denoise, Sampler, SamplingStep
from facekit.diffusion.schedule import DENSITIES, PREDICTIONS, NoiseSchedule

__all__ = [
    "DENSITIES",
    "PREDICTIONS",
    "Denoise",
    "NoiseSchedule",
    "Sampler",
    "SamplingStep",
    "drop_conditions",
    "guide",
    "noise_stream",
    "seeded_noise",
]
