"""The data card of SyntheticFaces: its realism, measured by networks trained on photographs, against requirements."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

import facekit
from facekit.datasets.base import DatasetMissing, FaceDataset
from facekit.datasets.fer2013 import FER2013
from facekit.datasets.pairs import NeutralHappyPairs
from facekit.datasets.synthetic import RENDERER_VERSION, SyntheticFaces
from facekit.evaluation import realism
from facekit.evaluation.external import EXTERNAL_JUDGES
from facekit.evaluation.judges import EmotionJudge
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.faces import Faces
from facekit.workspace.files import write_json, write_text
from facekit.workspace.folders import data_home
from facekit.workspace.templates import rendered

PEOPLE, FACES_PER_PERSON, SIZE, INTENSITY = 200, 7, 64, (0.8, 1.0)
"""The synthetic faces that are measured: held-out people, each with all seven emotions, greyscale."""

_MANY_PEOPLE = 1000  # with two faces each, so that some pairs share skin tone, hair style and glasses
_APPEARANCE = ("skin_tone", "hair_style", "glasses")
_STRIDE = 3  # every third photograph is perturbed


@dataclass(frozen=True)
class Requirement:
    """A requirement on one number of the card.

    number     number of the group of requirements
    measure    name of the measure
    path       keys that lead to its value in the card
    threshold  smallest value, or largest if `at_most`
    form       format: a key of `FORMS`
    """

    number: int
    measure: str
    path: tuple[str, ...]
    threshold: float
    form: str = "percent"
    at_most: bool = False

    def check(self, card: Mapping) -> dict[str, object]:
        """The requirement with its value and whether it is met; both are None if it was not measured."""
        value = card
        for name in self.path:
            value = value and value.get(name)
        met = None if value is None else bool(value <= self.threshold if self.at_most else value >= self.threshold)
        fields = {name: getattr(self, name) for name in ("number", "measure", "threshold", "form", "at_most")}
        return {**fields, "value": value, "met": met}


_LOSS = ("robustness", "synthetic")

REQUIREMENTS = (
    Requirement(1, "emotion accuracy of a classifier of photographs", ("emotion", "synthetic", "accuracy"), 0.80),
    Requirement(1, "recall, synthetic / real, minimum of seven emotions", ("emotion", "smallest_ratio"), 0.9, "ratio"),
    Requirement(2, "accuracy loss, shift by 3 pixels, maximum of eight", (*_LOSS, "shift", "worst"), 5, "points", True),
    Requirement(2, "accuracy loss, scale ±10 %, maximum of two", (*_LOSS, "scale", "worst"), 5, "points", True),
    Requirement(2, "accuracy loss, blur with σ = 0.7 pixels", (*_LOSS, "blur", "worst"), 5, "points", True),
    Requirement(3, "landmark error (NME, interocular)", ("landmarks", "synthetic", "nme"), 0.08, "ratio", True),
    Requirement(3, "faces detected by OpenCV's cascade", ("detection", "synthetic", realism.CASCADES[0]), 0.90),
    Requirement(4, "identity verification, AUC", ("identity", "synthetic", "auc"), 0.97, "auc"),
    Requirement(4, "AUC, equal skin tone, hair and glasses", ("identity", "similar", "auc"), 0.90, "auc"),
    Requirement(5, "transfer to FER-2013, accuracy", ("transfer", "to_fer2013", "accuracy"), 0.35),
    Requirement(5, "transfer to photographs, happy or neutral, accuracy", ("transfer", "to_pairs", "accuracy"), 0.85),
    Requirement(6, "largest group gap, emotion accuracy", ("fairness", "emotion", "largest_gap"), 0.08, "gap", True),
    Requirement(6, "largest group gap, landmark error", ("fairness", "landmarks", "largest_gap"), 0.08, "gap", True),
    Requirement(6, "largest group gap, detection rate", ("fairness", "detection", "largest_gap"), 0.08, "gap", True),
    Requirement(7, "faces rendered per second", ("rendering", "faces_per_second"), 300, "rate"),
    Requirement(7, "independent of order and batch", ("rendering", "deterministic"), True, "yes"),
)
"""The requirements on the synthetic faces."""

FORMS: dict[str, Callable[[float], str]] = {
    "percent": "{:.1%}".format,
    "ratio": "{:.3f}".format,
    "points": "{:.1f} points".format,
    "gap": lambda value: f"{100 * value:.1f} points",
    "auc": "{:.3f}".format,
    "rate": "{:.0f}".format,
    "yes": lambda value: "yes" if value else "no",
}


@dataclass(frozen=True)
class External:
    """Networks and datasets that are not shipped. The card omits what depends on missing ones."""

    judges: Mapping[str, object] = field(default_factory=dict)
    fer2013: FaceDataset | None = None
    pairs: FaceDataset | None = None

    @classmethod
    def open(cls, judges: Path | None = None, fer2013: Path | None = None, pairs: Path | None = None) -> External:
        """Open the networks and datasets at these paths; where a path is None, those present in `data_home()`.

        Raises `FileNotFoundError` or `ValueError` for a path without usable content.
        """
        folder = data_home() / "judges" if judges is None else judges
        opened = {
            name: kind(folder / file, **options)
            for name, (file, kind, options) in EXTERNAL_JUDGES.items()
            if judges is not None or (folder / file).is_file()
        }
        return cls(opened, _opened(FER2013, "valid", fer2013), _opened(NeutralHappyPairs, "test", pairs))


def _opened(kind: type[FaceDataset], split: str, path: Path | None) -> FaceDataset | None:
    try:
        return kind(split, path=path, size=SIZE, channels=1)
    except DatasetMissing:
        if path is not None:
            raise
        return None


def measure(
    external: External, split: str = "test", people: int = PEOPLE, many: int = _MANY_PEOPLE
) -> dict[str, object]:
    """The card as JSON values; sections that depend on missing networks or datasets are None.

    split   split of the synthetic people: "test", or "valid" during development of the renderer
    people  number of people that are measured
    many    number of people for pairs with similar appearance
    """
    options = {"split": split, "intensity": INTENSITY, "size": SIZE, "channels": 1}
    dataset = SyntheticFaces(people=people, faces_per_person=FACES_PER_PERSON, **options)
    faces, photographs, smiles = _all(dataset), _all(external.fer2013), _all(external.pairs)
    emotion, points, recogniser = (external.judges.get(name) for name in EXTERNAL_JUDGES)
    with_landmarks = points and smiles and replace(smiles, landmarks=points.landmarks(smiles))
    card = {
        "faces": {"count": len(faces), "people": people, **options},
        "emotion": emotion and _emotion(emotion, faces, photographs),
        "robustness": emotion and _robustness(emotion, faces, photographs),
        "landmarks": points and _landmarks(points, faces, smiles),
        "detection": {"synthetic": _detection(faces), "real": smiles and _detection(smiles)},
        "identity": recogniser and _identity(recogniser, faces, split, many, with_landmarks),
        "transfer": _transfer(faces, photographs, smiles),
        "fairness": {
            "emotion": emotion and realism.by_group(realism.correct(emotion, faces), faces),
            "landmarks": points and realism.by_group(realism.landmark_errors(points, faces), faces),
            "detection": realism.by_group(realism.detected(faces), faces),
        },
        "rendering": {"faces_per_second": _faces_per_second(dataset), "deterministic": deterministic(dataset)},
    }
    inputs = zip(_HINTS, (emotion, points, recogniser, photographs, smiles), strict=True)
    missing = [name for name, given in inputs if not given]
    versions = {"facekit": facekit.__version__, "renderer": RENDERER_VERSION, "torch": torch.__version__}
    return {
        "requirements": [requirement.check(card) for requirement in REQUIREMENTS],
        **card,
        "missing": [_HINTS[name] for name in missing],
        "versions": {**versions, "command": _command(external, split)},
    }


_HINTS = {
    "emotion": "No external emotion classifier: give the folder of fer_mini_xception.onnx with `--judges`.",
    "landmarks": "No external landmark detector: give the folder of faceapi_landmark68.onnx with `--judges`.",
    "identity": "No external face recogniser: give the folder of mobileface_v2.onnx with `--judges`.",
    "fer2013": "No comparison with FER-2013: give its CSV file with `--fer2013`.",
    "pairs": "No comparison with neutral and happy photographs: give their folder or zip archive with `--pairs`.",
}


def _command(external: External, split: str) -> str:
    given = {"--judges FOLDER": external.judges, "--fer2013 CSV": external.fer2013, "--pairs ZIP": external.pairs}
    return " ".join(["python -m facekit data card", *(k for k, v in given.items() if v), f"--split {split}"])


def _all(dataset: FaceDataset | None) -> Faces | None:
    return dataset and dataset.faces(range(len(dataset)))


def _emotion(judge, faces: Faces, photographs: Faces | None) -> dict[str, object]:
    result = {"judge": judge.name, "sha256": judge.sha256, "real": None}
    result["synthetic"] = realism.classification(judge, faces)
    if photographs is None:
        return result
    real = realism.classification(judge, photographs)
    ratios = realism.recall_ratios(result["synthetic"]["recall"], real["recall"])
    smallest = min(ratio for ratio in ratios.values() if ratio is not None)
    return result | {"real": real, "ratios": ratios, "smallest_ratio": smallest}


def _robustness(judge, faces: Faces, photographs: Faces | None) -> dict[str, object]:
    real = photographs and realism.accuracy_loss(judge, photographs[::_STRIDE])
    return {"judge": judge.name, "synthetic": realism.accuracy_loss(judge, faces), "real": real}


def _landmarks(judge, faces: Faces, smiles: Faces | None) -> dict[str, object]:
    return {
        "judge": judge.name,
        "sha256": judge.sha256,
        "synthetic": realism.landmark_accuracy(judge, faces),
        "horizontal_bias": {
            "synthetic": realism.horizontal_bias(judge, faces),
            "real": smiles and realism.horizontal_bias(judge, smiles),
        },
    }


def _detection(faces: Faces) -> dict[str, float]:
    return {name: realism.detected(faces, name).mean().item() for name in realism.CASCADES}


def _identity(judge, faces: Faces, split: str, many: int, smiles: Faces | None) -> dict[str, object]:
    two_each = _all(SyntheticFaces(split, people=many, faces_per_person=2, intensity=INTENSITY, size=SIZE, channels=1))
    return {
        "judge": judge.name,
        "sha256": judge.sha256,
        "synthetic": realism.identity_verification(judge, realism.aligned(faces)),
        "similar": realism.identity_verification(judge, realism.aligned(two_each), _APPEARANCE),
        "real": smiles and realism.identity_verification(judge, realism.aligned(smiles)),
    }


def _transfer(faces: Faces, photographs: Faces | None, smiles: Faces | None) -> dict[str, object]:
    from_synthetic, from_photographs = (
        EmotionJudge.load(f"emotion_resnet-{data}") for data in ("synthetic", "fer2013")
    )
    return {
        "synthetic": realism.classification(from_synthetic, faces),
        "to_fer2013": photographs and realism.classification(from_synthetic, photographs),
        "to_pairs": smiles and realism.happy_or_neutral(from_synthetic, smiles),
        "from_fer2013": realism.classification(from_photographs, faces),
    }


def _faces_per_second(dataset: FaceDataset, count: int = 256, rounds: int = 3) -> float:
    rates = []
    for _ in range(rounds):
        started = time.perf_counter()
        faces = len(dataset.faces(range(min(count, len(dataset)))))
        rates.append(faces / (time.perf_counter() - started))
    return statistics.median(rates)


def deterministic(dataset: FaceDataset, count: int = 70, batch: int = 7) -> bool:
    """Whether faces are bitwise equal when rendered again, and when rendered in reverse order in batches."""
    count = min(count, len(dataset))
    once, again = dataset.faces(range(count)), dataset.faces(range(count))
    backward = torch.arange(count).flip(0)
    reordered = Faces.cat(dataset.faces(part) for part in backward.split(batch))[backward]
    return all(torch.equal(once.images, others.images) for others in (again, reordered))


# ------------------------------------------------------------------------------------------------------- writing


def write_card(card: Mapping[str, object], path: Path) -> Path:
    """Write a card as Markdown to `path`, and its numbers as JSON next to it. Returns the path of the JSON file."""
    numbers = path.with_suffix(".json")
    write_json(numbers, card)
    write_text(path, to_markdown(card))
    return numbers


def to_markdown(card: Mapping[str, object]) -> str:
    """The card as a Markdown page, with an explanation of each measure."""
    return rendered(
        "evaluation/data_card.md.j2",
        FORMS,
        **card,
        FORMS=FORMS,
        emotions=PROTOCOL_EMOTIONS,
        alignment={"distance": realism.EYE_DISTANCE, "height": realism.EYE_HEIGHT},
    )
