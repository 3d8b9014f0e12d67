"""From images to tidy tables: one row per edit, with everything that is measured of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from facekit.evaluation.benchmark.benchmarks import Benchmark
from facekit.evaluation.benchmark.panel import GroundTruth, Panel, Predictions
from facekit.evaluation.benchmark.requests import Editor, EditRequests, rows_by_emotion
from facekit.evaluation.judges import IdentityJudge, LandmarkJudge
from facekit.evaluation.metrics.counterfactual import changed_psnr, changed_region, relative_error
from facekit.evaluation.metrics.identity import cosine
from facekit.evaluation.metrics.motion import action_unit_error, expression_change, landmark_error
from facekit.evaluation.metrics.reference import judge_distance, psnr, ssim
from facekit.evaluation.metrics.sharpness import laplacian_energy
from facekit.evaluation.metrics.two_sample import two_sample_scores
from facekit.faces.action_units import ACTION_UNITS, action_unit_columns
from facekit.faces.emotions import EMOTIONS
from facekit.faces.landmarks import PARTS, VIEWS, views
from facekit.models.guided import Guided
from facekit.weights.store import WeightsError

BEST_PSNR = 10 * math.log10(12 * 255**2)
"""58.9 dB: the error of rounding to 8 bits. Closer images, and equal ones, get this value."""

FAIRNESS = ("skin_tone", "age", "glasses")
"""Attributes of the person that the rows keep, for results by group."""

TWO_SAMPLE_PEOPLE = 100
"""With fewer people in a benchmark the two-sample test is left out: its classifier would learn little."""

_BATCH = 256


def edit_rows(
    benchmark: Benchmark, ground_truth: GroundTruth, panel: Panel, requests: EditRequests, images: Tensor
) -> tuple[pd.DataFrame, Predictions]:
    """All measurements of edits (N, C, H, W), one row each, and the judges' predictions.

    Where nothing should change (a neutral face with the target neutral), values relative to the change are NaN.

    Returns a `DataFrame` with the columns
        face, person                         the input's row in the benchmark, and its identity
        input_emotion, intensity             the input's label and, if known, its intensity
        target, predicted, correct           target emotion, the judge's prediction, and whether they agree
        identity_similarity, threshold,      cosine to the input's embedding, the cosine at a false accept rate of 1 %,
          identity_preserved                 and whether the similarity is above it
        impostor_similarity                  cosine to the next face's input, which shows another person
        edit_success                         `correct` and `identity_preserved`, for edits that change the emotion
        two_sample_score,                    score in [0, 1] of the two-sample test (E11), for edits that change the
          two_sample_score_real              emotion, and of a real image of the target emotion: the ground truth, or a
                                             photograph of another person; not for fewer than `TWO_SAMPLE_PEOPLE` people
    and, if ground truth is known (`distance` and the action units only with the suite's own judges),
        mse, mse_noop, relative_error        MSE to ground truth of the edit and of the unedited input; their ratio (E8)
        sharpness_energy,                    Laplacian energy inside the region that should change, of the edit and of
          sharpness_energy_true              the ground truth (E11)
        changed_psnr, psnr, ssim, distance   to ground truth: PSNR inside the region that should change and over the
                                             image, SSIM, and the distance in the identity network's feature maps, a
                                             substitute for LPIPS (E5)
        cosine, ratio,                       movement of the action units as predicted by a judge (E9, E7)
          au_direction_accuracy, au_error
        au_error_AU1, ...                    absolute error of each action unit, the mean over its sides
        landmark_error, and of each part     distance of landmarks to those of the ground truth, both as a judge detects
          as landmark_error_mouth            them, in distances between the outer corners of the eyes (NME, E7)
        measured_intensity                   see `measured_intensity`
        skin_tone, age, glasses              where the dataset knows them
        view                                 one of `VIEWS`, of photographs, with a judge of landmarks
    and `predicted_NAME`, `identity_similarity_NAME`, `identity_preserved_NAME` and so on for every further judge.
    """
    predictions = panel.predict(images)
    columns = _request_columns(benchmark, requests) | _judge_columns(ground_truth, panel, requests, predictions)
    if panel.identity:
        changes = requests.target != benchmark.faces.emotion[requests.rows]
        success = columns["correct"] & columns["identity_preserved"]
        columns["edit_success"] = torch.where(changes, success.double(), torch.nan)
    columns |= _two_sample_columns(benchmark, ground_truth, requests, images)
    if benchmark.ground_truth is not None:
        columns |= _pixel_columns(benchmark, ground_truth, panel, requests, images)
        if panel.action_units:
            columns |= _action_unit_columns(ground_truth, requests, predictions["action_units"])
        if panel.landmarks:
            landmarks = panel.predict_landmarks(images)["landmarks"]
            columns |= _landmark_columns(ground_truth, requests, landmarks)
    columns |= _attribute_columns(benchmark, requests)
    if panel.landmarks and not isinstance(panel.landmarks, LandmarkJudge):
        seen = views(ground_truth.input_predictions["landmarks"])[requests.rows]
        columns["view"] = [VIEWS[view] for view in seen]
    return _frame(columns), predictions


def training_columns(generator: Editor, requests: EditRequests, images: Tensor) -> dict[str, np.ndarray]:
    """`correct_in_training`: whether the emotion classifier that guided a generator's training predicts the target.

    Where this classifier agrees far more often than the judges, the generator has learned to please it. Empty for a
    generator that was trained without one, or whose classifier's weights are gone or were replaced.
    """
    if not isinstance(generator, Guided) or "classifier" not in generator.requires:
        return {}
    try:
        classifier = generator.guidance_network("classifier")
    except WeightsError:  # needed in training only
        return {}
    if generator.card and classifier.card.sha256 not in generator.card.requires.values():
        return {}
    return {"correct_in_training": (classifier.predict(images).argmax(1) == requests.target).numpy()}


def self_rows(benchmark: Benchmark, requests: EditRequests, images: Tensor) -> pd.DataFrame:
    """Self-reconstruction: `psnr` between input and edit when the target is what the face shows already."""
    values = psnr(images, benchmark.faces.images[requests.rows]).clamp(max=BEST_PSNR)
    return _frame(_request_columns(benchmark, requests) | {"psnr": values} | _attribute_columns(benchmark, requests))


def sweep_rows(
    benchmark: Benchmark, ground_truth: GroundTruth, panel: Panel, requests: EditRequests, images: Tensor
) -> pd.DataFrame:
    """`target_intensity` and `measured_intensity` by face, emotion and intensity."""
    units = panel.predict_action_units(images)
    columns = {
        "target_intensity": requests.intensity,
        "measured_intensity": measured_intensity(ground_truth, requests, units),
    }
    return _frame(_request_columns(benchmark, requests) | columns | _attribute_columns(benchmark, requests))


def measured_intensity(ground_truth: GroundTruth, requests: EditRequests, units: Tensor) -> Tensor:
    """How far faces moved from neutral to the full target expression, (N,): 0 is neutral, 1 the full expression.

    units  (N, A) action units that the judge predicts for the edits

    With d = AU(full) - AU(neutral), the intensity is ⟨AU(edit) - AU(neutral), d⟩ / ⟨d, d⟩. One judge predicts all
    action units, those of the ground truth too, so that its bias cancels at both ends. Movement of other action units
    does not count. NaN for the target neutral.
    """
    true = ground_truth.predictions["action_units"]
    neutral = true[requests.neutral_index]
    direction = true[requests.full_index] - neutral
    return ((units - neutral) * direction).sum(1) / direction.square().sum(1)  # 0 / 0 is NaN


def _request_columns(benchmark: Benchmark, requests: EditRequests) -> dict[str, object]:
    faces = benchmark.faces[requests.rows]
    intensity = {} if faces.intensity is None else {"intensity": faces.intensity}
    return {
        "face": requests.rows,
        "person": faces.person,
        "input_emotion": _names(faces.emotion),
        **intensity,
        "target": _names(requests.target),
    }


def _attribute_columns(benchmark: Benchmark, requests: EditRequests) -> dict[str, Tensor]:
    attributes = benchmark.faces.attributes
    return {name: attributes[name][requests.rows] for name in FAIRNESS if name in attributes}


def _judge_columns(
    ground_truth: GroundTruth, panel: Panel, requests: EditRequests, predictions: Predictions
) -> dict[str, object]:
    columns = {}
    for i, judge in enumerate(panel.emotion):
        predicted = predictions[f"emotion {judge.name}"]
        columns[_column("predicted", judge, i)] = _names(predicted)
        columns[_column("correct", judge, i)] = predicted == requests.target
    for i, judge in enumerate(panel.identity):
        embedded = predictions[f"identity {judge.name}"]
        inputs = ground_truth.input_predictions[f"identity {judge.name}"]
        similarity = cosine(embedded, inputs[requests.rows])
        threshold = ground_truth.thresholds[judge.name]
        columns[_column("identity_similarity", judge, i)] = similarity
        columns[_column("impostor_similarity", judge, i)] = cosine(embedded, inputs.roll(-1, 0)[requests.rows])
        columns[_column("threshold", judge, i)] = torch.full_like(similarity, threshold)
        columns[_column("identity_preserved", judge, i)] = similarity > threshold
    return columns


def _column(name: str, judge, position: int) -> str:
    """The first judge's columns have no suffix: they are the headline numbers."""
    return name if position == 0 else f"{name}_{judge.name}"


def _pixel_columns(
    benchmark: Benchmark, ground_truth: GroundTruth, panel: Panel, requests: EditRequests, images: Tensor
) -> dict[str, Tensor]:
    parts = []
    network = next((judge.system for judge in panel.identity[:1] if isinstance(judge, IdentityJudge)), None)
    for part in torch.arange(len(requests)).split(_BATCH):
        edit, true = images[part], ground_truth.images[requests.full_index[part]]
        source = benchmark.faces.images[requests.rows[part]]
        region = changed_region(true, source)
        columns = {
            "mse": _mse(edit, true),
            "mse_noop": _mse(source, true),
            "relative_error": relative_error(edit, true, source),
            "sharpness_energy": laplacian_energy(edit, region),
            "sharpness_energy_true": laplacian_energy(true, region),
            "changed_psnr": changed_psnr(edit, true, source).clamp(max=BEST_PSNR),
            "psnr": psnr(edit, true).clamp(max=BEST_PSNR),
            "ssim": ssim(edit, true),
        }
        if network is not None:
            columns["distance"] = judge_distance(edit, true, network)
        parts.append(columns)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _two_sample_columns(
    benchmark: Benchmark, ground_truth: GroundTruth, requests: EditRequests, images: Tensor
) -> dict[str, Tensor]:
    persons = benchmark.faces.person[requests.rows]
    changes = (requests.target != benchmark.faces.emotion[requests.rows]).nonzero()[:, 0]
    if len(persons[changes].unique()) < TWO_SAMPLE_PEOPLE:
        return {}
    if ground_truth.images is not None:
        real, real_persons = ground_truth.images[requests.full_index[changes]], persons[changes]
    else:
        rows = rows_by_emotion(requests.target[changes], benchmark.real.emotion)
        real, real_persons = benchmark.real.images[rows], benchmark.real.person[rows]
    scores = two_sample_scores(images[changes], real, persons[changes], real_persons)
    columns = {"two_sample_score": scores[0], "two_sample_score_real": scores[1]}
    return {
        name: torch.full((len(images),), torch.nan).double().index_put((changes,), v.double())
        for name, v in columns.items()
    }


def _action_unit_columns(ground_truth: GroundTruth, requests: EditRequests, units: Tensor) -> dict[str, Tensor]:
    true = ground_truth.predictions["action_units"][requests.full_index]
    change = expression_change(ground_truth.input_predictions["action_units"][requests.rows], units, true)
    errors = (units - true).abs()
    by_unit = {f"AU{unit.number}": errors[:, list(action_unit_columns(unit.number))].mean(1) for unit in ACTION_UNITS}
    return {
        "cosine": change.cosine,
        "ratio": change.ratio,
        "au_direction_accuracy": torch.where(change.should_move, change.correct().double(), torch.nan),
        "au_error": action_unit_error(units, true),
        "measured_intensity": measured_intensity(ground_truth, requests, units),
        **{f"au_error_{unit}": error for unit, error in by_unit.items()},
    }


def _landmark_columns(ground_truth: GroundTruth, requests: EditRequests, landmarks: Tensor) -> dict[str, Tensor]:
    true = ground_truth.predictions["landmarks"][requests.full_index]
    parts = {f"landmark_error_{name}": landmark_error(landmarks, true, part) for name, part in PARTS.items()}
    return {"landmark_error": landmark_error(landmarks, true)} | parts


def _mse(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean((1, 2, 3))


def _names(emotions: Tensor) -> list[str]:
    return [EMOTIONS[i] for i in emotions.tolist()]


def _frame(columns: Mapping[str, object]) -> pd.DataFrame:
    """Tensors and lists as a table; numbers in double precision, so that they survive a round trip through a file."""
    values = {
        name: (value.double() if value.is_floating_point() else value).numpy() if isinstance(value, Tensor) else value
        for name, value in columns.items()
    }
    return pd.DataFrame(values)
