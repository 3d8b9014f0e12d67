"""From tables of edits to the numbers of one row of the leaderboard, with intervals by person."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from scipy.stats import rankdata
from torch import Tensor
from torchmetrics.functional.classification import multiclass_f1_score

from facekit.evaluation.metrics.distribution import fid, kid
from facekit.evaluation.metrics.emotion import emotion_scores
from facekit.evaluation.metrics.identity import verification_auc
from facekit.evaluation.metrics.uncertainty import Interval, bootstrap
from facekit.faces.emotions import EMOTIONS, PROTOCOL_EMOTIONS

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
        if not set(self.columns) <= set(rows):
            return None
        rows = rows[rows.target != rows.input_emotion] if self.changes else rows
        rows = rows.dropna(subset=list(self.columns))
        if rows.empty:
            return None
        values = [_numbers(rows[column]) for column in self.columns]
        return bootstrap(self.statistic, *values, persons=torch.tensor(rows.person.to_numpy()))


def _numbers(column: pd.Series) -> Tensor:
    """A column's values; of emotions, their places in `EMOTIONS`."""
    if is_numeric_dtype(column) or is_bool_dtype(column):
        return torch.tensor(column.to_numpy(dtype=float))
    return torch.tensor(column.map(EMOTIONS.index).to_numpy())


def ratio_of_means(errors: Tensor, of_copying: Tensor) -> Tensor:
    """The mean error over the mean error of copying.

    It weighs an edit by how much there was to change. In a mean of ratios, an edit in which next to nothing should
    change (a copy's error near 0) would outweigh all others; their median says what a typical edit does.
    """
    return errors.mean() / of_copying.mean()


def mean_f1(target: Tensor, predicted: Tensor) -> Tensor:
    """The mean of F1 over the emotions that were asked for, of what was asked and what a judge read, as indices into
    `EMOTIONS`."""
    return multiclass_f1_score(predicted, target, len(PROTOCOL_EMOTIONS), average=None)[target.unique()].mean()


EDIT_MEASURES = (
    Measure("edit_success", ["edit_success"]),
    Measure("accuracy", ["correct"], changes=False),  # P2 §4.2: each test face to all seven
    Measure("f1", ["target", "predicted"], mean_f1, changes=False),
    Measure("identity_preserved", ["identity_preserved"]),
    Measure("identity_similarity", ["identity_similarity"]),
    Measure(
        "identity_auc", ["identity_similarity", "impostor_similarity"], verification_auc
    ),  # face and edit, face and another's edit
    Measure("relative_error", ["mse", "mse_noop"], ratio_of_means),
    Measure("relative_error_median", ["relative_error"], torch.median),
    Measure("changed_psnr", ["changed_psnr"]),
    Measure("au_direction_accuracy", ["au_direction_accuracy"]),
    Measure("cosine", ["cosine"], torch.median),
    Measure("ratio", ["ratio"], torch.median),
    Measure("au_error", ["au_error"]),
    Measure("psnr", ["psnr"]),
    Measure("ssim", ["ssim"]),
    Measure("distance", ["distance"]),
)
"""Of the table of edits, in the leaderboard's order."""

_OF_JUDGES = {
    "predicted": ("accuracy", "f1"),
    "identity_preserved": ("identity_preserved", "identity_similarity", "identity_auc"),
}
"""Which of them every judge has a number in, by a column that every judge of emotion, or of identity, has."""


def edits_summary(rows: pd.DataFrame) -> Numbers:
    """All of `EDIT_MEASURES`, and the same of further judges as `accuracy_NAME` and so on; by emotion, `recall`, and
    `f1_by_emotion` of every judge."""
    numbers = {measure.name: _plain(measure.over(rows)) for measure in (*EDIT_MEASURES, *_of_further_judges(rows))}
    numbers["recall"] = rows.groupby("target", sort=False).correct.mean().to_dict()
    for suffix in ("", *_suffixes(rows, "predicted")):
        scores = emotion_scores(_numbers(rows[f"predicted{suffix}"]), _numbers(rows.target))
        target = rows.target.unique()
        numbers[f"f1_by_emotion{suffix}"] = {name: f1 for name, f1 in scores.f1_by_emotion.items() if name in target}
    return numbers


def _of_further_judges(rows: pd.DataFrame) -> Iterator[Measure]:
    measures = {measure.name: measure for measure in EDIT_MEASURES}
    for column, names in _OF_JUDGES.items():
        for suffix, name in product(_suffixes(rows, column), names):
            columns = [each if each == "target" else each + suffix for each in measures[name].columns]
            yield dataclasses.replace(measures[name], name=name + suffix, columns=columns)


def _suffixes(rows: pd.DataFrame, column: str) -> list[str]:
    """What the columns of further judges end in."""
    return [name.removeprefix(column) for name in rows if name.startswith(f"{column}_")]


def self_summary(rows: pd.DataFrame) -> Numbers:
    """`self_psnr`: decibels between input and output where what is asked for is there already."""
    return {"self_psnr": _plain(Measure("self_psnr", ["psnr"], changes=False).over(rows))}


def distribution_summary(features: Tensor, real: Tensor) -> Numbers:
    """`fid` and `kid` of edits' features (N, D) against those of real faces (M, D) of the same people."""
    return {"fid": fid(real, features), "kid": kid(real, features)}


def sweep_summary(rows: pd.DataFrame) -> Numbers:
    """How intensity is followed.

    spearman     rank correlation between the nine levels asked for and measured, the mean over a face's emotions,
                 and of these the median over faces; 0 where nothing moves
    level_error  mean absolute difference between the two
    """
    table = rows.pivot(index=["person", "target"], columns="level", values="measured")
    correlation = pd.Series(_rank_correlation(table.to_numpy(), table.columns.to_numpy()).numpy(), table.index)
    by_face = correlation.groupby("person").mean()
    errors = rows.assign(level_error=(rows.level - rows.measured).abs())
    return {
        "spearman": _plain(bootstrap(torch.median, torch.tensor(by_face.to_numpy()))),
        "level_error": _plain(Measure("level_error", ["level_error"], changes=False).over(errors)),
    }


def _rank_correlation(measured: np.ndarray, target: np.ndarray) -> Tensor:
    """Spearman's correlation of rows (N, L) with one row (L,): (N,); 0 for a row that is constant.

    Levels that agree to four digits are equal: equal pictures in different batches differ in the sixth.
    """
    ranks = (torch.tensor(rankdata(values.round(4), axis=-1)) for values in (measured, target))
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
