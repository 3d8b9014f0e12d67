"""The precision of networks: float32, or bfloat16 where the device computes in it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator

import torch
from accelerate.utils import convert_outputs_to_fp32
from torch import nn

from facekit.workspace.hardware import dtype_named

EDIT_PRECISION = "FACEKIT_PRECISION"
"""The variable that names the precision of edits, one of `PRECISIONS`; by default "auto"."""

_MANY = 8  # faces from which a CPU edits in bfloat16

_changing = threading.Lock()  # held while networks are wrapped, since the studio edits in several threads


class ForwardPrecision:
    """A context in which the networks of systems compute in a reduced precision, and everything else in float32.

    The networks are the outermost callable modules of a system. Their outputs are converted to float32, so that losses,
    penalties and coordinates are computed in full precision. Their `forward` is wrapped inside the context and restored
    after the last of the contexts that share them; these may be nested, or in several threads.
    """

    def __init__(self, systems: Iterable[nn.Module], device: torch.device, dtype: torch.dtype) -> None:
        affected = systems if dtype != torch.float32 else ()
        self._networks = [network for system in affected for network in _callable_children(system)]
        self._autocast = torch.autocast(device.type, dtype) if self._networks else None

    def __enter__(self) -> None:
        with _changing:
            for network in self._networks:
                if not hasattr(network.forward, "contexts"):
                    network.forward = convert_outputs_to_fp32(self._autocast(network.forward))
                    network.forward.contexts = 0
                network.forward.contexts += 1

    def __exit__(self, *_) -> None:
        with _changing:
            for network in self._networks:
                network.forward.contexts -= 1
                if not network.forward.contexts:
                    del network.forward  # the method of the class applies again


def edit_precision(systems: Iterable[nn.Module], device: torch.device, faces: int) -> ForwardPrecision:
    """The context in which systems edit some faces on a device: in bfloat16 where the device computes in it natively,
    unless the variable FACEKIT_PRECISION names another precision. Raises `ValueError` for a name that is not known.

    In bfloat16 many edits at once take less time, and differ by less than a grey level on average. For few faces a CPU
    loses more by converting the weights than it saves, so that it edits them in float32.
    """
    precision = os.environ.get(EDIT_PRECISION) or "auto"
    if precision == "auto" and device.type == "cpu" and faces < _MANY:
        precision = "float32"
    return ForwardPrecision(systems, device, dtype_named(precision, device))


def _callable_children(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if type(child).forward is nn.Module.forward:  # a ModuleList or ModuleDict, which is only a container
            yield from _callable_children(child)
        else:
            yield child
