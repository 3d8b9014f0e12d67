"""Comparisons of one system's variants, each trained for as many steps as the others: P2's table 2, P3's ablation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from facekit.emotions import PROTOCOL_EMOTIONS
from facekit.evaluation.protocol import Exam, Panel, evaluate
from facekit.evaluation.protocol.summary import flat
from facekit.evaluation.protocol.table import exam_of
from facekit.expression import Expression
from facekit.files import atomic_path
from facekit.machine import fastest_device
from facekit.models.adversarial import Collapsed
from facekit.models.load import load_system
from facekit.models.mma_gan import ABLATION
from facekit.models.stargan import VARIANTS
from facekit.models.system import Generator
from facekit.runs import checkout
from facekit.show.pictures import grid
from facekit.training.run import train


@dataclass(frozen=True)
class Experiment:
    """A system, and what each of its variants sets in the preset."""

    system: str
    variants: Mapping[str, Mapping[str, object]]

    @property
    def fields(self) -> set[str]:
        """Names of all that some variant sets."""
        return set().union(*self.variants.values())


EXPERIMENTS: dict[str, Experiment] = {
    "table2": Experiment("stargan", VARIANTS),  # P2, table 2: G2 and G4 to G7
    "ablation": Experiment("mma_gan", ABLATION),  # P3, figure 4: G10
}

COMPARED = (
    "kept_and_changed", "accuracy", "verified", "relative_error", "moved_right", "self_psnr", "fid", "kid",
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
    progress: bool = True,
    tell: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """Train every variant with every seed, and measure all by the protocol; what is done is not done again.

    name       key in `EXPERIMENTS`
    out        folder: a run's in `VARIANT-SEED`, `evaluation`, and the tables
    panel      whose judges know such faces
    faces      of the exam, as `facekit.evaluation.protocol.evaluate_weights` takes them
    overrides  of all variants alike, as `facekit.training.train` takes them

    Returns one row a variant, in the papers' order: how many runs there were and how many of them `collapsed`, and of
    those that did not, for each of `COMPARED` the mean over seeds, the least and the most. `runs.csv` has a row a run,
    with intervals over people, `table.csv` what is returned, and `sheet.png` is the `sheet` of the first seed.

    Raises `ValueError` for a name that does not exist and for overrides of what the variants differ in, and what
    `train` raises but for `Collapsed`.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"{name!r} is no experiment; known are {', '.join(EXPERIMENTS)}")
    experiment, rows, overrides = EXPERIMENTS[name], [], dict(overrides or {})
    shown: dict[str, Generator] = {}
    if taken := experiment.fields & set(overrides):
        raise ValueError(f"the variants of {name} differ in {', '.join(sorted(taken))}: it cannot be set for all")
    for variant, fields in experiment.variants.items():
        for seed in seeds:
            run = f"{variant.replace(' ', '-')}-{seed}"
            tell(f"{run}: training")
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
                tell(f"{run}: {error}")
                rows.append(row | {"collapsed": True})
                continue
            generator = load_system(path).to(fastest_device())
            if seed == seeds[0]:
                shown[variant] = generator
            exam = exam_of(data, faces, generator.preset.size, generator.channels)
            rows.append(row | flat(evaluate(generator, exam, panel, out / "evaluation", name=run, tell=tell)))
    runs = pd.DataFrame(rows)
    table = over_seeds(runs)
    for each, file in ((runs, "runs.csv"), (table, "table.csv")):
        with atomic_path(out / file) as draft:
            each.to_csv(draft, index=False)
    if shown:
        with atomic_path(out / "sheet.png") as draft:
            sheet(shown, exam).save(draft, format="PNG", optimize=True)
    return table


def sheet(systems: Mapping[str, Generator], exam: Exam) -> Image.Image:
    """The lightest and the darkest face of an exam with every emotion, by each of some generators, two rows each."""
    brightness = exam.faces.images.mean((1, 2, 3))
    pair = exam.faces[[int(brightness.argmax()), int(brightness.argmin())]]
    pictures, names = [], []
    for name, system in systems.items():
        edits = [system.edit(pair, Expression.of(emotion), seed=0) for emotion in PROTOCOL_EMOTIONS]
        pictures += [[pair.images[row], *(edit[row] for edit in edits)] for row in range(2)]
        names += [name, ""]
    return grid(pictures, columns=["input", *PROTOCOL_EMOTIONS], rows=names, size=48)


def at_length(name: str) -> pd.DataFrame:
    """The runs of an experiment in the `laptop` profile with three seeds, a row each as in `runs.csv`, whose results
    come with the project: `data/experiments/NAME.csv`. The sheet of its first seed is `NAME.png` beside it."""
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
