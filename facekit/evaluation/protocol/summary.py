"""From tables of edits to the numbers of one row of the leaderboard, with intervals by person."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor

from facekit.evaluation.distribution import fid, kid
from facekit.evaluation.uncertainty import Interval, bootstrap

Numbers = dict[str, object]


@dataclass(frozen=True)
class Measure:
    """One number over the rows of a table.

    name       in the summary and the leaderboard
    columns    of the table that it is made of
    statistic  of these columns
    changes    only over edits that ask for another emotion than the face shows
    """

    name: str
    columns: Sequence[str]
    statistic: Callable[..., Tensor] = torch.nanmean
    changes: bool = True

    def over(self, rows: pd.DataFrame) -> Interval | None:
        """The number with its interval; None where the rows hold nothing to measure."""
        rows = rows[rows.asked != rows.present] if self.changes else rows
        rows = rows.dropna(subset=list(self.columns))
        if rows.empty:
            return None
        values = [torch.tensor(rows[column].to_numpy(dtype=float)) for column in self.columns]
        return bootstrap(self.statistic, *values, persons=torch.tensor(rows.person.to_numpy()))


def ratio_of_means(errors: Tensor, of_copying: Tensor) -> Tensor:
    """The mean error over the mean error of copying.

    It weighs an edit by how much there was to change. In a mean of ratios, an edit in which next to nothing should
    change (a copy's error near 0) would outweigh all others; their median says what a typical edit does.
    """
    return errors.mean() / of_copying.mean()


EDIT_MEASURES = (
    Measure("kept_and_changed", ["kept_and_changed"]),
    Measure("accuracy", ["right"], changes=False),  # P2 §4.2: each test face to all seven
    Measure("verified", ["verified"]),
    Measure("likeness", ["likeness"]),
    Measure("relative_error", ["mse", "mse_copy"], ratio_of_means),
    Measure("relative_error_median", ["relative_error"], torch.median),
    Measure("changed_psnr", ["changed_psnr"]),
    Measure("moved_right", ["moved_right"]),
    Measure("cosine", ["cosine"], torch.median),
    Measure("ratio", ["ratio"], torch.median),
    Measure("au_error", ["au_error"]),
    Measure("psnr", ["psnr"]),
    Measure("ssim", ["ssim"]),
    Measure("distance", ["distance"]),
)
"""Of the table of edits, in the leaderboard's order."""

_OUTSIDE = {"right": "accuracy", "verified": "verified", "likeness": "likeness"}


def edits_summary(rows: pd.DataFrame) -> Numbers:
    """All of `EDIT_MEASURES` and the same of further judges, as `accuracy_NAME` and so on; `recall` by emotion."""
    others = [
        Measure(f"{measure}_{column.removeprefix(f'{start}_')}", [column], changes=start != "right")
        for start, measure in _OUTSIDE.items()
        for column in rows.columns
        if column.startswith(f"{start}_")
    ]
    numbers = {measure.name: _plain(measure.over(rows)) for measure in (*EDIT_MEASURES, *others)}
    return numbers | {"recall": rows.groupby("asked", sort=False).right.mean().to_dict()}


def self_summary(rows: pd.DataFrame) -> Numbers:
    """`self_psnr`: decibels between input and output where what is asked for is there already."""
    return {"self_psnr": _plain(Measure("self_psnr", ["psnr"], changes=False).over(rows))}


def distribution_summary(features: Tensor, real: Tensor) -> Numbers:
    """`fid` and `kid` of edits' features (N, D) against those of as many real faces (M, D) of the same people."""
    return {"fid": fid(real, features), "kid": kid(real, features)}


def sweep_summary(rows: pd.DataFrame) -> Numbers:
    """How intensity is followed.

    spearman     rank correlation between the nine levels asked for and measured, the mean over a face's emotions,
                 and of these the median over faces; 0 where nothing moves
    level_error  mean absolute difference between the two
    """
    table = rows.pivot(index=["person", "asked"], columns="level", values="measured")
    correlation = pd.Series(_rank_correlation(table.to_numpy(), table.columns.to_numpy()).numpy(), table.index)
    by_face = correlation.groupby("person").mean()
    errors = rows.assign(level_error=(rows.level - rows.measured).abs())
    return {
        "spearman": _plain(bootstrap(torch.median, torch.tensor(by_face.to_numpy()))),
        "level_error": _plain(Measure("level_error", ["level_error"], changes=False).over(errors)),
    }


def _rank_correlation(measured: np.ndarray, asked: np.ndarray) -> Tensor:
    """Spearman's correlation of rows (N, L) with one row (L,): (N,); 0 for a row that is constant.

    Levels that agree to four digits are equal: equal pictures in different batches differ in the sixth.
    """
    ranks = (torch.tensor(rankdata(values.round(4), axis=-1)) for values in (measured, asked))
    return F.cosine_similarity(*(rank - rank.mean(-1, keepdim=True) for rank in ranks), dim=-1)


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return interval and dataclasses.asdict(interval)


def flat(summary: Mapping[str, object]) -> dict[str, object]:
    """A summary as one row: an interval becomes three columns, `NAME`, `NAME_low` and `NAME_high`."""
    row = {}
    for name, value in summary.items():
        if isinstance(value, Mapping) and "estimate" in value:
            row |= {name: value["estimate"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
        elif isinstance(value, Mapping):
            row |= {f"{name}_{inner}": number for inner, number in value.items()}
        else:
            row[name] = value
    return row
