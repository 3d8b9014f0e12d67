"""The device of a training run, and its processes."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from accelerate import Accelerator, PartialState
from torch import Tensor


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
