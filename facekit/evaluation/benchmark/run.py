"""Evaluate one generator on a benchmark: images, tables and a summary in a folder, where unchanged parts are reused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from torch import Tensor, nn

from facekit.evaluation.benchmark.benchmarks import VERSION, Benchmark, CannotEvaluate
from facekit.evaluation.benchmark.cost import BATCH, shipped_tensors, size_of, speed_of
from facekit.evaluation.benchmark.exchange import FolderEdits
from facekit.evaluation.benchmark.measures import edit_rows, self_rows, sweep_rows, training_columns
from facekit.evaluation.benchmark.panel import GroundTruth, Panel
from facekit.evaluation.benchmark.requests import (
    Editor,
    EditRequests,
    full_requests,
    run_edits,
    self_requests,
    sweep_requests,
)
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

_REQUESTS = {"edits": full_requests, "self": self_requests, "intensities": sweep_requests}
_DEPENDS_ON, _SUMMARY = "depends_on.json", "summary.json"


def evaluate(
    generator: Editor,
    benchmark: Benchmark,
    panel: Panel,
    out: Path,
    *,
    name: str | None = None,
    intensities: bool = False,
    speed: bool = False,
    again: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> dict[str, object]:
    """Evaluate one generator on a benchmark, in `out / benchmark.name / NAME`; valid results there are reused.

    name         of the row in the leaderboard; the generator's own by default
    intensities  evaluate the sweep over intensities too
    speed        measure the speed too, which edits some faces again
    again        discard existing results
    log          receives progress messages

    The folder holds
        depends_on.json                           what its content depends on
        images/                                   the edits, in batches of 64; an interrupted run continues after the
                                                  last complete batch
        edits.csv, self.csv, intensities.csv      see `facekit.evaluation.benchmark.measures`
        summary.json                              the returned summary, once everything is measured

    The images stay valid while the generator (its weights, preset and required weights), the benchmark and the protocol
    are unchanged; the tables, while the judges are unchanged too.

    Raises `CannotEvaluate` for a generator that was trained with one of the judges, for edits that are not finite
    images of the input's shape, and for intensities on a benchmark without ground truth or without a judge of action
    units.
    """
    name = name or generator.name
    if intensities and (benchmark.ground_truth is None or panel.action_units is None):
        raise CannotEvaluate(
            "intensities are measured by action units, relative to the ground truth. There is no judge of action units "
            f"for photographs such as those of {benchmark.name}: leave the intensities out"
        )
    panel.check_impartial(generator)
    folder = _folder(out, benchmark, name)
    _prepare(folder, _depends_on(generator, benchmark, panel), again)
    summary = _read_summary(folder)
    ground_truth = None
    for part in ("edits", *["intensities"] * intensities, *["speed"] * speed):
        if part in summary.get("measured", ()):
            continue
        row = {"name": name, "benchmark": benchmark.name, "faces": len(benchmark.faces)}
        if part == "speed":
            measured = speed_of(generator, benchmark)
        else:
            ground_truth = ground_truth or GroundTruth.cached(
                benchmark, panel, out / benchmark.name / "ground_truth.safetensors"
            )
            measure = _measure_edits if part == "edits" else _measure_sweep
            measured = measure(generator, benchmark, panel, ground_truth, folder, log)
        summary = row | summary | measured
        summary["measured"] = [*summary.get("measured", ()), part]
        summary["made"] = hardware.describe()
        write_json(folder / _SUMMARY, summary)
    return summary


def cached_edits(generator: Editor, benchmark: Benchmark, requests: EditRequests, folder: Path) -> Tensor:
    """A generator's edits (N, C, H, W) of N requests, rounded to 8 bits. Each batch is saved in a folder, and loaded
    from there if it exists."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_drafts(folder)
    starts = range(0, len(requests), BATCH)
    return from_uint8(torch.cat([_batch(generator, benchmark, requests, start, folder) for start in starts]))


def _batch(generator: Editor, benchmark: Benchmark, requests: EditRequests, start: int, folder: Path) -> Tensor:
    path = folder / f"{start:05d}.npy"
    if not path.is_file():
        edited = to_uint8(run_edits(generator, benchmark, requests[start : start + BATCH]))
        with atomic_path(path) as draft:
            np.save(draft, edited.numpy())
    return torch.from_numpy(np.load(path))


def read_rows(folder: Path, part: str) -> pd.DataFrame:
    """A table of an evaluated generator: `edits`, `self` or `intensities`."""
    return pd.read_csv(folder / f"{part}.csv")


def _measure_edits(
    generator: Editor,
    benchmark: Benchmark,
    panel: Panel,
    ground_truth: GroundTruth,
    folder: Path,
    log: Callable[[str], None],
) -> dict[str, object]:
    requests, images = _edits_of_part(generator, benchmark, folder, "edits", log)
    rows, predictions = edit_rows(benchmark, ground_truth, panel, requests, images)
    rows = rows.assign(**training_columns(generator, requests, images))
    own = self_rows(benchmark, *_edits_of_part(generator, benchmark, folder, "self", log))
    _write_rows(rows, folder / "edits.csv")
    _write_rows(own, folder / "self.csv")
    if benchmark.real is None:
        real, emotions = ground_truth.predictions["features"][requests.full_index], requests.target
    else:
        real, emotions = ground_truth.real_features, benchmark.real.emotion
    return {
        **edits_summary(rows),
        **self_summary(own),
        **distribution_summary(predictions["features"], requests.target, real, emotions),
        **size_of(generator),
    }


def _measure_sweep(
    generator: Editor,
    benchmark: Benchmark,
    panel: Panel,
    ground_truth: GroundTruth,
    folder: Path,
    log: Callable[[str], None],
) -> dict[str, object]:
    requests, images = _edits_of_part(generator, benchmark, folder, "intensities", log)
    rows = sweep_rows(benchmark, ground_truth, panel, requests, images)
    _write_rows(rows, folder / "intensities.csv")
    return sweep_summary(rows)


def _edits_of_part(
    generator: Editor, benchmark: Benchmark, folder: Path, part: str, log: Callable[[str], None]
) -> tuple[EditRequests, Tensor]:
    requests = _REQUESTS[part](benchmark)
    log(f"{folder.name}: {len(requests):,} edits for {part}.csv")
    return requests, cached_edits(generator, benchmark, requests, folder / "images" / part)


def _write_rows(rows: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as draft:
        rows.to_csv(draft, index=False)


# -------------------------------------------------------------------------------------------- validity of a folder


def _folder(out: Path, benchmark: Benchmark, name: str) -> Path:
    return out / benchmark.name / re.sub(r"[^\w.-]+", "-", name)


def _depends_on(generator: Editor, benchmark: Benchmark, panel: Panel) -> dict[str, object]:
    """Everything that the content of a generator's folder depends on, as a round trip through JSON returns it."""
    images = {"protocol": VERSION, "benchmark": dict(benchmark.config), "generator": _fingerprint(generator)}
    return json.loads(json.dumps({"images": images, "judges": panel.digests}))


def _fingerprint(generator: Editor) -> dict[str, object]:
    """What distinguishes a generator from others: its class, weights, preset and required weights."""
    fingerprint: dict[str, object] = {"kind": type(generator).__qualname__}
    if isinstance(generator, nn.Module):
        tensors = {  # copies in one memory layout: safetensors rejects shared and channels_last tensors
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in shipped_tensors(generator).items()
        }
        fingerprint["weights"] = hashlib.sha256(safetensors.torch.save(tensors)).hexdigest()
    if isinstance(generator, System):
        fingerprint["preset"] = dataclasses.asdict(generator.preset)
        fingerprint["requires"] = dict(generator.card.requires) if generator.card else {}
    if isinstance(generator, FolderEdits):
        fingerprint["edits"] = generator.fingerprint
    return fingerprint


def _prepare(folder: Path, depends_on: dict[str, object], again: bool) -> None:
    """Remove results that are no longer valid from a folder, and record what its new content depends on."""
    path = folder / _DEPENDS_ON
    recorded = read_json(path) if path.is_file() else {}
    if again or recorded.get("images") != depends_on["images"]:
        remove(folder)
    elif recorded != depends_on:
        for stale in (folder / _SUMMARY, *folder.glob("*.csv")):
            remove(stale)
    if recorded != depends_on or not path.is_file():
        write_json(path, depends_on)


def _read_summary(folder: Path) -> dict[str, object]:
    path = folder / _SUMMARY
    return read_json(path) if path.is_file() else {}
