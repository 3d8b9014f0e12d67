"""How weights start: written out, so that it does not change with a version of torch."""

from __future__ import annotations

from torch import nn


def initialise(network: nn.Module) -> None:
    """Start every layer of a rectified network, in place.

    Convolutions and linear layers: normal with variance 2 / fan (He 2015, eq. 10 and 14), by the outputs for
    convolutions and by the inputs for linear layers; biases 0. Norms: scale 1, shift 0. (Residual blocks that start
    as their shortcuts, by a last norm of scale 0 as Goyal 2017, learn these shallow networks much more slowly.)
    """
    network.apply(_start)


def _start(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        mode = "fan_out" if isinstance(layer, nn.Conv2d) else "fan_in"
        nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)
