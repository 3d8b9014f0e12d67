"""What the tests of adversarial systems share."""

import torch
from torch import nn

from facekit.layers.adaptive import AdaptiveGroupNorm


def awake(system):
    """A system whose every weight does something, the label's in the adaptive norms included."""
    torch.manual_seed(1)
    nn.init.normal_(system.generator.last.weight, std=0.05)
    for layer in system.modules():
        if isinstance(layer, AdaptiveGroupNorm):
            nn.init.normal_(layer.linear.weight, std=0.5)
    return system
