"""The cost of a generator: its size and its speed."""

from __future__ import annotations

import statistics
import time

from torch import Tensor, nn

from facekit.evaluation.benchmark.benchmarks import Benchmark
from facekit.evaluation.benchmark.requests import Editor, EditRequests, full_requests, run_edits
from facekit.models.system import System

BATCH = 64


def size_of(generator: Editor) -> dict[str, int | None]:
    """Size of a generator; None for a baseline that is no network.

    parameters     number of trained parameters that ship
    weights_bytes  size of all tensors that ship, in half precision
    """
    if not isinstance(generator, nn.Module):
        return dict.fromkeys(("parameters", "weights_bytes"))
    shipped = shipped_tensors(generator)
    return {
        "parameters": sum(value.numel() for name, value in generator.named_parameters() if name in shipped),
        "weights_bytes": sum(value.numel() * min(2, value.itemsize) for value in shipped.values()),
    }


def speed_of(generator: Editor, benchmark: Benchmark) -> dict[str, float | None]:
    """Speed of a generator on this machine, with all of torch's threads; None for a baseline that is no network.

    edits_per_second  in batches of 64
    latency_ms        of a single edit, the median of three
    """
    if not isinstance(generator, nn.Module):
        return dict.fromkeys(("edits_per_second", "latency_ms"))
    requests = full_requests(benchmark)
    run_edits(generator, benchmark, requests[:1])  # warm-up: the first edit is slower
    single = statistics.median(_seconds(generator, benchmark, requests[i : i + 1]) for i in range(3))
    batch = requests[:BATCH]
    return {
        "edits_per_second": len(batch) / _seconds(generator, benchmark, batch),
        "latency_ms": 1000 * single,
    }


def shipped_tensors(generator: nn.Module) -> dict[str, Tensor]:
    """The part of a network's state that its weights file holds."""
    return generator.weights() if isinstance(generator, System) else generator.state_dict()


def _seconds(generator: Editor, benchmark: Benchmark, requests: EditRequests) -> float:
    started = time.perf_counter()
    run_edits(generator, benchmark, requests)
    return time.perf_counter() - started
