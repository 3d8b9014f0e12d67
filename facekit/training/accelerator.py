"""The device of a training run, its processes, and the precision of its networks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import convert_outputs_to_fp32
from torch import Tensor, nn

from facekit.training.profiles import Profile
from facekit.workspace.hardware import computes_bfloat16


def accelerator() -> Accelerator:
    """The device and the processes of a training run, as Accelerate determines them.

    With ACCELERATE_USE_CPU=1 a GPU is not used. Raises `RuntimeError` where `torchrun` started several processes that
    cannot communicate, and would each train on their own.
    """
    found = Accelerator(cpu=not torch.accelerator.is_available())
    started = int(os.environ.get("WORLD_SIZE", 1))
    if found.num_processes != started:
        raise RuntimeError(
            f"{started} processes were started, but this one is connected to {found.num_processes}: "
            "set ACCELERATE_USE_CPU=1 to train on CPUs, or start as many processes as there are GPUs"
        )
    if found.device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # all batches have the same shape, so that one search is enough
    return found


def disconnect_processes() -> None:
    """Wait for all processes of a run and disconnect them.

    At the interpreter's exit the threads of the process group sometimes abort the process.
    """
    processes = PartialState()
    processes.wait_for_everyone()
    processes.destroy_process_group()


def average_gradients(gradients: Sequence[Tensor], processes: Accelerator) -> None:
    """Replace gradients by their means over all processes, in one communication."""
    together = processes.reduce(torch.cat([g.flatten() for g in gradients]), reduction="mean")
    parts = together.split([g.numel() for g in gradients])
    torch._foreach_copy_(list(gradients), [part.view_as(g) for part, g in zip(parts, gradients, strict=True)])


def forward_dtype(profile: Profile, device: torch.device) -> torch.dtype:
    """The precision of the networks' forward pass on a device: `torch.float32` or `torch.bfloat16`.

    "auto" is bfloat16 where the device computes in it natively. Elsewhere it is emulated, which is slower than float32.
    """
    if profile.precision == "auto":
        return torch.bfloat16 if computes_bfloat16(device) else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[profile.precision]


class ForwardPrecision:
    """A context in which the networks of systems compute in a reduced precision, and everything else in float32.

    The networks are the outermost callable modules of a system. Their outputs are converted to float32, so that losses
    and penalties are computed in full precision. Their `forward` is wrapped inside the context and restored after it.
    """

    def __init__(self, systems: Iterable[nn.Module], device: torch.device, dtype: torch.dtype) -> None:
        affected = systems if dtype != torch.float32 else ()
        self._wrapped = [
            (network, convert_outputs_to_fp32(torch.autocast(device.type, dtype)(network.forward)))
            for system in affected
            for network in _callable_children(system)
        ]

    def __enter__(self) -> None:
        for network, forward in self._wrapped:
            network.forward = forward

    def __exit__(self, *_) -> None:
        for network, _forward in self._wrapped:
            del network.forward  # the method of the class applies again


def _callable_children(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if type(child).forward is nn.Module.forward:  # a ModuleList or ModuleDict, which is only a container
            yield from _callable_children(child)
        else:
            yield child
