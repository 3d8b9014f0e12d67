"""How weights start: written out, so that it does not change with a version of torch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


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


def initialise_convolutions(network: nn.Module, start: str) -> None:
    """Start the convolutions of a network, transposed ones too, and its norms (scale 1, shift 0), in place.

    start  "uniform": within 1 / sqrt(fan-in), biases too, which is how torch starts them and so StarGAN's code;
           "normal": deviation 0.02, biases 0 (Radford 2016; CycleGAN);
           "he": normal with variance 2 / fan-in (He 2015), biases 0

    Raises `KeyError` for another start. Other layers, such as those of `AdaptiveGroupNorm`, are left as they are.
    """
    fill = _STARTS[start]
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            fill(layer)
        elif isinstance(layer, nn.GroupNorm):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)


Convolution = nn.Conv2d | nn.ConvTranspose2d


def _uniform(layer: Convolution) -> None:
    reach = layer.weight[0].numel() ** -0.5  # torch counts so for transposed ones too
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -reach, reach)


def _normal(layer: Convolution) -> None:
    nn.init.normal_(layer.weight, std=0.02)
    _without_bias(layer.bias)


def _he(layer: Convolution) -> None:
    fan_in = layer.weight[0].numel()
    if isinstance(layer, nn.ConvTranspose2d):  # each value of the output sees a share of the kernel
        fan_in = layer.weight[:, 0].numel() / (layer.stride[0] * layer.stride[1])
    nn.init.normal_(layer.weight, std=(2 / fan_in) ** 0.5)
    _without_bias(layer.bias)


def _without_bias(bias: Tensor | None) -> None:
    if bias is not None:
        nn.init.zeros_(bias)


_STARTS: dict[str, Callable[[Convolution], None]] = {"uniform": _uniform, "normal": _normal, "he": _he}
