"""Comparisons of one system's variants, each trained for as many steps as the others: P2's table 2 and its joint
training on two domains, P3's ablation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from facekit.models.gans.stargan import JOINT, VARIANTS
from facekit.models.load import load_system
from facekit.models.system import Generator
from facekit.training.run import train
from facekit.workspace.files import atomic_path
from facekit.workspace.folders import checkout
from facekit.workspace.hardware import fastest_device


@dataclass(frozen=True)
class Experiment:
    """A system, and what each of its variants sets in the preset.

    drawn  options of `SyntheticFaces`, where that is what all of them learn from
    """

    system: str
    variants: Mapping[str, Mapping[str, object]]
    drawn: Mapping[str, object] = field(default_factory=dict)

    @property
    def fields(self) -> set[str]:
        """Names of all that some variant sets."""
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
"""Of the protocol's numbers, those in the table of an experiment. What is not known, as of photographs, is left out."""


def run_experiment(
    name: str,
    out: Path,
    *,
    panel: Panel,
    profile: str = "laptop",
    data: str = "synthetic",
    seeds: Sequence[int] = (0, 1, 2),
    faces: int | None = None,
    overrides: Mapping[str, object] | None = None,
    sheet: Callable[[Mapping[str, Generator], Sequence[Benchmark]], Image.Image] | None = None,
    progress: bool = True,
    log: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """Train every variant with every seed, and measure all by the protocol; what is done is not done again.

    name       key in `EXPERIMENTS`
    out        folder: a run's in `VARIANT-SEED`, `evaluation`, and the tables
    panel      whose judges know such faces
    faces      of the exam, as `facekit.evaluation.benchmark.evaluate_weights` takes them
    overrides  of all variants alike, as `facekit.training.train` takes them
    sheet      draws the generators of the first seed, by variant, with their benchmarks; such as
               `facekit.show.experiments.sheet`

    Returns one row a variant, or of two domains one a variant and exam, in the papers' order: how many runs there were
    and how many of them `collapsed`, and of those that did not, for each of `COMPARED` the mean over seeds, the least
    and the most. `runs.csv` has a row a run and exam, with intervals over people, `table.csv` what is returned, and
    `sheet.png` is the `sheet` of the first seed.

    Raises `ValueError` for a name that does not exist and for overrides of what the variants differ in, and what
    `train` raises but for `Collapsed`.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"{name!r} is no experiment; known are {', '.join(EXPERIMENTS)}")
    experiment, rows, overrides = EXPERIMENTS[name], [], dict(overrides or {})
    shown: dict[str, Generator] = {}
    if data == "synthetic":
        overrides |= {f"data.{option}": value for option, value in experiment.drawn.items()}
    if taken := experiment.fields & set(overrides):
        raise ValueError(f"the variants of {name} differ in {', '.join(sorted(taken))}: it cannot be set for all")
    for variant, fields in experiment.variants.items():
        for seed in seeds:
            run = f"{variant.replace(' ', '-')}-{seed}"
            log(f"{run}: training")
            row = {"variant": variant, "seed": seed, "collapsed": False}
            try:
                path = train(
                    experiment.system,
                    profile=profile,
                    data=data,
                    out=out / run,
                    seed=seed,
                    overrides=overrides | dict(fields),
                    progress=progress,
                )
            except Collapsed as error:
                log(f"{run}: {error}")
                rows.append(row | {"collapsed": True})
                continue
            generator = load_system(path).to(fastest_device())
            if seed == seeds[0]:
                shown[variant] = generator
            benchmarks = dict(_benchmarks(data, faces, generator))
            for way, benchmark in benchmarks.items():
                measured = evaluate(generator, benchmark, panel, out / "evaluation", name=run, log=log)
                rows.append(row | {"variant": f"{variant}{way}"} | flat(measured))
    runs = pd.DataFrame(rows)
    table = over_seeds(runs)
    for each, file in ((runs, "runs.csv"), (table, "table.csv")):
        with atomic_path(out / file) as draft:
            each.to_csv(draft, index=False)
    if shown and sheet is not None:
        with atomic_path(out / "sheet.png") as draft:
            sheet(shown, list(benchmarks.values())).save(draft, format="PNG", optimize=True)
    return table


def _benchmarks(data: str, faces: int | None, generator: Generator) -> Iterator[tuple[str, Benchmark]]:
    """The exams of a generator, each with what is added to a variant's name: one, or, of one that knows drawn faces of
    two domains, one for each that faces may be of and, where they cross over, for each that answers are asked in."""
    look = {"size": generator.preset.size, "channels": generator.channels}
    if data != "synthetic" or "domain" not in generator.understands:
        yield "", benchmark_for(data, faces, **look)
        return
    for domain in DOMAINS:
        for goal in DOMAINS if generator.preset.cross_domain else (None,):
            benchmark = synthetic_benchmark(faces or FACES, **look, domain=domain, towards=goal)
            yield f": {domain} to {goal or domain}", benchmark


def recorded_runs(name: str) -> pd.DataFrame:
    """The runs of an experiment whose results come with the project, a row each as in `runs.csv`:
    `data/experiments/NAME.csv`. The sheet of its first seed is `NAME.png` beside it; README says how they were made."""
    return pd.read_csv(checkout() / "data" / "experiments" / f"{name}.csv")


def over_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a variant of a table with one row a run: see `run_experiment`."""
    by_variant = runs.groupby("variant", sort=False)
    columns = {"runs": by_variant.size(), "collapsed": by_variant.collapsed.sum()}
    for measure in COMPARED:
        if measure in runs and runs[measure].notna().any():
            values = by_variant[measure]
            columns |= {measure: values.mean(), f"{measure}_least": values.min(), f"{measure}_most": values.max()}
    return pd.DataFrame(columns).reset_index()


def to_text(table: pd.DataFrame, measures: Collection[str] = COMPARED) -> str:
    """The table of an experiment, to be read in a terminal: each mean with the least and the most over seeds.

    measures  which of `COMPARED` are shown

    >>> row = {"variant": "skips", "runs": 3, "collapsed": 0, "fid": 2.0, "fid_least": 1.5, "fid_most": 2.5}
    >>> print(to_text(pd.DataFrame([row])))
    variant  runs  collapsed              fid
      skips     3          0 2.00 (1.50-2.50)
    """
    shown = table[["variant", "runs", "collapsed"]].copy()
    for measure in COMPARED:
        if measure in table and measure in measures:
            columns = [table[measure], table[f"{measure}_least"], table[f"{measure}_most"]]
            shown[measure] = [
                f"{mean:.2f} ({least:.2f}-{most:.2f})" for mean, least, most in zip(*columns, strict=True)
            ]
    return shown.to_string(index=False)
