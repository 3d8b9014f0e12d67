"""What every generator is asked: the faces, the expressions, and where it is known, the true answer."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from facekit.datasets.base import FaceDataset, open_dataset
from facekit.datasets.sources import EmptySplit
from facekit.datasets.synthetic import RENDERER_VERSION, SyntheticFaces
from facekit.diffusion.noise import Seeds
from facekit.faces.emotions import NEUTRAL, PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, to_uint8

FACES = 256
"""Drawn faces of an exam unless asked otherwise, each of another person."""

PHOTOGRAPHS = 512
"""Photographed faces of an exam unless asked otherwise."""

SWEPT = 64
"""Faces, the first of the exam, that are asked for every level of an emotion."""

LEVELS = tuple(i / 8 for i in range(9))
"""Intensities of the sweep: nine from 0, where any emotion is a face at rest, to 1."""

_OTHERS = 256  # further people, on whom the threshold of verification is measured
_KINDS = len(PROTOCOL_EMOTIONS)


class CannotEvaluate(ValueError):
    """A generator that the protocol cannot measure. The message says why and what to do."""


class Editor(Protocol):
    """What the protocol needs of a generator. Every `facekit.models.system.Generator` is one.

    name        to be written in the table
    understands parts of an `Expression` that count
    """

    name: str
    understands: Collection[str]

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """See `facekit.models.system.Generator.edit`."""
        ...


@dataclass(frozen=True)
class Benchmark:
    """Faces to edit, with their true answers where these are known.

    name      of the folder that its results lie in
    config    all that decides its pictures, as JSON knows it
    faces     the inputs, one a person, with emotion and, where it is known, intensity
    others    faces of other people; of drawn ones, several of each with different emotions
    training  the faces that generators learn from; None where a dataset is for measuring alone
    truth     rows (N,) of `faces` and an expression of N rows to the true pictures (N, C, H, W), in 8 bits; None of
              photographs but those of `pairs_benchmark`, as nobody knows it
    kinds     the emotions that every face is asked for, as places in `PROTOCOL_EMOTIONS`, in rising order
    domain    one of `DOMAINS` that answers are asked in, of generators that know it; None: none is asked for
    """

    name: str
    config: Mapping[str, object]
    faces: Faces
    others: Faces
    training: FaceDataset | None
    truth: Callable[[Tensor, Expression], Tensor] | None
    kinds: Sequence[int] = tuple(range(_KINDS))
    domain: str | None = None


@dataclass(frozen=True)
class EditRequests:
    """Which faces are to show what: rows (N,) of an exam's faces, emotions (N,) and levels (N,) asked for; and the
    exam's `kinds`."""

    rows: Tensor
    target: Tensor
    level: Tensor
    kinds: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index) -> EditRequests:
        return EditRequests(self.rows[index], self.target[index], self.level[index], self.kinds)

    @property
    def expression(self) -> Expression:
        """What is asked for, one row a question."""
        return Expression.from_labels(self.target, self.level)

    @property
    def answers(self) -> Tensor:
        """The place (N,) among `full_requests` of each face's full display of the asked emotion."""
        return self._places(self.target)

    @property
    def rest(self) -> Tensor:
        """The place (N,) there of each face at rest."""
        return self._places(torch.full_like(self.target, NEUTRAL))

    def _places(self, emotions: Tensor) -> Tensor:
        return self.rows * len(self.kinds) + torch.searchsorted(torch.tensor(self.kinds), emotions.contiguous())


def full_requests(benchmark: Benchmark) -> EditRequests:
    """Each face to each of the exam's emotions at full intensity, face by face."""
    n = len(benchmark.faces)
    rows, target = torch.arange(n).repeat_interleave(len(benchmark.kinds)), torch.tensor(benchmark.kinds).repeat(n)
    return EditRequests(rows, target, torch.ones(len(rows)), benchmark.kinds)


def self_requests(benchmark: Benchmark) -> EditRequests:
    """Each face to what it shows already, as strongly as it shows it."""
    level = torch.ones(len(benchmark.faces)) if benchmark.faces.intensity is None else benchmark.faces.intensity
    return EditRequests(torch.arange(len(benchmark.faces)), benchmark.faces.emotion, level, benchmark.kinds)


def sweep_requests(benchmark: Benchmark) -> EditRequests:
    """The first `SWEPT` faces to each emotion but neutral at each of `LEVELS`."""
    emotions = [i for i in benchmark.kinds if i != NEUTRAL]
    rows, target, step = torch.cartesian_prod(
        torch.arange(min(SWEPT, len(benchmark.faces))), torch.tensor(emotions), torch.arange(len(LEVELS))
    ).unbind(1)
    return EditRequests(rows, target, torch.tensor(LEVELS)[step], benchmark.kinds)


def synthetic_benchmark(
    faces: int = FACES,
    size: int = 64,
    channels: int = 3,
    split: str = "test",
    emotions: Sequence[str] = PROTOCOL_EMOTIONS,
    domain: str = "photo",
    towards: str | None = None,
) -> Benchmark:
    """The exam on drawn faces: held-out people, their own emotions in turn, so that all occur alike.

    faces           how many people, one face each
    size, channels  of the pictures, as the generator takes them
    split           "test", or "valid" for whoever still chooses between settings
    emotions        that faces show and are asked for, some of `PROTOCOL_EMOTIONS`, for generators that know no others
    domain          one of `DOMAINS` that the faces are of
    towards         the domain that answers are asked in; None: the faces' own, which goes without saying
    """
    look = {"size": size, "channels": channels, "faces_per_person": _KINDS}
    dataset = SyntheticFaces(split, people=faces + _OTHERS, domain=domain, **look)
    kinds = _kinds(emotions)
    # Every person shows every emotion once: the i-th person is taken with the i-th of those asked for.
    shown = dataset.labels.view(-1, _KINDS)
    wanted = torch.tensor(kinds)[torch.arange(len(shown)) % len(kinds)][:, None]
    index = (shown == wanted).nonzero()[:, 1] + torch.arange(len(shown)) * _KINDS
    second = index // _KINDS * _KINDS + (index + 1) % _KINDS  # the same person with another emotion
    own, others = index[:faces], torch.cat([index[faces:], second[faces:]])
    inputs = dataset.faces(own)
    goal = towards or domain
    return Benchmark(
        name=_name(dataset, faces, kinds) + ("" if (domain, goal) == ("photo", "photo") else f"-{domain}-to-{goal}"),
        config=_config(dataset, inputs) | {"renderer": RENDERER_VERSION} | ({"towards": towards} if towards else {}),
        faces=inputs,
        others=dataset.faces(others),
        training=SyntheticFaces("train", domain=goal, **look),
        truth=lambda rows, expression: dataset.counterfactual(own[rows], expression.with_domain(goal)).images,
        kinds=kinds,
        domain=towards,
    )


def photograph_benchmark(
    data: str,
    faces: int = PHOTOGRAPHS,
    size: int = 48,
    channels: int = 1,
    split: str = "test",
    emotions: Sequence[str] = PROTOCOL_EMOTIONS,
) -> Benchmark:
    """The exam on photographs: labelled faces of a dataset, drawn by chance but always the same ones.

    data      key in `facekit.datasets.base.DATASETS`
    otherwise as `synthetic_benchmark`

    Pictures of which it is not known who they show count as one person each. Raises `DatasetMissing` where the dataset
    is not there, and `CannotEvaluate` where it holds fewer labelled people.
    """
    dataset, kinds = open_dataset(data, split, size=size, channels=channels), _kinds(emotions)
    persons = torch.arange(len(dataset)) if dataset.persons is None else dataset.persons
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))
    order = order[torch.isin(dataset.labels[order], torch.tensor(kinds))]
    first = torch.from_numpy(np.unique(persons[order].numpy(), return_index=True)[1]).sort().values
    own, others = order[first[:faces]], order[first[faces:][:PHOTOGRAPHS]]  # one face a person
    if len(own) < faces or len(others) < 2:
        raise CannotEvaluate(
            f"{data} holds {len(first)} people with labels in its {split} split, and {faces} with some others are "
            "needed: ask for fewer by --faces"
        )
    inputs, held_out = (dataclasses.replace(dataset.faces(index), person=persons[index]) for index in (own, others))
    return Benchmark(
        name=_name(dataset, faces, kinds),
        config=_config(dataset, inputs),
        faces=inputs,
        others=held_out,
        training=_training(data, size, channels),
        truth=None,
        kinds=kinds,
    )


def pairs_benchmark(faces: int | None = None, size: int = 64, channels: int = 1) -> Benchmark:
    """The exam on real people with a true answer: each is shown at rest or smiling, in turn, and asked for both.

    faces           how many people; by default two thirds of them. On the others the threshold of verification is
                    measured
    size, channels  of the pictures, as the generator takes them

    The answer is another photograph of the same person, taken at another moment: head and light have moved too, so
    that no generator comes as near to it as to a drawn one, and a copy is hard to beat in pixels. Raises
    `DatasetMissing` where the pairs are not there, and `CannotEvaluate` where there are fewer people.
    """
    dataset = open_dataset("pairs", "test", size=size, channels=channels)
    people = len(dataset) // 2
    faces = faces or 2 * people // 3
    if not 2 <= faces <= people - 2:
        raise CannotEvaluate(
            f"pairs holds {people} people, and {faces} with two others at least are needed: ask for fewer by --faces"
        )
    smile = PROTOCOL_EMOTIONS.index("happy")
    inputs = dataset.faces([2 * i + i % 2 for i in range(faces)])
    return Benchmark(
        name=_name(dataset, faces),
        config=_config(dataset, inputs),
        faces=inputs,
        others=dataset.faces(range(2 * faces, len(dataset))),
        training=None,
        truth=lambda rows, target: dataset.faces(2 * rows + (target.emotion.argmax(1) == smile)).images,
        kinds=tuple(sorted((smile, NEUTRAL))),
    )


def _training(data: str, size: int, channels: int) -> FaceDataset | None:
    try:
        return open_dataset(data, "train", size=size, channels=channels)
    except EmptySplit:
        return None


def _kinds(emotions: Sequence[str]) -> tuple[int, ...]:
    """Places in `PROTOCOL_EMOTIONS`, in rising order; raises `CannotEvaluate` for what is no exam's."""
    others = set(emotions) - {"neutral"}
    if not others or others == set(emotions) or others - set(PROTOCOL_EMOTIONS):
        raise CannotEvaluate(
            f"an exam asks for neutral, which strengths are measured from, and for others of "
            f"{', '.join(PROTOCOL_EMOTIONS)}; named were {', '.join(emotions)}"
        )
    return tuple(i for i, name in enumerate(PROTOCOL_EMOTIONS) if name in emotions)


def _name(dataset: FaceDataset, faces: int, kinds: Sequence[int] = range(_KINDS)) -> str:
    """Of an exam's folder."""
    grey, held_out = "-grey" if dataset.channels == 1 else "", "" if dataset.split == "test" else f"-{dataset.split}"
    target = "" if len(kinds) == _KINDS else "".join(f"-{PROTOCOL_EMOTIONS[i]}" for i in kinds)
    return f"{dataset.name}{held_out}-{dataset.size}px{grey}-{faces}{target}"


def _config(dataset: FaceDataset, inputs: Faces) -> dict[str, object]:
    """What decides an exam's pictures."""
    return {
        "data": dataset.name,
        "split": dataset.split,
        "faces": len(inputs),
        "size": dataset.size,
        "channels": dataset.channels,
        # A renderer that is being worked on draws other faces before its version says so, and a dataset's files may
        # be replaced.
        "pictures": hashlib.sha256(to_uint8(inputs.images).numpy().tobytes()).hexdigest(),
    }


def adapted(expression: Expression, understands: Collection[str]) -> Expression:
    """The same expression in the parts that a generator understands: intensities as shares of neutral for one that
    knows emotions alone, action units for one that knows no emotions."""
    if "emotion" not in understands and "action_units" in understands:
        return expression.to_action_units()
    return expression if "intensity" in understands else expression.intensity_to_weights()


def answer(generator: Editor, benchmark: Benchmark, requests: EditRequests) -> Tensor:
    """What a generator makes of questions: pictures (N, C, H, W) on the CPU.

    It is told what each face shows, as a reader of labelled data would know it, and nothing else: no action units,
    landmarks or mask. A face's noise is the same whatever it is asked for.

    Raises `CannotEvaluate` where what comes back are not N pictures of the faces' size, or not finite.
    """
    faces = benchmark.faces[requests.rows]
    shown = Expression.from_labels(faces.emotion, faces.intensity)
    given = Faces(faces.images, person=faces.person, domain=faces.domain)
    target = adapted(requests.expression, generator.understands)
    if benchmark.domain is not None and "domain" in generator.understands:
        target = target.with_domain(benchmark.domain)
    edited = generator.edit(
        given,
        target,
        source=adapted(shown, generator.understands),
        seed=requests.rows.tolist(),
    ).cpu()
    if edited.shape != faces.images.shape or not edited.isfinite().all():
        finite = "" if edited.isfinite().all() else ", not all of them finite"
        raise CannotEvaluate(
            f"{generator.name} answered faces {tuple(faces.images.shape)} with {tuple(edited.shape)}{finite}"
        )
    return edited
