"""What a run stands on: the device, one process or several, and the precision of the networks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import convert_outputs_to_fp32
from torch import Tensor, nn

from facekit.training.profiles import Profile


def accelerator() -> Accelerator:
    """The device that training runs on and the processes that share the work, as Accelerate finds them.

    ACCELERATE_USE_CPU=1 leaves a GPU unused. Raises `RuntimeError` where `torchrun` started several processes that
    do not find each other, and would all train alone.
    """
    found = Accelerator(cpu=not torch.accelerator.is_available())
    started = int(os.environ.get("WORLD_SIZE", 1))
    if found.num_processes != started:
        raise RuntimeError(
            f"{started} processes were started and this one sees {found.num_processes}: "
            "set ACCELERATE_USE_CPU=1 to train on CPUs, or start as many processes as there are GPUs"
        )
    if found.device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # every batch has the same shape, so the search pays
    return found


def part_processes() -> None:
    """Let go of the other processes, where there are some, once all are done.

    Left to the interpreter's exit, the threads that listen to the others now and then abort it.
    """
    processes = PartialState()
    processes.wait_for_everyone()
    processes.destroy_process_group()


def average_gradients(gradients: Sequence[Tensor], processes: Accelerator) -> None:
    """Replace gradients by their means over all processes, in one message."""
    together = processes.reduce(torch.cat([g.flatten() for g in gradients]), reduction="mean")
    parts = together.split([g.numel() for g in gradients])
    torch._foreach_copy_(list(gradients), [part.view_as(g) for part, g in zip(parts, gradients, strict=True)])


def forward_dtype(profile: Profile, device: torch.device) -> torch.dtype:
    """The precision of the networks' forward pass on a device: `torch.float32` or `torch.bfloat16`.

    Under "auto" it is bfloat16 where the device computes in it natively. Elsewhere it would be emulated, which is
    slower than float32.
    """
    if profile.precision == "auto":
        return torch.bfloat16 if _computes_bfloat16(device) else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[profile.precision]


class ForwardPrecision:
    """A context in which the networks of systems compute in a precision, and all else in float32.

    The networks are the outermost modules below a system that can be called. What they return is float32 again,
    so losses, penalties and distances are computed in full precision. Inside the context their `forward` is wrapped;
    outside they are as they were.
    """

    def __init__(self, systems: Iterable[nn.Module], device: torch.device, dtype: torch.dtype) -> None:
        wanted = systems if dtype != torch.float32 else ()
        self._wrapped = [
            (network, convert_outputs_to_fp32(torch.autocast(device.type, dtype)(network.forward)))
            for system in wanted
            for network in _callable_children(system)
        ]

    def __enter__(self) -> None:
        for network, forward in self._wrapped:
            network.forward = forward

    def __exit__(self, *_) -> None:
        for network, _forward in self._wrapped:
            del network.forward  # the class's own is seen again


def _callable_children(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if type(child).forward is nn.Module.forward:  # a ModuleList or ModuleDict only holds others
            yield from _callable_children(child)
        else:
            yield child


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        features = getattr(torch.cpu, "get_capabilities", dict)()  # older torch does not tell
        return any(features.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
    return False
