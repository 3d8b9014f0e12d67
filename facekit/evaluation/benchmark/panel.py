"""Who judges, and what they say of pictures: E2, the identity network and the action-unit regressor, and outsiders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from facekit.evaluation.benchmark.benchmarks import Benchmark, CannotEvaluate, Editor, full_requests
from facekit.evaluation.external import EXTERNAL_JUDGES
from facekit.evaluation.judges import ActionUnitJudge, EmotionJudge, IdentityJudge, Judge, Recogniser, may_judge
from facekit.evaluation.metrics.identity import OvalRecogniser, acceptance_threshold, pair_similarities
from facekit.faces.faces import Faces, from_uint8, to_uint8
from facekit.models.load import load_system
from facekit.weights.store import WeightsCard, WeightsError, available_weights, read_card
from facekit.workspace.files import atomic_path
from facekit.workspace.hardware import fastest_device

Reading = dict[str, Tensor]
"""What judges say of N pictures, by what and who: `emotion NAME` (N,), `identity NAME` (N, D), `features` (N, D) of the
first emotion judge and, where somebody measures them, `action_units` (N, A)."""

FALSE_ACCEPTS = 0.01


@dataclass(frozen=True)
class Panel:
    """The judges. The first of each kind gives the headline; the others stand beside it.

    emotion       the first is one of the suite's own, whose features FID is taken over
    identity      of drawn faces, the first is one of the suite's own, in whose maps pictures are compared; of
                  photographs, outsiders alone, if any: ours does not know photographed people apart
    action_units  the one that measures movement, of drawn faces
    """

    emotion: Sequence[Judge]
    identity: Sequence[Recogniser]
    action_units: ActionUnitJudge | None

    @classmethod
    def load(cls, outside: Path | None = None, *, photographs: bool = False) -> Panel:
        """The judges that ship, and those in a folder of outside judges (see `EXTERNAL_JUDGES`), where it is given.
        Ours compute on the GPU, where there is one.

        photographs  judges of these, in place of those of drawn faces

        Raises `FileNotFoundError` for a judge that the folder does not hold.
        """

        def ours(kind: type, name: str):
            return kind(load_system(name).to(fastest_device()), name)

        def outsiders(kind: str) -> list:
            if outside is None:
                return []
            file, judge, options = EXTERNAL_JUDGES[kind]
            return [judge(outside / file, **options)]

        if photographs:
            return cls(
                emotion=[ours(EmotionJudge, "emotion_resnet-fer2013"), *outsiders("emotion")],
                identity=[OvalRecogniser(judge) for judge in outsiders("identity")],
                action_units=None,
            )
        return cls(
            emotion=[ours(EmotionJudge, "emotion_resnet-synthetic"), *outsiders("emotion")],
            identity=[ours(IdentityJudge, "identity-synthetic"), *outsiders("identity")],
            action_units=ours(ActionUnitJudge, "action_units-synthetic"),
        )

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each judge's weights, by its name."""
        return {judge.name: judge.sha256 for judge in self._all()}

    def _all(self) -> list:
        return [*self.emotion, *self.identity, *filter(None, [self.action_units])]

    def read_units(self, images: Tensor) -> Tensor:
        """Action units (N, A) of pictures (N, C, H, W)."""
        return self.action_units.action_units(Faces(images))

    def read(self, images: Tensor) -> Reading:
        """What all judges say of pictures (N, C, H, W)."""
        faces = Faces(images)
        said = {f"emotion {judge.name}": judge.probabilities(faces).argmax(1) for judge in self.emotion}
        said |= {f"identity {judge.name}": judge.embed(faces) for judge in self.identity}
        said["features"] = self.emotion[0].features(faces)
        return said | ({"action_units": self.read_units(images)} if self.action_units else {})

    def thresholds(self, others: Faces) -> dict[str, float]:
        """The cosine above which each identity judge takes two faces for one person, by its name: at 1 % false
        accepts among people none of whom is edited, with different emotions in every pair, as in an edit."""
        found = {}
        for judge in self.identity:
            _, impostor = pair_similarities(judge.embed(others), others.person, across=others.emotion)
            found[judge.name] = acceptance_threshold(impostor, FALSE_ACCEPTS)
        return found

    def check_impartial(self, generator: Editor) -> None:
        """Raise `CannotEvaluate` where a generator was made with the help of one of these judges, by its card."""
        card: WeightsCard | None = getattr(generator, "card", None)
        if card is None:
            return
        for judge in self._all():
            if not may_judge(judge, card, _known_cards()):
                others = ", ".join({**card.requires, **card.started_from})
                raise CannotEvaluate(
                    f"{generator.name} was made with {others}, which leads to {judge.name}: what a "
                    f"generator was made with cannot judge it. Train the generator without it; E1 may guide"
                )


def _known_cards() -> list[WeightsCard]:
    cards = []
    for path in available_weights().values():
        try:
            cards.append(read_card(path))
        except WeightsError:  # weights without a card of this version stand under nothing that loads
            continue
    return cards


@dataclass(frozen=True)
class GroundTruth:
    """The true answers to an exam, and what the judges say of them and of the inputs.

    images      (F * 7, C, H, W) true pictures, as `full_requests`; None where nobody knows them
    truth       what the judges say of these; of no pictures, nothing
    source      what they say of the F inputs
    thresholds  of `Panel.thresholds`
    """

    images: Tensor | None
    truth: Reading
    source: Reading
    thresholds: Mapping[str, float]

    @classmethod
    def make(cls, benchmark: Benchmark, panel: Panel) -> GroundTruth:
        """Draw and read everything."""
        source, thresholds = panel.read(benchmark.faces.images), panel.thresholds(benchmark.others)
        if benchmark.truth is None:
            return cls(None, {}, source, thresholds)
        requests = full_requests(benchmark)
        parts = torch.arange(len(requests)).split(256)
        images = torch.cat([benchmark.truth(requests.rows[part], requests[part].expression) for part in parts])
        return cls(images, panel.read(images), source, thresholds)

    @classmethod
    def cached(cls, benchmark: Benchmark, panel: Panel, path: Path) -> GroundTruth:
        """The key from a file, or made and written there where the file is none of this exam and these judges."""
        depends_on = json.dumps({"exam": dict(benchmark.config), "judges": panel.digests}, sort_keys=True)
        if path.is_file() and (known := cls._read(path, depends_on)):
            return known
        key = cls.make(benchmark, panel)
        key._write(path, depends_on)
        return key

    @classmethod
    def _read(cls, path: Path, depends_on: str) -> GroundTruth | None:
        with safetensors.safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("depends_on") != depends_on:
                return None
            parts: dict[str, dict[str, Tensor]] = {"images": {}, "truth": {}, "source": {}, "threshold": {}}
            for name in file.keys():  # noqa: SIM118 - safetensors' file is no dictionary
                part, _, rest = name.partition("/")
                parts[part][rest] = file.get_tensor(name)
        thresholds = {name: value.item() for name, value in parts["threshold"].items()}
        images = from_uint8(parts["images"][""]) if parts["images"] else None
        return cls(images, parts["truth"], parts["source"], thresholds)

    def _write(self, path: Path, depends_on: str) -> None:
        tensors = {} if self.images is None else {"images/": to_uint8(self.images)}
        tensors |= {f"truth/{name}": value.contiguous() for name, value in self.truth.items()}
        tensors |= {f"source/{name}": value.contiguous() for name, value in self.source.items()}
        tensors |= {f"threshold/{name}": torch.tensor(v, dtype=torch.float64) for name, v in self.thresholds.items()}
        with atomic_path(path) as draft:
            safetensors.torch.save_file(tensors, draft, metadata={"depends_on": depends_on})
