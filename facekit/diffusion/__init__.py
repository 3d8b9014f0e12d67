"""Diffusion apart from any network: noise schedules, samplers, guidance. Networks come in as functions.

>>> from facekit.diffusion import NoiseSchedule, Sampler, noise_of
"""

from facekit.diffusion.guidance import drop_conditions, guide
from facekit.diffusion.noise import noise_of, noise_stream
from facekit.diffusion.sampler import Denoise, Sampler, Stage
from facekit.diffusion.schedule import DENSITIES, PREDICTIONS, NoiseSchedule

__all__ = [
    "DENSITIES",
    "PREDICTIONS",
    "Denoise",
    "NoiseSchedule",
    "Sampler",
    "Stage",
    "drop_conditions",
    "guide",
    "noise_of",
    "noise_stream",
]
