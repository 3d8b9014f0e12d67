"""Initialisation of weights, written out so that it does not change with the version of torch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def initialise(network: nn.Module) -> None:
    """Initialise all layers of a network with ReLUs, in place.

    Convolutions and linear layers: normal with variance 2 / fan, biases 0 (He 2015, eq. 10 and 14). The fan is fan-out
    for convolutions and fan-in for linear layers. Norms: scale 1, shift 0. Starting residual blocks as the identity by
    a last norm of scale 0 (Goyal 2017) made these shallow networks learn much more slowly.
    """
    network.apply(_initialise_layer)


def _initialise_layer(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        mode = "fan_out" if isinstance(layer, nn.Conv2d) else "fan_in"
        nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)


def initialise_convolutions(network: nn.Module, scheme: str) -> None:
    """Initialise the convolutions and transposed convolutions of a network and its norms (scale 1, shift 0), in place.

    scheme  "uniform": weights and biases within ± 1 / sqrt(fan-in), torch's default and therefore StarGAN's;
            "normal": standard deviation 0.02, biases 0 (Radford 2016; CycleGAN);
            "he": normal with variance 2 / fan-in (He 2015), biases 0

    Raises `KeyError` for another scheme. Other layers, such as the linear one of `AdaptiveGroupNorm`, are unchanged.
    """
    initialise_convolution = SCHEMES[scheme]
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            initialise_convolution(layer)
        elif isinstance(layer, nn.GroupNorm):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)


Convolution = nn.Conv2d | nn.ConvTranspose2d


def _uniform(layer: Convolution) -> None:
    bound = layer.weight[0].numel() ** -0.5  # torch's fan-in, for transposed convolutions as well
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound)


def _normal(layer: Convolution) -> None:
    nn.init.normal_(layer.weight, std=0.02)
    _zero(layer.bias)


def _he(layer: Convolution) -> None:
    fan_in = layer.weight[0].numel()
    if isinstance(layer, nn.ConvTranspose2d):  # an output pixel depends on 1 / stride² of the kernel
        fan_in = layer.weight[:, 0].numel() / (layer.stride[0] * layer.stride[1])
    nn.init.normal_(layer.weight, std=(2 / fan_in) ** 0.5)
    _zero(layer.bias)


def _zero(bias: Tensor | None) -> None:
    if bias is not None:
        nn.init.zeros_(bias)


SCHEMES: dict[str, Callable[[Convolution], None]] = {"uniform": _uniform, "normal": _normal, "he": _he}
"""Schemes of `initialise_convolutions`, by name."""
