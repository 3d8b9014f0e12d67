"""Evaluating: pictures, tables and summary of one generator in a folder, made again only where something changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from torch import Tensor, nn

from facekit.evaluation.benchmark.benchmarks import (
    Benchmark,
    CannotEvaluate,
    Editor,
    EditRequests,
    answer,
    full_requests,
    self_requests,
    sweep_requests,
)
from facekit.evaluation.benchmark.measures import edit_rows, self_rows, sweep_rows
from facekit.evaluation.benchmark.panel import GroundTruth, Panel
from facekit.evaluation.benchmark.summary import (
    distribution_summary,
    edits_summary,
    self_summary,
    sweep_summary,
)
from facekit.faces.faces import from_uint8, to_uint8
from facekit.models.system import System
from facekit.workspace import hardware
from facekit.workspace.files import atomic_path, read_json, remove, remove_drafts, write_json

VERSION = 2
"""Of the protocol. Raise it with any change by which numbers change: all are then measured again."""

BATCH = 64

_REQUESTS = {"edits": full_requests, "self": self_requests, "intensities": sweep_requests}
_ASKED, _SUMMARY = "asked.json", "summary.json"


def evaluate(
    generator: Editor,
    benchmark: Benchmark,
    panel: Panel,
    out: Path,
    *,
    name: str | None = None,
    intensities: bool = False,
    again: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> dict[str, object]:
    """Measure one generator on an exam, in `out / exam.name / NAME`; what is there and still holds is kept.

    name         under which it is listed; the generator's own by default
    intensities  sweep the levels too
    again        begin anew
    tell         is told what is being done

    The folder holds
        asked.json                                what everything in it depends on
        pictures/                                 the edits, in batches of 64; an interrupted run goes on after the last
        edits.csv, self.csv, intensities.csv      see `facekit.evaluation.benchmark.measures`
        summary.json                              what is returned, once all is measured

    The pictures hold as long as the generator (its weights, preset and requirements), the exam and the protocol are
    the same; the tables, as long as the judges are the same too.

    Raises `CannotEvaluate` for a generator that was made with a judge's help, or whose pictures are none, and for
    intensities of faces whose true answers are not known.
    """
    name = name or generator.name
    if intensities and (benchmark.truth is None or panel.action_units is None):
        raise CannotEvaluate(
            "how far a face went to an expression is measured by its action units, between its true pictures: of "
            f"photographs such as {benchmark.name}'s, there is no judge of these: leave the intensities out"
        )
    panel.check_impartial(generator)
    folder = _folder(out, benchmark, name)
    _prepare(folder, _depends_on(generator, benchmark, panel), again)
    summary = _read_summary(folder)
    key = None
    for part in ("edits", "intensities") if intensities else ("edits",):
        if part in summary.get("measured", ()):
            continue
        key = key or GroundTruth.cached(benchmark, panel, out / benchmark.name / "truth.safetensors")
        measure = _measure_edits if part == "edits" else _measure_sweep
        summary = _named(name, benchmark) | summary | measure(generator, benchmark, panel, key, folder, log)
        summary["measured"] = [*summary.get("measured", ()), part]
        summary["made"] = hardware.describe()
        write_json(folder / _SUMMARY, summary)
    return summary


def pictures(generator: Editor, benchmark: Benchmark, requests: EditRequests, folder: Path) -> Tensor:
    """What a generator makes of questions, (N, C, H, W) rounded to 8 bits, as pictures are; kept in a folder batch
    by batch, and taken from there where they were made before."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_drafts(folder)
    return from_uint8(torch.cat([_batch(generator, benchmark, requests, start, folder) for start in _starts(requests)]))


def _starts(requests: EditRequests) -> range:
    return range(0, len(requests), BATCH)


def _batch(generator: Editor, benchmark: Benchmark, requests: EditRequests, start: int, folder: Path) -> Tensor:
    path = folder / f"{start:05d}.npy"
    if not path.is_file():
        edited = to_uint8(answer(generator, benchmark, requests[start : start + BATCH]))
        with atomic_path(path) as draft:
            np.save(draft, edited.numpy())
    return torch.from_numpy(np.load(path))


def read_rows(folder: Path, part: str) -> pd.DataFrame:
    """A table of an evaluated generator: `edits`, `self` or `intensities`."""
    return pd.read_csv(folder / f"{part}.csv")


def _measure_edits(
    generator: Editor, benchmark: Benchmark, panel: Panel, key: GroundTruth, folder: Path, log: Callable[[str], None]
) -> dict[str, object]:
    requests, images = _asked(generator, benchmark, folder, "edits", log)
    rows, said = edit_rows(benchmark, key, panel, requests, images)
    own = self_rows(benchmark, *_asked(generator, benchmark, folder, "self", log))
    _write_rows(rows, folder / "edits.csv")
    _write_rows(own, folder / "self.csv")
    return {
        **edits_summary(rows),
        **self_summary(own),
        **distribution_summary(said["features"], key.truth.get("features", key.source["features"])),
        **_cost(generator, benchmark),
    }


def _measure_sweep(
    generator: Editor, benchmark: Benchmark, panel: Panel, key: GroundTruth, folder: Path, log: Callable[[str], None]
) -> dict[str, object]:
    rows = sweep_rows(benchmark, key, panel, *_asked(generator, benchmark, folder, "intensities", log))
    _write_rows(rows, folder / "intensities.csv")
    return sweep_summary(rows)


def _asked(
    generator: Editor, benchmark: Benchmark, folder: Path, part: str, log: Callable[[str], None]
) -> tuple[EditRequests, Tensor]:
    requests = _REQUESTS[part](benchmark)
    log(f"{folder.name}: {len(requests):,} pictures for {part}.csv")
    return requests, pictures(generator, benchmark, requests, folder / "pictures" / part)


def _write_rows(rows: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as draft:
        rows.to_csv(draft, index=False)


# ------------------------------------------------------------------------------------------------ what still holds


def _folder(out: Path, benchmark: Benchmark, name: str) -> Path:
    return out / benchmark.name / re.sub(r"[^\w.-]+", "-", name)


def _named(name: str, benchmark: Benchmark) -> dict[str, object]:
    return {"name": name, "exam": benchmark.name, "faces": len(benchmark.faces)}


def _depends_on(generator: Editor, benchmark: Benchmark, panel: Panel) -> dict[str, object]:
    """All that the content of a generator's folder depends on, as JSON gives it back."""
    pictured = {"protocol": VERSION, "exam": dict(benchmark.config), "generator": _identity(generator)}
    return json.loads(json.dumps({"pictures": pictured, "judges": panel.digests}))


def _identity(generator: Editor) -> dict[str, object]:
    """What distinguishes a generator from others: its kind, weights, preset, and what it requires."""
    identity: dict[str, object] = {"kind": type(generator).__qualname__}
    if isinstance(generator, nn.Module):
        tensors = {name: value.detach().cpu().clone() for name, value in _weights(generator).items()}
        identity["weights"] = hashlib.sha256(safetensors.torch.save(tensors)).hexdigest()
    if isinstance(generator, System):
        identity["preset"] = dataclasses.asdict(generator.preset)
        identity["requires"] = dict(generator.card.requires) if generator.card else {}
    return identity


def _weights(generator: nn.Module) -> dict[str, Tensor]:
    """What of a network ships."""
    return generator.weights() if isinstance(generator, System) else generator.state_dict()


def _prepare(folder: Path, wanted: dict[str, object], again: bool) -> None:
    """Remove from a folder what does not hold any longer, and write down what its content will depend on."""
    path = folder / _ASKED
    known = read_json(path) if path.is_file() else {}
    if again or known.get("pictures") != wanted["pictures"]:
        remove(folder)
    elif known != wanted:
        for stale in (folder / _SUMMARY, *folder.glob("*.csv")):
            remove(stale)
    if known != wanted or not path.is_file():
        write_json(path, wanted)


def _read_summary(folder: Path) -> dict[str, object]:
    path = folder / _SUMMARY
    return read_json(path) if path.is_file() else {}


# --------------------------------------------------------------------------------------------------- size and speed


def _cost(generator: Editor, benchmark: Benchmark) -> dict[str, object]:
    """How large and how fast a network is: None for what is none.

    parameters        numbers that were learned
    weights_bytes     of everything that ships, in half precision
    edits_per_second  in batches of 64, with all threads that torch uses here
    latency_ms        of a single edit, the median of three
    """
    if not isinstance(generator, nn.Module):
        return dict.fromkeys(("parameters", "weights_bytes", "edits_per_second", "latency_ms"))
    saved = _weights(generator)
    requests = full_requests(benchmark)
    answer(generator, benchmark, requests[:1])  # the first is slower
    single = statistics.median(_seconds(generator, benchmark, requests[i : i + 1]) for i in range(3))
    many = requests[:BATCH]
    return {
        "parameters": sum(value.numel() for name, value in generator.named_parameters() if name in saved),
        "weights_bytes": sum(value.numel() * min(2, value.itemsize) for value in saved.values()),
        "edits_per_second": len(many) / _seconds(generator, benchmark, many),
        "latency_ms": 1000 * single,
    }


def _seconds(generator: Editor, benchmark: Benchmark, requests: EditRequests) -> float:
    started = time.perf_counter()
    answer(generator, benchmark, requests)
    return time.perf_counter() - started
