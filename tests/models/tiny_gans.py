"""A helper of the tests of GANs."""

import torch
from torch import nn

from facekit.layers.adaptive import AdaptiveGroupNorm


def randomised(system):
    """The system with random values in the layers that are initialised to 0, so that every weight has an effect."""
    torch.manual_seed(1)
    nn.init.normal_(system.generator.last.weight, std=0.05)
    for layer in system.modules():
        if isinstance(layer, AdaptiveGroupNorm):
            nn.init.normal_(layer.linear.weight, std=0.5)
    return system
