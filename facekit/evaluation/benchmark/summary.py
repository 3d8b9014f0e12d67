"""From tables of edits to one row of the leaderboard, with confidence intervals over identities."""

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

from facekit.evaluation.benchmark.requests import rows_by_emotion
from facekit.evaluation.metrics.distribution import fid, kid
from facekit.evaluation.metrics.emotion import emotion_scores
from facekit.evaluation.metrics.identity import verification_auc
from facekit.evaluation.metrics.uncertainty import Interval, bootstrap
from facekit.faces.action_units import ACTION_UNITS
from facekit.faces.emotions import EMOTIONS, PROTOCOL_EMOTIONS
from facekit.faces.landmarks import PARTS

Summary = dict[str, object]
"""Metrics by name: a number, None, or an interval as a dictionary of `estimate`, `low` and `high`."""


@dataclass(frozen=True)
class Metric:
    """One number computed over the rows of a table.

    name       in the summary and the leaderboard
    columns    of the table, the arguments of `statistic`
    statistic  function of these columns' values
    changes    whether only edits count whose target differs from the input's emotion
    """

    name: str
    columns: Sequence[str]
    statistic: Callable[..., Tensor] = torch.nanmean
    changes: bool = True

    def over(self, rows: pd.DataFrame) -> Interval | None:
        """The metric with its interval; None if no row has the columns."""
        if not set(self.columns) <= set(rows):
            return None
        rows = rows[rows.target != rows.input_emotion] if self.changes else rows
        rows = rows.dropna(subset=list(self.columns))
        if rows.empty:
            return None
        values = [_numbers(rows[column]) for column in self.columns]
        return bootstrap(self.statistic, *values, persons=torch.tensor(rows.person.to_numpy()))


def _numbers(column: pd.Series) -> Tensor:
    """A column's values; emotions become indices into `EMOTIONS`."""
    if is_numeric_dtype(column) or is_bool_dtype(column):
        return torch.tensor(column.to_numpy(dtype=float))
    return torch.tensor(column.map(EMOTIONS.index).to_numpy())


def ratio_of_means(values: Tensor, reference: Tensor) -> Tensor:
    """The mean over many edits, divided by the mean of a reference.

    Relative error is the MSE of the edits divided by that of the unedited inputs, sharpness their Laplacian energy
    divided by that of the ground truth. The ratio of means weights an edit by how much there was to change. In a mean
    of ratios, edits that should change next to nothing (an MSE of the input near 0) would outweigh all others. The
    median of ratios describes a typical edit.
    """
    return values.mean() / reference.mean()


def mean_f1(target: Tensor, predicted: Tensor) -> Tensor:
    """Macro F1 over the emotions that occur as targets; both arguments are indices into `EMOTIONS`."""
    return multiclass_f1_score(predicted, target, len(PROTOCOL_EMOTIONS), average=None)[target.unique()].mean()


EDIT_METRICS = (
    Metric("edit_success", ["edit_success"]),
    Metric("accuracy", ["correct"], changes=False),  # over all targets, as in P2 §4.2
    # By the classifier that guided the training, if any; it is no judge.
    Metric("training_accuracy", ["correct_in_training"], changes=False),
    Metric("f1", ["target", "predicted"], mean_f1, changes=False),
    Metric("identity_preserved", ["identity_preserved"]),
    Metric("identity_similarity", ["identity_similarity"]),
    # Genuine pairs: a face and its edit. Impostor pairs: a face and the edit of another.
    Metric("identity_auc", ["identity_similarity", "impostor_similarity"], verification_auc),
    Metric("relative_error", ["mse", "mse_noop"], ratio_of_means),
    Metric("relative_error_median", ["relative_error"], torch.median),
    Metric("sharpness", ["sharpness_energy", "sharpness_energy_true"], ratio_of_means),
    # 0.5 if a classifier cannot tell edits from real images, 1 if it always can.
    Metric("two_sample_auc", ["two_sample_score", "two_sample_score_real"], verification_auc),
    Metric("changed_psnr", ["changed_psnr"]),
    Metric("au_direction_accuracy", ["au_direction_accuracy"]),
    Metric("cosine", ["cosine"], torch.median),
    Metric("ratio", ["ratio"], torch.median),
    Metric("au_error", ["au_error"]),
    Metric("landmark_error", ["landmark_error"]),
    *(Metric(f"landmark_error_{part}", [f"landmark_error_{part}"]) for part in PARTS),
    Metric("psnr", ["psnr"]),
    Metric("ssim", ["ssim"]),
    Metric("distance", ["distance"]),
)
"""Metrics of the table of edits, in the order of the leaderboard."""

BY_VIEW = ("accuracy", "f1", "identity_auc", "two_sample_auc")
"""Metrics that are also given for each view of photographs."""

_METRICS_BY_JUDGE = {
    "predicted": ("accuracy", "f1"),
    "identity_preserved": ("identity_preserved", "identity_similarity", "identity_auc"),
}
"""The metrics that are computed for every judge of emotion or of identity, by a column that each of them has."""


def edits_summary(rows: pd.DataFrame) -> Summary:
    """All of `EDIT_METRICS`, and those of further judges as `accuracy_NAME` and so on; `recall` by emotion,
    `f1_by_emotion` of every judge, `au_error_by_unit` with a judge of action units, and where the rows know the `view`,
    `accuracy_by_view` and so on."""
    summary = {metric.name: _plain(metric.over(rows)) for metric in (*EDIT_METRICS, *_metrics_of_further_judges(rows))}
    summary["recall"] = rows.groupby("target", sort=False).correct.mean().to_dict()
    for suffix in ("", *_suffixes(rows, "predicted")):
        scores = emotion_scores(_numbers(rows[f"predicted{suffix}"]), _numbers(rows.target))
        targets = rows.target.unique()
        summary[f"f1_by_emotion{suffix}"] = {name: f1 for name, f1 in scores.f1_by_emotion.items() if name in targets}
    summary |= {"au_error_by_unit": by_unit} if (by_unit := _errors_by_unit(rows)) else {}
    return summary | (_by_view(rows) if "view" in rows else {})


def _errors_by_unit(rows: pd.DataFrame) -> dict[str, float]:
    """The mean error of each action unit over edits that change the emotion; empty where none was measured."""
    changed = rows[rows.target != rows.input_emotion]
    units = [f"AU{unit.number}" for unit in ACTION_UNITS]
    return {unit: float(changed[f"au_error_{unit}"].mean()) for unit in units if f"au_error_{unit}" in changed}


def _by_view(rows: pd.DataFrame) -> Summary:
    """`faces_by_view`, and metrics of `BY_VIEW` of all judges as `NAME_by_view`: numbers by the view of the input."""
    groups = dict(list(rows.groupby("view")))
    found = {"faces_by_view": {view: part.face.nunique() for view, part in groups.items()}}
    for metric in (*EDIT_METRICS, *_metrics_of_further_judges(rows)):
        if metric.name.startswith(BY_VIEW):
            values = {view: metric.over(part) for view, part in groups.items()}
            found[f"{metric.name}_by_view"] = {view: each.estimate for view, each in values.items() if each is not None}
    return found


def _metrics_of_further_judges(rows: pd.DataFrame) -> Iterator[Metric]:
    metrics = {metric.name: metric for metric in EDIT_METRICS}
    for column, names in _METRICS_BY_JUDGE.items():
        for suffix, name in product(_suffixes(rows, column), names):
            columns = [each if each == "target" else each + suffix for each in metrics[name].columns]
            yield dataclasses.replace(metrics[name], name=name + suffix, columns=columns)


def _suffixes(rows: pd.DataFrame, column: str) -> list[str]:
    """The suffixes of the further judges' columns."""
    return [name.removeprefix(column) for name in rows if name.startswith(f"{column}_")]


def self_summary(rows: pd.DataFrame) -> Summary:
    """`self_psnr`: PSNR in decibels between input and edit when the target is what the face shows already."""
    return {"self_psnr": _plain(Metric("self_psnr", ["psnr"], changes=False).over(rows))}


def distribution_summary(features: Tensor, target: Tensor, real: Tensor, emotions: Tensor) -> Summary:
    """How far the features of edits (N, D) are from those of real faces (M, D) that show the target emotions.

    target    (N,) target emotions of the edits
    emotions  (M,) emotions of the real faces

    Returns `kid`, the mean over target emotions of the KID between the edits and the real faces with that emotion, and
    `fid` over all emotions, in which each edit counts one real face of its target emotion.
    """
    by_emotion = [(features[target == e], real[emotions == e]) for e in target.unique() if (emotions == e).sum() > 1]
    return {
        "fid": fid(real[rows_by_emotion(target, emotions)], features),
        "kid": sum(kid(real, own) for own, real in by_emotion) / len(by_emotion) if by_emotion else None,
    }


def sweep_summary(rows: pd.DataFrame) -> Summary:
    """How well measured intensities follow target intensities.

    spearman         Spearman rank correlation between the nine target and measured intensities: the mean over a face's
                     emotions, then the median over faces; 0 where nothing moves
    intensity_error  mean absolute difference between target and measured intensity
    """
    table = rows.pivot(index=["person", "target"], columns="target_intensity", values="measured_intensity")
    correlation = pd.Series(_rank_correlation(table.to_numpy(), table.columns.to_numpy()).numpy(), table.index)
    by_face = correlation.groupby("person").mean()
    errors = rows.assign(intensity_error=(rows.target_intensity - rows.measured_intensity).abs())
    return {
        "spearman": _plain(bootstrap(torch.median, torch.tensor(by_face.to_numpy()))),
        "intensity_error": _plain(Metric("intensity_error", ["intensity_error"], changes=False).over(errors)),
    }


def _rank_correlation(measured: np.ndarray, target: np.ndarray) -> Tensor:
    """Spearman correlation of rows (N, L) with one row (L,): (N,); 0 for a constant row.

    Values that agree to four digits count as equal: equal images in different batches differ in the sixth.
    """
    ranks = (torch.tensor(rankdata(values.round(4), axis=-1)) for values in (measured, target))
    return F.cosine_similarity(*(rank - rank.mean(-1, keepdim=True) for rank in ranks), dim=-1)


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return interval and dataclasses.asdict(interval)


def flat(summary: Mapping[str, object]) -> dict[str, object]:
    """A summary as one row of a table: an interval becomes the columns `NAME`, `NAME_low` and `NAME_high`."""
    row = {}
    for name, value in summary.items():
        if isinstance(value, Mapping) and "estimate" in value:
            row |= {name: value["estimate"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
        elif isinstance(value, Mapping):
            row |= {f"{name}_{inner}": number for inner, number in value.items()}
        else:
            row[name] = value
    return row
