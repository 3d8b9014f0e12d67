"""From pictures to tidy tables: one row an edit, with everything that is measured of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from facekit.evaluation.benchmark.benchmarks import Benchmark, EditRequests
from facekit.evaluation.benchmark.panel import GroundTruth, Panel, Reading
from facekit.evaluation.judges import IdentityJudge
from facekit.evaluation.metrics.counterfactual import changed_psnr, relative_error
from facekit.evaluation.metrics.identity import cosine
from facekit.evaluation.metrics.motion import action_unit_error, expression_change
from facekit.evaluation.metrics.reference import judge_distance, psnr, ssim
from facekit.faces.emotions import EMOTIONS

BEST_PSNR = 10 * math.log10(12 * 255**2)
"""58.9 dB: what rounding to 8 bits alone costs. Pictures that are nearer, and equal ones, count as so near."""

FAIRNESS = ("skin_tone", "age", "glasses")
"""Attributes of the person that are kept in the rows."""

_BATCH = 256


def edit_rows(benchmark: Benchmark, key: GroundTruth, panel: Panel, requests: EditRequests, images: Tensor) -> tuple:
    """Everything measured of edits (N, C, H, W), one row each, and what the judges said of them.

    Where nothing should change (neutral asked of a neutral face), what is told relative to the change is NaN.

    Returns a `DataFrame` with
        face, person, present, intensity     the input: its row, who it is, what it shows and, if known, how strongly
        asked, judged, right                 emotions asked for and read, and whether they agree
        likeness, threshold, verified        cosine to the input, the cosine at 1 % false accepts, and whether above
        stranger                             cosine to the next face's input, who is somebody else
        edit_success                     `right` and `verified`, of edits that ask for another emotion
    and, where the truth is known (`distance` and the action units only by judges of our own, where they are),
        mse, mse_noop, relative_error        to the truth, of the edit and of the input; their ratio (E8)
        changed_psnr, psnr, ssim, distance   to the truth: decibels where it should change and over all, SSIM, and
                                             distance in the identity network's maps, which stands in for LPIPS (E5)
        cosine, ratio, au_direction_accuracy, au_error movement of the action units as a judge measures it (E9, E7)
        strength                             of `measured_level`
        skin_tone, age, glasses              where the dataset knows them
    and `judged_NAME`, `likeness_NAME`, `verified_NAME` and so on for every further judge; and a `Reading`.
    """
    said = panel.read(images)
    columns = _asked(benchmark, requests) | _judged(key, panel, requests, said)
    if panel.identity:
        asked_change = requests.target != benchmark.faces.emotion[requests.rows]
        kept = columns["correct"] & columns["identity_preserved"]
        columns["edit_success"] = torch.where(asked_change, kept.double(), torch.nan)
    if benchmark.truth is not None:
        columns |= _pictured(benchmark, key, panel, requests, images)
        if panel.action_units:
            columns |= _moved(key, requests, said)
    return _frame(columns | _known(benchmark, requests)), said


def self_rows(benchmark: Benchmark, requests: EditRequests, images: Tensor) -> pd.DataFrame:
    """How near to the input a generator stays that is asked for what a face shows already: `psnr` by face."""
    near = psnr(images, benchmark.faces.images[requests.rows]).clamp(max=BEST_PSNR)
    return _frame(_asked(benchmark, requests) | {"psnr": near} | _known(benchmark, requests))


def sweep_rows(
    benchmark: Benchmark, key: GroundTruth, panel: Panel, requests: EditRequests, images: Tensor
) -> pd.DataFrame:
    """The `level` that was asked for and the one that is `measured`, by face, emotion and level."""
    units = panel.read_units(images)
    columns = {"level": requests.level, "measured": measured_level(key, requests, units)}
    return _frame(_asked(benchmark, requests) | columns | _known(benchmark, requests))


def measured_level(key: GroundTruth, requests: EditRequests, units: Tensor) -> Tensor:
    """How far faces went from rest to the full display of the asked emotion, (N,): 0 at rest, 1 at the full display.

    With d = AU(full) - AU(rest), a picture's level is ⟨AU(picture) - AU(rest), d⟩ / ⟨d, d⟩, where all action units
    are what one judge measures: of the picture (N, A), and of the same person's true pictures at rest and in full.
    So the judge's own bias cancels at both ends, and movement of other units does not count. NaN for neutral.
    """
    true = key.truth["action_units"]
    rest = true[requests.rest]
    way = true[requests.answers] - rest
    return ((units - rest) * way).sum(1) / way.square().sum(1)  # 0 / 0 is NaN


def _asked(benchmark: Benchmark, requests: EditRequests) -> dict[str, object]:
    faces = benchmark.faces[requests.rows]
    strength = {} if faces.intensity is None else {"intensity": faces.intensity}
    return {
        "face": requests.rows,
        "person": faces.person,
        "input_emotion": _named(faces.emotion),
        **strength,
        "target": _named(requests.target),
    }


def _known(benchmark: Benchmark, requests: EditRequests) -> dict[str, Tensor]:
    known = benchmark.faces.attributes
    return {name: known[name][requests.rows] for name in FAIRNESS if name in known}


def _judged(key: GroundTruth, panel: Panel, requests: EditRequests, said: Reading) -> dict[str, object]:
    columns = {}
    for i, judge in enumerate(panel.emotion):
        answers = said[f"emotion {judge.name}"]
        columns[_column("predicted", judge, i)] = _named(answers)
        columns[_column("correct", judge, i)] = answers == requests.target
    for i, judge in enumerate(panel.identity):
        who = f"identity {judge.name}"
        source = key.source[who]
        identity_similarity = cosine(said[who], source[requests.rows])
        columns[_column("identity_similarity", judge, i)] = identity_similarity
        columns[_column("impostor_similarity", judge, i)] = cosine(said[who], source.roll(-1, 0)[requests.rows])
        columns[_column("threshold", judge, i)] = torch.full_like(identity_similarity, key.thresholds[judge.name])
        columns[_column("identity_preserved", judge, i)] = identity_similarity > key.thresholds[judge.name]
    return columns


def _column(measure: str, judge, place: int) -> str:
    """The first judge's columns bear no name: they are the headline's."""
    return measure if place == 0 else f"{measure}_{judge.name}"


def _pictured(
    benchmark: Benchmark, key: GroundTruth, panel: Panel, requests: EditRequests, images: Tensor
) -> dict[str, Tensor]:
    parts = []
    maps = next((judge.system for judge in panel.identity[:1] if isinstance(judge, IdentityJudge)), None)
    for part in torch.arange(len(requests)).split(_BATCH):
        edit, truth = images[part], key.images[requests.answers[part]]
        source = benchmark.faces.images[requests.rows[part]]
        measured = {
            "mse": _mse(edit, truth),
            "mse_noop": _mse(source, truth),
            "relative_error": relative_error(edit, truth, source),
            "changed_psnr": changed_psnr(edit, truth, source).clamp(max=BEST_PSNR),
            "psnr": psnr(edit, truth).clamp(max=BEST_PSNR),
            "ssim": ssim(edit, truth),
        }
        if maps is not None:
            measured["distance"] = judge_distance(edit, truth, maps)
        parts.append(measured)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _moved(key: GroundTruth, requests: EditRequests, said: Reading) -> dict[str, Tensor]:
    units, truth = said["action_units"], key.truth["action_units"][requests.answers]
    change = expression_change(key.source["action_units"][requests.rows], units, truth)
    return {
        "cosine": change.cosine,
        "ratio": change.ratio,
        "au_direction_accuracy": torch.where(change.should_move, change.right().double(), torch.nan),
        "au_error": action_unit_error(units, truth),
        "strength": measured_level(key, requests, units),
    }


def _mse(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean((1, 2, 3))


def _named(emotions: Tensor) -> list[str]:
    return [EMOTIONS[i] for i in emotions.tolist()]


def _frame(columns: Mapping[str, object]) -> pd.DataFrame:
    """Tensors and lists as a table; numbers in double precision, so that a file gives back what was written."""
    values = {
        name: (value.double() if value.is_floating_point() else value).numpy() if isinstance(value, Tensor) else value
        for name, value in columns.items()
    }
    return pd.DataFrame(values)
