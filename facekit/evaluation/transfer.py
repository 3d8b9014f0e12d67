"""Does a face take over the expression of a driver's landmarks, and nothing else of the driver?

Every held-out drawn person gets the expression of the next one. The ground truth is the same person with the driver's
action units. The expression of the driver is drawn twice: a second driver, yet another person, has the same action
units, so that one sees what of the drivers besides their expression is in the results.

A generator of landmark transfer says which landmarks it wants (`target`), which are compared with the true ones. Two
baselines stand beside it: the landmarks of the face as they are, and those of the driver, moved and scaled so that the
eyes are where the face's are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.synthetic import SyntheticFaces
from facekit.evaluation.benchmark.benchmarks import FACES, CannotEvaluate
from facekit.evaluation.judges import IdentityJudge, LandmarkJudge
from facekit.evaluation.metrics.identity import acceptance_threshold, cosine, pair_similarities
from facekit.evaluation.metrics.sharpness import sharpness
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.faces.landmarks import EyeFrame, normalised_offsets
from facekit.models.gans.landmark_transfer import LandmarkTransfer
from facekit.models.system import Generator

_BATCH = 128
_OTHERS = 256  # further people, on whom the verification threshold is measured
_FALSE_ACCEPT_RATE = 0.01

OWN, DRIVER = "landmarks of the face as they are", "landmarks of the driver as they are"
"""The baselines of predicted landmarks."""


@dataclass(frozen=True)
class TransferBenchmark:
    """N faces, their drivers, and the ground truth.

    faces     the inputs, with their landmarks
    driver    (N, 68, 2) landmarks of other people, who show the wanted expressions
    second    (N, 68, 2) landmarks of yet others, who show the same expressions
    truth     the inputs with these expressions, with landmarks
    others    two faces each of further people
    """

    faces: Faces
    driver: Tensor
    second: Tensor
    truth: Faces
    others: Faces


def transfer_benchmark(faces: int = FACES, size: int = 64, channels: int = 3, split: str = "test") -> TransferBenchmark:
    """The benchmark on one face each of held-out drawn people. Half of the drivers show random action units.

    size, channels  of the images, as the generator takes them
    split           "test", or "valid" while hyperparameters are still being chosen

    Raises `CannotEvaluate` for fewer than three faces.
    """
    if faces < 3:
        raise CannotEvaluate(f"a face, a driver and a second driver are three people, and {faces} are asked for")
    look = {"size": size, "channels": channels}
    dataset = SyntheticFaces(split, people=faces, faces_per_person=1, free_units=0.5, one_sided=0.33, **look)
    others = SyntheticFaces(split, people=_OTHERS, first_person=faces, faces_per_person=2, **look)
    every = torch.arange(faces)
    inputs = dataset.faces(every)
    wanted = Expression(action_units=inputs.action_units.roll(-1, 0))
    return TransferBenchmark(
        faces=inputs,
        driver=inputs.landmarks.roll(-1, 0),
        second=dataset.counterfactual(every.roll(-2), wanted).landmarks,
        truth=dataset.counterfactual(every, wanted),
        others=others.faces(range(len(others))),
    )


@dataclass(frozen=True)
class TransferScores:
    """What `evaluate_transfer` measures. A number that a row does not have is NaN.

    predicted_nme   NME of the wanted landmarks: mean distance from the true ones, in interocular distances
    rendered_nme    NME of the landmarks that a judge finds in the result
    relative_error  squared error to the ground truth by that of the unedited input
    sharpness       Laplacian energy of the changed region by that of the ground truth
    identity        share of results that a recogniser accepts as the input's person, at a false accept rate of 1 %
    drivers         mean squared difference between the results of two drivers with the same expression, relative to
                    that between the results of drivers with different expressions
    """

    predicted_nme: float = float("nan")
    rendered_nme: float = float("nan")
    relative_error: float = float("nan")
    sharpness: float = float("nan")
    identity: float = float("nan")
    drivers: float = float("nan")


def evaluate_transfer(
    generators: dict[str, Generator], benchmark: TransferBenchmark, landmarks: LandmarkJudge, identity: IdentityJudge
) -> dict[str, TransferScores]:
    """The scores of generators by name, and of the baselines and the ground truth.

    A generator is measured twice: given the true landmarks of its inputs, as `source`, and with those that its own
    estimator finds. Raises `CannotEvaluate` for one that does not understand landmarks.
    """
    for name, generator in generators.items():
        if not isinstance(generator, LandmarkTransfer):
            raise CannotEvaluate(f"{name} is no generator of landmark transfer: name one, such as landmark_transfer")
    inputs, truth = benchmark.faces, benchmark.truth
    driver = EyeFrame.of(inputs.landmarks).to_image(EyeFrame.of(benchmark.driver).to_frame(benchmark.driver))
    rows = {
        "ground truth": _scores(truth.images, benchmark, landmarks, identity),
        OWN: TransferScores(predicted_nme=_nme(inputs.landmarks, truth.landmarks)),
        DRIVER: TransferScores(predicted_nme=_nme(driver, truth.landmarks)),
    }
    for name, generator in generators.items():
        rows[name] = _of_generator(generator, benchmark, landmarks, identity, Expression(landmarks=inputs.landmarks))
        rows[f"{name}, own landmarks estimated"] = _of_generator(generator, benchmark, landmarks, identity, None)
    return rows


def _of_generator(
    generator: LandmarkTransfer,
    benchmark: TransferBenchmark,
    landmarks: LandmarkJudge,
    identity: IdentityJudge,
    source: Expression | None,
) -> TransferScores:
    inputs = Faces(benchmark.faces.images)  # without annotations
    parts = torch.arange(len(inputs)).split(_BATCH)

    def edits(driver: Tensor) -> Tensor:
        wanted = Expression(landmarks=driver)
        return torch.cat([generator.edit(inputs[p], wanted[p], source=source and source[p]) for p in parts])

    first, second = edits(benchmark.driver), edits(benchmark.second)
    wanted = generator.target(inputs, Expression(landmarks=benchmark.driver), source)[1].cpu()
    other = edits(benchmark.driver.roll(1, 0))
    return _scores(
        first,
        benchmark,
        landmarks,
        identity,
        predicted_nme=_nme(wanted, benchmark.truth.landmarks),
        drivers=((first - second).square().mean() / (first - other).square().mean()).item(),
    )


def _scores(
    results: Tensor, benchmark: TransferBenchmark, landmarks: LandmarkJudge, identity: IdentityJudge, **known: float
) -> TransferScores:
    inputs, truth = benchmark.faces.images, benchmark.truth
    others = benchmark.others
    _, impostor = pair_similarities(identity.embed(others), others.person, differing=others.emotion)
    threshold = acceptance_threshold(impostor, _FALSE_ACCEPT_RATE)
    similarity = cosine(identity.embed(Faces(results)), identity.embed(Faces(inputs)))
    return TransferScores(
        rendered_nme=_nme(landmarks.landmarks(Faces(results)), truth.landmarks),
        relative_error=((results - truth.images).square().mean() / (inputs - truth.images).square().mean()).item(),
        sharpness=sharpness(results, truth.images, inputs),
        identity=(similarity > threshold).float().mean().item(),
        **known,
    )


def _nme(landmarks: Tensor, true: Tensor) -> float:
    return normalised_offsets(landmarks, true).norm(dim=-1).mean().item()
