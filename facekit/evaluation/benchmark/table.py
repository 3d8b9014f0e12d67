"""All generators of an exam in one table, with the rows that they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from facekit.evaluation.baselines import Copy, GroundTruthEdit, HeldOutRetrieval, Noise, Retrieval
from facekit.evaluation.benchmark.benchmarks import (
    FACES,
    PHOTOGRAPHS,
    Benchmark,
    CannotEvaluate,
    Editor,
    pairs_benchmark,
    photograph_benchmark,
    synthetic_benchmark,
)
from facekit.evaluation.benchmark.panel import Panel
from facekit.evaluation.benchmark.run import evaluate
from facekit.evaluation.benchmark.summary import flat
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.models.load import load_system
from facekit.models.system import Generator
from facekit.workspace.files import atomic_path
from facekit.workspace.hardware import fastest_device

_SHOWN: dict[str, tuple[str, Callable[[float], str]]] = {
    "edit_success": ("kept and changed", "{:.1%}".format),
    "accuracy": ("as asked", "{:.1%}".format),
    "f1_fer_mini_xception": ("F1 outside", "{:.2f}".format),
    "identity_preserved": ("same person", "{:.1%}".format),
    "identity_auc": ("identity AUC", "{:.3f}".format),
    "relative_error": ("error / copy", "{:.3f}".format),
    "au_direction_accuracy": ("moved right", "{:.1%}".format),
    "changed_psnr": ("PSNR changed", "{:.1f}".format),
    "self_psnr": ("PSNR self", "{:.1f}".format),
    "fid": ("FID", "{:.2f}".format),
    "spearman": ("intensity", "{:.2f}".format),
    "level_error": ("level error", "{:.2f}".format),
    "parameters": ("parameters", "{:,.0f}".format),
    "edits_per_second": ("edits/s", "{:.0f}".format),
    "latency_ms": ("ms", "{:.0f}".format),
}
"""Columns of the printed table: heading and form. The CSV has everything."""


def references(benchmark: Benchmark) -> list[Editor]:
    """The rows that are always there; where the truth is not known, a real face in its place. Of faces that do not show
    every emotion, there is none to take."""
    rows: list[Editor] = [Copy(), Noise()]
    if benchmark.training is not None and _shows_all(benchmark.training.labels):
        rows.insert(0, Retrieval(benchmark.training))
    if benchmark.truth is not None:
        rows.insert(0, GroundTruthEdit(benchmark.faces.person, benchmark.truth))
    elif _shows_all(benchmark.others.emotion):
        rows.insert(0, HeldOutRetrieval(benchmark.others))
    return rows


def _shows_all(labels: Tensor) -> bool:
    return bool(torch.isin(torch.arange(len(PROTOCOL_EMOTIONS)), labels).all())


def evaluate_weights(
    names: Sequence[str],
    out: Path,
    *,
    panel: Panel,
    data: str = "synthetic",
    faces: int | None = None,
    emotions: Sequence[str] | None = None,
    intensities: bool = False,
    again: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> dict[str, pd.DataFrame]:
    """Measure generators by the names of their weights, and the reference rows beside them.

    panel   whose judges know such faces
    data    drawn faces, or the key of a dataset of photographs
    faces   of each exam; by default `FACES`, or `PHOTOGRAPHS`
    emotions
            that faces show and are asked for; by default all of the protocol's
    names   as `facekit.weights.find_weights` takes them. Pictures of different sizes cannot be compared, so that
            generators that take different ones sit different exams; without a name there is the usual one

    Returns the leaderboard of each exam by its name, as `leaderboard.csv` in its folder has it. Other arguments are
    those of `evaluate`. Raises `CannotEvaluate` before anything is measured where weights are no generator's.
    """
    generators = {name: _generator(name) for name in names}
    for generator in generators.values():
        panel.check_impartial(generator)
    usual = (64, 3) if data == "synthetic" else (48, 1)
    kinds = {(g.preset.size, g.channels) for g in generators.values()} or {usual}
    tables = {}
    for size, channels in sorted(kinds):
        benchmark = benchmark_for(data, faces, size, channels, emotions)
        sitting = {name: g for name, g in generators.items() if (g.preset.size, g.channels) == (size, channels)}
        sitting |= {reference.name: reference for reference in references(benchmark)}
        rows = [
            evaluate(g, benchmark, panel, out, name=name, intensities=intensities, again=again, log=log)
            for name, g in sitting.items()
        ]
        tables[benchmark.name] = leaderboard(rows)
        with atomic_path(out / benchmark.name / "leaderboard.csv") as draft:
            tables[benchmark.name].to_csv(draft, index=False)
    return tables


def benchmark_for(
    data: str, faces: int | None, size: int, channels: int, emotions: Sequence[str] | None = None
) -> Benchmark:
    """The exam on drawn faces, on pairs, or on a dataset of photographs; arguments are those of `evaluate_weights`."""
    chosen = {} if emotions is None else {"emotions": emotions}
    if data == "synthetic":
        return synthetic_benchmark(faces or FACES, size, channels, **chosen)
    if data != "pairs":
        return photograph_benchmark(data, faces or PHOTOGRAPHS, size, channels, **chosen)
    if chosen:
        raise CannotEvaluate("pairs show a face at rest and smiling, and are asked for no other emotions")
    return pairs_benchmark(faces, size, channels)


def _generator(name: str) -> Generator:
    system = load_system(name)
    if not isinstance(system, Generator):
        raise CannotEvaluate(
            f"{name} is no generator but {type(system).__name__}, which reads faces: name one that edits"
        )
    return system.to(fastest_device())


def leaderboard(summaries: Sequence[dict[str, object]]) -> pd.DataFrame:
    """One row a generator, those first that changed the emotion and kept the person most often; among equals, those
    whose edits are nearest to the truth, or, where that is not known, are most often judged as asked."""
    table = pd.DataFrame([flat(summary) for summary in summaries])
    # Higher is better in all but the errors.
    order = {"edit_success": False, "relative_error": True, "accuracy": False}
    order = {name: rising for name, rising in order.items() if table[name].notna().any()}
    ordered = table.sort_values(list(order), ascending=list(order.values()), kind="stable")
    return ordered.drop(columns=["measured"]).reset_index(drop=True)


def to_text(table: pd.DataFrame) -> str:
    """A leaderboard to be read in a terminal, with the interval of its first number; what nothing is known of is left
    out."""
    columns = {"": table["name"]}
    for name, (heading, form) in _SHOWN.items():
        if name in table and table[name].notna().any():
            columns[heading] = [_told(value, form) for value in table[name]]
    name = next(name for name, (heading, _) in _SHOWN.items() if heading in columns)
    first, form = _SHOWN[name]
    with_interval = zip(columns[first], table[f"{name}_low"], table[f"{name}_high"], strict=True)
    columns[first] = [f"{told} ({form(low)} to {form(high)})" for told, low, high in with_interval]
    return pd.DataFrame(columns).to_string(index=False)


def _told(value: float, form: Callable[[float], str]) -> str:
    return "–" if pd.isna(value) else form(value)
