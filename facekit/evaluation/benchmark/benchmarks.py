"""The benchmarks: which faces are edited, which identities set the verification threshold, and the ground truth."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facekit.datasets.base import FaceDataset, open_dataset
from facekit.datasets.sources import EmptySplit
from facekit.datasets.synthetic import RENDERER_VERSION, SyntheticFaces
from facekit.faces.emotions import NEUTRAL, PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, to_uint8

VERSION = 3
"""Version of the protocol. Raise it with every change that alters results: everything is then evaluated again."""

FACES = 256
"""Default number of drawn faces in a benchmark, one per identity."""

PHOTOGRAPHS = 512
"""Default number of photographs in a benchmark."""

_REAL = 4 * PHOTOGRAPHS  # most photographs with which edits are compared in distribution

_OTHER_IDENTITIES = 256  # of drawn faces: further people, on whom the verification threshold is measured
_EMOTIONS = len(PROTOCOL_EMOTIONS)


class CannotEvaluate(ValueError):
    """A generator or a benchmark that the protocol cannot evaluate. The message gives the reason and a remedy."""


@dataclass(frozen=True)
class Benchmark:
    """Faces to edit, with ground truth where it is known.

    name           of the folder that holds its results
    config         everything that decides its images, as values that JSON can hold
    faces          (F) inputs, one per identity, with emotion and, where it is known, intensity
    load_others    gives `others`, the faces of other identities on which the verification threshold is measured; of
                   drawn people, two faces each with different emotions
    real           labelled photographs of further identities, with which edits are compared in distribution where the
                   ground truth is unknown; None where it is known
    training       the dataset that generators are trained on; None if there is no training split
    ground_truth   counterfactual images (N, C, H, W), rounded to 8 bits, for row indices (N,) of `faces` and an
                   expression of N rows; None if unknown, as for all photographs but those of `pairs_benchmark`
    emotions       the target emotions, as indices into `PROTOCOL_EMOTIONS` in ascending order
    target_domain  one of `DOMAINS`, passed to generators that understand domains; None: no domain is passed
    """

    name: str
    config: Mapping[str, object]
    faces: Faces
    load_others: Callable[[], Faces]
    training: FaceDataset | None
    ground_truth: Callable[[Tensor, Expression], Tensor] | None
    real: Faces | None = None
    emotions: Sequence[int] = tuple(range(_EMOTIONS))
    target_domain: str | None = None

    @functools.cached_property
    def others(self) -> Faces:
        """Rendered or read when they are needed: `GroundTruth.cached` mostly knows the threshold."""
        return self.load_others()


def synthetic_benchmark(
    faces: int = FACES,
    size: int = 64,
    channels: int = 3,
    split: str = "test",
    emotions: Sequence[str] = PROTOCOL_EMOTIONS,
    domain: str = "photo",
    target_domain: str | None = None,
    first_person: int = 0,
) -> Benchmark:
    """The benchmark on drawn faces: held-out identities, with ground truth for every target.

    faces           number of identities, one face each; their emotions take turns, so that all are equally frequent
    size, channels  of the images, as the generator takes them
    split           "test", or "valid" while hyperparameters are still being chosen
    emotions        the emotions of inputs and targets, some of `PROTOCOL_EMOTIONS`
    domain          one of `DOMAINS`, that of the inputs
    target_domain   the domain of the targets; None: that of the inputs, which is then not passed to generators
    first_person    number of the first identity within the split

    Raises `CannotEvaluate` if `emotions` lacks neutral, or has no other emotion of the protocol.
    """
    look = {"size": size, "channels": channels, "faces_per_person": _EMOTIONS}
    people = {"people": faces + _OTHER_IDENTITIES, "first_person": first_person}
    dataset = SyntheticFaces(split, domain=domain, **people, **look)
    indices = _emotion_indices(emotions)
    own, others = _one_face_each(dataset.labels, indices, faces)
    inputs = dataset.faces(own)
    goal = target_domain or domain
    suffix = "" if (domain, goal) == ("photo", "photo") else f"-{domain}-to-{goal}"
    suffix += "-other-people" if first_person else ""
    config = _config(dataset, inputs) | {"renderer": RENDERER_VERSION}
    return Benchmark(
        name=_name(dataset, faces, indices) + suffix,
        config=config | ({"target_domain": target_domain} if target_domain else {}),
        faces=inputs,
        load_others=lambda: dataset.faces(others),
        training=SyntheticFaces("train", domain=goal, **look),
        ground_truth=lambda rows, expression: dataset.counterfactual(own[rows], expression.with_domain(goal)).images,
        emotions=indices,
        target_domain=target_domain,
    )


def _one_face_each(labels: Tensor, emotions: Sequence[int], faces: int) -> tuple[Tensor, Tensor]:
    """Indices of the inputs (F,), and of two faces with different emotions for each other identity.

    Every identity has one face per emotion of the protocol. The i-th is taken with the i-th of the emotions, in turn.
    """
    shown = labels.view(-1, _EMOTIONS)
    wanted = torch.tensor(emotions)[torch.arange(len(shown)) % len(emotions)][:, None]
    first = (shown == wanted).nonzero()[:, 1] + torch.arange(len(shown)) * _EMOTIONS
    second = first // _EMOTIONS * _EMOTIONS + (first + 1) % _EMOTIONS  # the same person with another emotion
    return first[:faces], torch.cat([first[faces:], second[faces:]])


def photograph_benchmark(
    data: str,
    faces: int = PHOTOGRAPHS,
    size: int = 48,
    channels: int = 1,
    split: str = "test",
    emotions: Sequence[str] = PROTOCOL_EMOTIONS,
) -> Benchmark:
    """The benchmark on photographs: a fixed random sample of a dataset's labelled faces, without ground truth.

    data      key in `facekit.datasets.base.DATASETS`
    otherwise as `synthetic_benchmark`

    Photographs without an identity label count as one identity each. Raises `DatasetMissing` if the dataset is not
    there, and `CannotEvaluate` if it has too few labelled identities.
    """
    dataset, indices = open_dataset(data, split, size=size, channels=channels), _emotion_indices(emotions)
    persons = torch.arange(len(dataset)) if dataset.persons is None else dataset.persons
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))
    order = order[torch.isin(dataset.labels[order], torch.tensor(indices))]
    first = torch.from_numpy(np.unique(persons[order].numpy(), return_index=True)[1]).sort().values
    own, others = order[first[:faces]], order[first[faces:][:PHOTOGRAPHS]]  # one face per identity
    real = order[first[faces + PHOTOGRAPHS :][:_REAL]]
    real = real if len(real) >= len(others) else others  # a small dataset has too few faces for both
    if len(own) < faces or len(others) < 2:
        raise CannotEvaluate(
            f"{data} has {len(first)} identities with labels in its {split} split. The benchmark needs {faces} and at "
            "least two others: set a smaller number with --faces"
        )

    def faces_at(index: Tensor) -> Faces:
        return dataclasses.replace(dataset.faces(index), person=persons[index])

    inputs = faces_at(own)
    return Benchmark(
        name=_name(dataset, faces, indices),
        config=_config(dataset, inputs),
        faces=inputs,
        load_others=lambda: faces_at(others),
        training=_training(data, size, channels),
        ground_truth=None,
        real=faces_at(real),
        emotions=indices,
    )


def pairs_benchmark(faces: int | None = None, size: int = 64, channels: int = 1) -> Benchmark:
    """The benchmark on photographs with ground truth: inputs are neutral or smiling, in turn; targets are both.

    faces           number of identities, by default two thirds of them; the others set the verification threshold
    size, channels  of the images, as the generator takes them

    The ground truth is another photograph of the same person. Head pose and light differ between the two, so that
    errors are larger than for drawn faces, and the no-op baseline is hard to beat in pixels. Raises `DatasetMissing`
    if the pairs are not there, and `CannotEvaluate` if there are too few identities.
    """
    dataset = open_dataset("pairs", "test", size=size, channels=channels)
    people = len(dataset) // 2
    faces = faces or 2 * people // 3
    if not 2 <= faces <= people - 2:
        raise CannotEvaluate(
            f"pairs has {people} identities. The benchmark needs {faces} and at least two others: set a smaller number "
            "with --faces"
        )
    smile = PROTOCOL_EMOTIONS.index("happy")
    inputs = dataset.faces([2 * i + i % 2 for i in range(faces)])
    return Benchmark(
        name=_name(dataset, faces),
        config=_config(dataset, inputs),
        faces=inputs,
        load_others=lambda: dataset.faces(range(2 * faces, len(dataset))),
        training=None,
        ground_truth=lambda rows, target: dataset.faces(2 * rows + (target.emotion.argmax(1) == smile)).images,
        emotions=tuple(sorted((smile, NEUTRAL))),
    )


def _training(data: str, size: int, channels: int) -> FaceDataset | None:
    try:
        return open_dataset(data, "train", size=size, channels=channels)
    except EmptySplit:
        return None


def _emotion_indices(emotions: Sequence[str]) -> tuple[int, ...]:
    """Indices into `PROTOCOL_EMOTIONS`, ascending; raises `CannotEvaluate` for a set that no benchmark can use."""
    others = set(emotions) - {"neutral"}
    if not others or others == set(emotions) or others - set(PROTOCOL_EMOTIONS):
        raise CannotEvaluate(
            f"a benchmark needs neutral, the reference of every intensity, and at least one other emotion of "
            f"{', '.join(PROTOCOL_EMOTIONS)}; got {', '.join(emotions)}"
        )
    return tuple(i for i, name in enumerate(PROTOCOL_EMOTIONS) if name in emotions)


def _name(dataset: FaceDataset, faces: int, emotions: Sequence[int] = range(_EMOTIONS)) -> str:
    """The name of a benchmark's folder."""
    grey, held_out = "-grey" if dataset.channels == 1 else "", "" if dataset.split == "test" else f"-{dataset.split}"
    named = "" if len(emotions) == _EMOTIONS else "".join(f"-{PROTOCOL_EMOTIONS[i]}" for i in emotions)
    return f"{dataset.name}{held_out}-{dataset.size}px{grey}-{faces}{named}"


def _config(dataset: FaceDataset, inputs: Faces) -> dict[str, object]:
    """Everything that decides a benchmark's images."""
    return {
        "data": dataset.name,
        "split": dataset.split,
        "faces": len(inputs),
        "size": dataset.size,
        "channels": dataset.channels,
        # A renderer under development may draw other faces under the same version, and a dataset's files may be
        # replaced: the digest notices both.
        "images": hashlib.sha256(to_uint8(inputs.images).numpy().tobytes()).hexdigest(),
    }
