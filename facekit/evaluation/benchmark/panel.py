"""The panel of judges and its predictions: the suite's own networks (E2, identity, E7) and external ones."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from facekit.datasets.cache import cache_home
from facekit.evaluation.benchmark.benchmarks import VERSION, Benchmark, CannotEvaluate
from facekit.evaluation.benchmark.requests import Editor, full_requests
from facekit.evaluation.external import EXTERNAL_JUDGES, OnnxLandmarkJudge
from facekit.evaluation.judges import (
    ActionUnitJudge,
    EmotionJudge,
    IdentityJudge,
    Judge,
    LandmarkJudge,
    Recogniser,
    is_independent,
)
from facekit.evaluation.metrics.identity import OvalRecogniser, acceptance_threshold, pair_similarities
from facekit.faces.faces import Faces, from_uint8, to_uint8
from facekit.models.load import load_system
from facekit.weights.store import WeightsCard, WeightsError, available_weights, read_card
from facekit.workspace.files import atomic_path
from facekit.workspace.hardware import fastest_device

Predictions = dict[str, Tensor]
"""The judges' predictions for N images: `emotion NAME` (N,) and `identity NAME` (N, D) by the judge's name, `features`
(N, D) of the first emotion judge, and `action_units` (N, A) if the panel has a judge of them. Those of `GroundTruth`
have `landmarks` (N, 68, 2) too, likewise."""

FALSE_ACCEPT_RATE = 0.01
"""Share of impostor pairs that the verification threshold accepts."""


@dataclass(frozen=True)
class Panel:
    """The judges. The first of each kind gives the headline number; the others are reported beside it.

    emotion       the first is one of the suite's own; FID uses its features
    identity      for drawn faces, the first is the suite's identity network, which also gives the feature distance; for
                  photographs, external networks only, because the suite's network is not trained on photographs
    action_units  the judge of action units, for drawn faces only
    landmarks     a judge of landmarks, for photographs an external one, which also tells frontal from turned faces
    """

    emotion: Sequence[Judge]
    identity: Sequence[Recogniser]
    action_units: ActionUnitJudge | None
    landmarks: LandmarkJudge | OnnxLandmarkJudge | None = None

    @classmethod
    def load(cls, external: Path | None = None, *, photographs: bool = False) -> Panel:
        """The judges that ship, on the GPU if there is one, and external judges.

        external     folder of external judges (see `EXTERNAL_JUDGES`)
        photographs  load the judges of photographs in place of those of drawn faces

        Raises `FileNotFoundError` for an external judge of emotion or identity that is not in the folder.
        """

        def own(kind: type, name: str):
            return kind(load_system(name).to(fastest_device()), name)

        def external_judges(kind: str, optional: bool = False) -> list:
            file, judge, options = EXTERNAL_JUDGES[kind]
            if external is None or (optional and not (external / file).is_file()):
                return []
            return [judge(external / file, **options)]

        if photographs:
            return cls(
                emotion=[own(EmotionJudge, "emotion_resnet-fer2013"), *external_judges("emotion")],
                identity=[OvalRecogniser(judge) for judge in external_judges("identity")],
                action_units=None,
                landmarks=next(iter(external_judges("landmarks", optional=True)), None),
            )
        return cls(
            emotion=[own(EmotionJudge, "emotion_resnet-synthetic"), *external_judges("emotion")],
            identity=[own(IdentityJudge, "identity-synthetic"), *external_judges("identity")],
            action_units=own(ActionUnitJudge, "action_units-synthetic"),
            landmarks=own(LandmarkJudge, "landmarks-synthetic"),
        )

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each judge's weights, by its name."""
        return {judge.name: judge.sha256 for judge in self._all()}

    def _all(self) -> list:
        return [*self.emotion, *self.identity, *filter(None, [self.action_units, self.landmarks])]

    def predict_action_units(self, images: Tensor) -> Tensor:
        """Action units (N, A) in [0, 1] of images (N, C, H, W) in [-1, 1]."""
        return self.action_units.action_units(Faces(images))

    def predict(self, images: Tensor) -> Predictions:
        """The predictions of all judges for images (N, C, H, W) in [-1, 1]."""
        faces = Faces(images)
        first, *others = self.emotion
        features, probabilities = first.features_and_probabilities(faces)
        predictions = {f"emotion {first.name}": probabilities.argmax(1), "features": features}
        predictions |= {f"emotion {judge.name}": judge.probabilities(faces).argmax(1) for judge in others}
        predictions |= {f"identity {judge.name}": judge.embed(faces) for judge in self.identity}
        if self.action_units:
            predictions["action_units"] = self.predict_action_units(images)
        return predictions

    def predict_landmarks(self, images: Tensor) -> Predictions:
        """`landmarks` (N, 68, 2) of images (N, C, H, W); empty without a judge of them."""
        return {"landmarks": self.landmarks.landmarks(Faces(images))} if self.landmarks else {}

    def thresholds(self, others: Faces) -> dict[str, float]:
        """The verification threshold of each identity judge, by its name: the cosine similarity with a false accept
        rate of 1 % among unedited faces. As in an edit, the two faces of every pair show different emotions."""
        thresholds = {}
        for judge in self.identity:
            _, impostor = pair_similarities(judge.embed(others), others.person, differing=others.emotion)
            thresholds[judge.name] = acceptance_threshold(impostor, FALSE_ACCEPT_RATE)
        return thresholds

    def check_impartial(self, generator: Editor) -> None:
        """Raise `CannotEvaluate` if one of these judges took part in a generator's training, according to its card."""
        card: WeightsCard | None = getattr(generator, "card", None)
        if card is None:
            return
        for judge in self._all():
            if not is_independent(judge, card, _known_cards()):
                dependencies = ", ".join({**card.requires, **card.started_from})
                raise CannotEvaluate(
                    f"{generator.name} depends on {dependencies}, and so on the judge {judge.name}. A network that "
                    "took part in training cannot evaluate the result: train without it, and use E1 for guidance"
                )


def _known_cards() -> list[WeightsCard]:
    cards = []
    for path in available_weights().values():
        try:
            cards.append(read_card(path))
        except WeightsError:  # nothing that loads depends on weights without a card of this version
            continue
    return cards


@dataclass(frozen=True)
class GroundTruth:
    """The ground truth of a benchmark, and the judges' predictions for it and for the inputs.

    images             (F * E, C, H, W) counterfactuals of F faces with E emotions, ordered as `full_requests`; None if
                       unknown
    predictions        the judges' predictions for `images`; empty if there are none
    input_predictions  the judges' predictions for the F inputs
    real_features      features (R, D) of the first emotion judge for the benchmark's `real` photographs; None without
    thresholds         of `Panel.thresholds`
    """

    images: Tensor | None
    predictions: Predictions
    input_predictions: Predictions
    real_features: Tensor | None
    thresholds: Mapping[str, float]

    @classmethod
    def compute(cls, benchmark: Benchmark, panel: Panel) -> GroundTruth:
        """Render or read the images, and let the panel predict."""
        inputs = benchmark.faces.images
        input_predictions = panel.predict(inputs) | panel.predict_landmarks(inputs)
        thresholds = panel.thresholds(benchmark.others)
        if benchmark.ground_truth is None:
            real_features = panel.emotion[0].features(benchmark.real)
            return cls(None, {}, input_predictions, real_features, thresholds)
        requests = full_requests(benchmark)
        parts = torch.arange(len(requests)).split(256)
        images = torch.cat([benchmark.ground_truth(requests.rows[part], requests[part].expression) for part in parts])
        predictions = panel.predict(images) | panel.predict_landmarks(images)
        return cls(images, predictions, input_predictions, None, thresholds)

    @classmethod
    def cached(cls, benchmark: Benchmark, panel: Panel, path: Path) -> GroundTruth:
        """Load from a file; compute and save there if the file is missing or of another benchmark or panel.

        It is also kept in `cache_home()`, so that the same benchmark in another folder, as of another notebook, is not
        computed again.
        """
        config = {"protocol": VERSION, "benchmark": dict(benchmark.config), "judges": panel.digests}
        depends_on = json.dumps(config, sort_keys=True)
        digest = hashlib.sha256(depends_on.encode()).hexdigest()
        shared = cache_home() / f"ground-truth-{digest[:16]}.safetensors"
        identified = all(panel.digests.values())  # a judge without weights in a file has no digest
        for file in (path, shared) if identified else (path,):
            if file.is_file() and (known := cls._read(file, depends_on)):
                if file is not path:
                    known._write(path, depends_on)
                return known
        ground_truth = cls.compute(benchmark, panel)
        ground_truth._write(path, depends_on)
        if identified:
            with contextlib.suppress(OSError):  # a cache that cannot be written
                ground_truth._write(shared, depends_on)
        return ground_truth

    @classmethod
    def _read(cls, path: Path, depends_on: str) -> GroundTruth | None:
        with safetensors.safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("depends_on") != depends_on:
                return None
            parts: dict[str, dict[str, Tensor]] = {
                part: {} for part in ("images", "predictions", "input", "real", "threshold")
            }
            for name in file.keys():  # noqa: SIM118 - a safetensors file is no dictionary
                part, _, rest = name.partition("/")
                parts[part][rest] = file.get_tensor(name)
        thresholds = {name: value.item() for name, value in parts["threshold"].items()}
        images = from_uint8(parts["images"][""]) if parts["images"] else None
        return cls(images, parts["predictions"], parts["input"], parts["real"].get("features"), thresholds)

    def _write(self, path: Path, depends_on: str) -> None:
        tensors = {} if self.images is None else {"images/": to_uint8(self.images)}
        tensors |= {f"predictions/{name}": value.contiguous() for name, value in self.predictions.items()}
        tensors |= {} if self.real_features is None else {"real/features": self.real_features.contiguous()}
        tensors |= {f"input/{name}": value.contiguous() for name, value in self.input_predictions.items()}
        tensors |= {f"threshold/{name}": torch.tensor(v, dtype=torch.float64) for name, v in self.thresholds.items()}
        with atomic_path(path) as draft:
            safetensors.torch.save_file(tensors, draft, metadata={"depends_on": depends_on})
