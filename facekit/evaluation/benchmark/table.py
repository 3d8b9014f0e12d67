"""The leaderboard of a benchmark: generators, baselines and the ground truth in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from facekit.evaluation.baselines import GroundTruthEdit, HeldOutRetrieval, Noise, NoOp, Retrieval
from facekit.evaluation.benchmark.benchmarks import (
    FACES,
    PHOTOGRAPHS,
    Benchmark,
    CannotEvaluate,
    pairs_benchmark,
    photograph_benchmark,
    synthetic_benchmark,
)
from facekit.evaluation.benchmark.exchange import open_edits
from facekit.evaluation.benchmark.panel import Panel
from facekit.evaluation.benchmark.requests import Editor
from facekit.evaluation.benchmark.run import evaluate
from facekit.evaluation.benchmark.summary import flat
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.landmarks import VIEWS
from facekit.models.load import load_system
from facekit.models.system import Generator
from facekit.workspace.files import atomic_path
from facekit.workspace.hardware import fastest_device

_COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "edit_success": ("edit success rate", "{:.1%}".format),
    "accuracy": ("target-emotion accuracy", "{:.1%}".format),
    "training_accuracy": ("accuracy, classifier used in training", "{:.1%}".format),
    "f1_fer_mini_xception": ("F1 external", "{:.2f}".format),
    "identity_preserved": ("identity preserved", "{:.1%}".format),
    "identity_auc": ("identity AUC", "{:.3f}".format),
    "relative_error": ("relative error", "{:.3f}".format),
    "sharpness": ("sharpness", "{:.2f}".format),
    "two_sample_auc": ("C2ST AUC", "{:.2f}".format),
    "au_direction_accuracy": ("AU direction accuracy", "{:.1%}".format),
    "landmark_error": ("NME", "{:.3f}".format),
    "changed_psnr": ("PSNR changed region", "{:.1f}".format),
    "self_psnr": ("PSNR self", "{:.1f}".format),
    "fid": ("FID", "{:.2f}".format),
    "kid": ("KID", "{:.4f}".format),
    "spearman": ("intensity Spearman", "{:.2f}".format),
    "intensity_error": ("intensity error", "{:.2f}".format),
    "parameters": ("parameters", "{:,.0f}".format),
    "edits_per_second": ("edits/s", "{:.0f}".format),
    "latency_ms": ("ms/edit", "{:.0f}".format),
}
"""Columns of the printed table: heading and format. The CSV holds all metrics."""

LEAST_PEOPLE = 20
"""The fewest people for whom confidence intervals are printed."""


def baselines_for(benchmark: Benchmark) -> list[Editor]:
    """The ground truth and the baselines of a benchmark.

    Without ground truth, held-out real faces take its place. Retrieval needs faces with every emotion of the protocol,
    and is left out without them.
    """
    rows: list[Editor] = [NoOp(), Noise()]
    if benchmark.training is not None and _shows_all(benchmark.training.labels):
        rows.insert(0, Retrieval(benchmark.training))
    if benchmark.ground_truth is not None:
        rows.insert(0, GroundTruthEdit(benchmark.faces.person, benchmark.ground_truth))
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
    speed: bool = False,
    again: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> dict[str, pd.DataFrame]:
    """Evaluate generators by the names of their weights, together with the baselines.

    names     as `facekit.weights.find_weights` takes them. Images of different sizes cannot be compared: generators are
              grouped by size, channels and emotions, with one benchmark per group. Without a name, only the baselines
              are evaluated, at the default size
    panel     judges of such faces
    data      "synthetic" for drawn faces, "pairs", or the key of a dataset of photographs
    faces     number of faces of each benchmark; by default `FACES`, or `PHOTOGRAPHS`
    emotions  the emotions of inputs and targets; by default those that a generator was trained on

    Other arguments are those of `evaluate`. Returns the leaderboard of each benchmark by its name, and writes it to
    `leaderboard.csv` in the benchmark's folder. Raises `CannotEvaluate`, before anything is evaluated, for weights that
    belong to no generator or depend on a judge.
    """
    generators, emotions = {name: _generator(name) for name in names}, emotions and tuple(emotions)
    for generator in generators.values():
        panel.check_impartial(generator)
    default = (64, 3) if data == "synthetic" else (48, 1)
    groups: dict[tuple, dict[str, Editor]] = {} if generators else {(*default, emotions): {}}
    for name, generator in generators.items():
        learned = None if data == "pairs" or generator.emotions == PROTOCOL_EMOTIONS else generator.emotions
        groups.setdefault((generator.preset.size, generator.channels, emotions or learned), {})[name] = generator
    tables = {}
    for (size, channels, shown), methods in groups.items():
        benchmark = benchmark_for(data, faces, size, channels, shown)
        settings = {"intensities": intensities, "speed": speed, "again": again, "log": log}
        tables[benchmark.name] = _evaluated(methods, benchmark, panel, out, **settings)
    return tables


def evaluate_edits(
    folder: Path,
    out: Path,
    *,
    panel: Panel,
    name: str | None = None,
    secret: str | None = None,
    again: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> dict[str, pd.DataFrame]:
    """Evaluate edits in a folder (`facekit.evaluation.benchmark.exchange`), together with the baselines.

    The arguments are those of `open_edits` and `evaluate`, and so are the errors. Returns and writes what
    `evaluate_weights` does.
    """
    tables = {}
    for edits, benchmark in open_edits(folder, name, secret):
        tables[benchmark.name] = _evaluated({edits.name: edits}, benchmark, panel, out, again=again, log=log)
    return tables


def _evaluated(
    methods: Mapping[str, Editor], benchmark: Benchmark, panel: Panel, out: Path, **settings
) -> pd.DataFrame:
    """The leaderboard of some methods and the baselines, which is also written. `settings` of `evaluate`."""
    methods = dict(methods) | {baseline.name: baseline for baseline in baselines_for(benchmark)}
    rows = [evaluate(method, benchmark, panel, out, name=name, **settings) for name, method in methods.items()]
    table = leaderboard(rows)
    with atomic_path(out / benchmark.name / "leaderboard.csv") as draft:
        table.to_csv(draft, index=False)
    return table


def benchmark_for(
    data: str, faces: int | None, size: int, channels: int, emotions: Sequence[str] | None = None
) -> Benchmark:
    """The benchmark on drawn faces, on pairs, or on a dataset of photographs; arguments as for `evaluate_weights`."""
    chosen = {} if emotions is None else {"emotions": emotions}
    if data == "synthetic":
        return synthetic_benchmark(faces or FACES, size, channels, **chosen)
    if data != "pairs":
        return photograph_benchmark(data, faces or PHOTOGRAPHS, size, channels, **chosen)
    if chosen:
        raise CannotEvaluate("the pairs benchmark has the emotions neutral and happy only: leave --emotions out")
    return pairs_benchmark(faces, size, channels)


def _generator(name: str) -> Generator:
    system = load_system(name)
    if not isinstance(system, Generator):
        raise CannotEvaluate(
            f"{name} holds weights of {type(system).__name__}, which does not edit faces: give weights of a generator"
        )
    if system.understands.isdisjoint({"emotion", "action_units"}):
        raise CannotEvaluate(
            f"{name} is conditioned on {', '.join(sorted(system.understands))}, and this benchmark asks for emotions: "
            "`python -m facekit evaluate-transfer` measures it"
        )
    return system.to(fastest_device())


def leaderboard(summaries: Sequence[dict[str, object]]) -> pd.DataFrame:
    """One row per method, sorted by edit success rate, then by relative error, then by target-emotion accuracy; metrics
    without a value are skipped."""
    table = pd.DataFrame([flat(summary) for summary in summaries])
    ascending = {"edit_success": False, "relative_error": True, "accuracy": False}  # higher is better but for errors
    order = {name: rising for name, rising in ascending.items() if table[name].notna().any()}
    ordered = table.sort_values(list(order), ascending=list(order.values()), kind="stable")
    return ordered.drop(columns=["measured"]).reset_index(drop=True)


def to_text(table: pd.DataFrame) -> str:
    """A leaderboard as text, with the interval of the first metric. Metrics without a value are left out.

    Of fewer than `LEAST_PEOPLE` people the interval is left out too, with a line that says so: the few values that
    resampling finds there say little of other people.
    """
    columns = {"": table["name"]}
    for name, (heading, form) in _COLUMNS.items():
        if name in table and table[name].notna().any():
            columns[heading] = [_cell(value, form) for value in table[name]]
    name = next(name for name, (heading, _) in _COLUMNS.items() if heading in columns)
    first, form = _COLUMNS[name]
    few = table["faces"].min() < LEAST_PEOPLE
    if not few:
        with_interval = zip(columns[first], table[f"{name}_low"], table[f"{name}_high"], strict=True)
        columns[first] = [f"{text} ({form(low)} to {form(high)})" for text, low, high in with_interval]
    text = pd.DataFrame(columns).to_string(index=False)
    return f"{text}\nNo intervals: they need {LEAST_PEOPLE} people at least." if few else text


def by_view(table: pd.DataFrame) -> str:
    """The metrics of a leaderboard by the view of the inputs, as text; empty for faces without known views."""
    blocks = []
    for name, (heading, form) in _COLUMNS.items():
        columns = {view: f"{name}_by_view_{view}" for view in VIEWS if f"{name}_by_view_{view}" in table}
        if columns:
            cells = {view: [_cell(value, form) for value in table[column]] for view, column in columns.items()}
            blocks.append(f"{heading}\n{pd.DataFrame({'': table['name']} | cells).to_string(index=False)}")
    return "\n\n".join(blocks)


def _cell(value: float, form: Callable[[float], str]) -> str:
    return "–" if pd.isna(value) else form(value)
