"""Experiments: variants of one system, trained for equally many steps and evaluated by the protocol. They repeat P2's
table 2 and its joint training on two domains, and P3's ablation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pandas as pd
from PIL import Image

from facekit.evaluation.benchmark import Benchmark, Panel, evaluate, synthetic_benchmark
from facekit.evaluation.benchmark.benchmarks import FACES
from facekit.evaluation.benchmark.summary import flat
from facekit.evaluation.benchmark.table import benchmark_for
from facekit.faces.parts import DOMAINS
from facekit.models.gans.adversarial import Collapsed
from facekit.models.gans.mma_gan import ABLATION
from facekit.models.gans.stargan_variants import JOINT, VARIANTS
from facekit.models.load import load_system
from facekit.models.system import Generator
from facekit.training.run import train
from facekit.workspace.files import atomic_path
from facekit.workspace.folders import shipped
from facekit.workspace.hardware import fastest_device


@dataclass(frozen=True)
class Experiment:
    """A system and its variants.

    system        name of the system
    variants      by name, the preset fields that the variant sets
    data_options  options of `SyntheticFaces`, for training on drawn faces
    """

    system: str
    variants: Mapping[str, Mapping[str, object]]
    data_options: Mapping[str, object] = field(default_factory=dict)

    @property
    def fields(self) -> set[str]:
        """Names of the preset fields in which the variants differ."""
        return set().union(*self.variants.values())


EXPERIMENTS: dict[str, Experiment] = {
    "table2": Experiment("stargan", VARIANTS),  # P2, table 2: G2 and G4 to G7
    "joint": Experiment("stargan", JOINT, {"domain": "both"}),  # P2, figure 10: G3
    "ablation": Experiment("mma_gan", ABLATION),  # P3, figure 4: G10
}

COMPARED = (
    "edit_success", "accuracy", "identity_preserved", "relative_error", "au_direction_accuracy", "self_psnr", "fid",
    "kid",
)  # fmt: skip
"""The metrics in the table of an experiment. Those without a value, as on photographs, are left out."""


def run_experiment(
    name: str,
    out: Path,
    *,
    panel: Panel,
    profile: str = "laptop",
    data: str = "synthetic",
    seeds: Sequence[int] = (0, 1, 2),
    variants: Collection[str] | None = None,
    faces: int | None = None,
    overrides: Mapping[str, object] | None = None,
    sheet: Callable[[Mapping[str, Generator], Sequence[Benchmark]], Image.Image] | None = None,
    progress: bool = True,
    log: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """Train every variant with every seed, and evaluate all by the protocol; finished parts are reused.

    name       key in `EXPERIMENTS`
    out        folder: each run in `VARIANT-SEED`, the evaluations in `evaluation`, and the tables
    panel      judges of such faces
    variants   names of the variants to train; None: all
    faces      number of faces of each benchmark, as for `facekit.evaluation.benchmark.evaluate_weights`
    overrides  of all variants alike, as for `facekit.training.train`
    sheet      draws the contact sheet of the first seed's generators (by variant) and their benchmarks, such as
               `facekit.show.experiments.sheet`

    Returns one row per variant in the paper's order, and with two domains one per variant and benchmark: the number of
    runs, how many of them `collapsed`, and for the others the mean, minimum and maximum over seeds of each of
    `COMPARED`. Writes `runs.csv` with one row per run and benchmark and confidence intervals over identities,
    `table.csv` with the returned table, and `sheet.png`.

    Raises `ValueError` for an unknown experiment or variant and for overrides of fields in which the variants differ,
    and what `train` raises except `Collapsed`.
    """
    overrides = _common_overrides(name, data, overrides or {})
    rows, first_seed, benchmarks = [], {}, {}
    for variant, seed in product(_chosen_variants(name, variants), seeds):
        run = f"{variant.replace(' ', '-')}-{seed}"
        row = {"variant": variant, "seed": seed, "collapsed": False}
        generator = _train_variant(
            name, variant, overrides, out / run, log, profile=profile, data=data, seed=seed, progress=progress
        )
        if generator is None:
            rows.append(row | {"collapsed": True})
            continue
        if seed == seeds[0]:
            first_seed[variant] = generator
        benchmarks = dict(_benchmarks(data, faces, generator))
        for suffix, benchmark in benchmarks.items():
            summary = evaluate(generator, benchmark, panel, out / "evaluation", name=run, log=log)
            rows.append(row | {"variant": f"{variant}{suffix}"} | flat(summary))
    runs = pd.DataFrame(rows)
    table = over_seeds(runs)
    _write_table(runs, out / "runs.csv")
    _write_table(table, out / "table.csv")
    if first_seed and sheet is not None:
        with atomic_path(out / "sheet.png") as draft:
            sheet(first_seed, list(benchmarks.values())).save(draft, format="PNG", optimize=True)
    return table


def _common_overrides(name: str, data: str, overrides: Mapping[str, object]) -> dict[str, object]:
    """The overrides of all variants; raises `ValueError` for an unknown experiment and for a variant's own fields."""
    if name not in EXPERIMENTS:
        raise ValueError(f"{name!r} is no experiment; known are {', '.join(EXPERIMENTS)}")
    experiment, common = EXPERIMENTS[name], dict(overrides)
    if data == "synthetic":
        common |= {f"data.{option}": value for option, value in experiment.data_options.items()}
    if taken := experiment.fields & set(common):
        raise ValueError(f"the variants of {name} differ in {', '.join(sorted(taken))}: it cannot be set for all")
    return common


def _chosen_variants(name: str, variants: Collection[str] | None) -> list[str]:
    """The variants to train, in the paper's order; raises `ValueError` for an unknown one."""
    known = EXPERIMENTS[name].variants
    if unknown := set(variants or ()) - set(known):
        raise ValueError(f"{name} has no variant {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return [variant for variant in known if variants is None or variant in variants]


def _train_variant(
    name: str, variant: str, overrides: Mapping[str, object], folder: Path, log: Callable[[str], None], **options
) -> Generator | None:
    """The trained generator of a variant; None if it collapsed. `options` are those of `train`."""
    experiment = EXPERIMENTS[name]
    log(f"{folder.name}: training")
    try:
        path = train(experiment.system, out=folder, overrides=overrides | dict(experiment.variants[variant]), **options)
    except Collapsed as error:
        log(f"{folder.name}: {error}")
        return None
    return load_system(path).to(fastest_device())


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as draft:
        table.to_csv(draft, index=False)


def _benchmarks(data: str, faces: int | None, generator: Generator) -> Iterator[tuple[str, Benchmark]]:
    """The benchmarks of a generator, each with the suffix of its row's name. A generator of two domains has one for
    each domain of the inputs or, if it was trained across domains, for each pair of input and target domain."""
    look = {"size": generator.preset.size, "channels": generator.channels}
    if data != "synthetic" or "domain" not in generator.understands:
        yield "", benchmark_for(data, faces, **look)
        return
    for domain in DOMAINS:
        for goal in DOMAINS if generator.preset.cross_domain else (None,):
            benchmark = synthetic_benchmark(faces or FACES, **look, domain=domain, target_domain=goal)
            yield f": {domain} to {goal or domain}", benchmark


def recorded_runs(name: str) -> pd.DataFrame:
    """The runs of an experiment whose results ship with the project, in the format of `runs.csv`:
    `data/experiments/NAME.csv`. The contact sheet of the first seed is `NAME.png` beside it."""
    return pd.read_csv(shipped() / "data" / "experiments" / f"{name}.csv")


def over_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per variant from a table with one row per run: see `run_experiment`."""
    by_variant = runs.groupby("variant", sort=False)
    columns = {"runs": by_variant.size(), "collapsed": by_variant.collapsed.sum()}
    for metric in COMPARED:
        if metric in runs and runs[metric].notna().any():
            values = by_variant[metric]
            columns |= {metric: values.mean(), f"{metric}_min": values.min(), f"{metric}_max": values.max()}
    return pd.DataFrame(columns).reset_index()


def to_text(table: pd.DataFrame, metrics: Collection[str] = COMPARED) -> str:
    """The table of an experiment as text: each mean with the minimum and the maximum over seeds.

    metrics  which of `COMPARED` are shown

    >>> row = {"variant": "skips", "runs": 3, "collapsed": 0, "fid": 2.0, "fid_min": 1.5, "fid_max": 2.5}
    >>> print(to_text(pd.DataFrame([row])))
    variant  runs  collapsed              fid
      skips     3          0 2.00 (1.50-2.50)
    """
    shown = table[["variant", "runs", "collapsed"]].copy()
    for metric in COMPARED:
        if metric in table and metric in metrics:
            columns = [table[metric], table[f"{metric}_min"], table[f"{metric}_max"]]
            shown[metric] = [f"{mean:.2f} ({low:.2f}-{high:.2f})" for mean, low, high in zip(*columns, strict=True)]
    return shown.to_string(index=False)
