"""The data card of SyntheticFaces: what networks that never saw a drawn face make of it, against what is asked for."""

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
from facekit.evaluation import drawn
from facekit.evaluation.external import EXTERNAL_JUDGES
from facekit.evaluation.judges import EmotionJudge
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.faces import Faces
from facekit.workspace.files import write_json, write_text
from facekit.workspace.folders import data_home
from facekit.workspace.templates import rendered

PEOPLE, FACES_PER_PERSON, SIZE, INTENSITY = 200, 7, 64, (0.8, 1.0)
"""The drawn faces that are measured: held-out people, each with all seven emotions, grey."""

_MANY = 1000  # people, with two faces each, among whom some pairs are alike in skin tone, hair and glasses
_LOOKS = ("skin_tone", "hair_style", "glasses")
_STRIDE = 3  # of the photographs, every third is perturbed


@dataclass(frozen=True)
class Bar:
    """What is asked of one number of the card.

    number     of the bar; several numbers may belong to one
    what       in words
    path       names that lead to the number in the card
    threshold  it must be at least this, or where `at_most`, at most
    form       how it is printed: a key of `FORMS`
    """

    number: int
    what: str
    path: tuple[str, ...]
    threshold: float
    form: str = "percent"
    at_most: bool = False

    def judge(self, card: Mapping) -> dict[str, object]:
        """The number, its threshold, and whether it is met; None where it was not measured."""
        value = card
        for name in self.path:
            value = value and value.get(name)
        met = None if value is None else bool(value <= self.threshold if self.at_most else value >= self.threshold)
        shown = {name: getattr(self, name) for name in ("number", "what", "threshold", "form", "at_most")}
        return {**shown, "value": value, "met": met}


BARS = (
    Bar(1, "faces that a network trained on photographs reads right", ("emotion", "drawn", "accuracy"), 0.80),
    Bar(1, "recall over that on real faces, the least of seven emotions", ("emotion", "least_ratio"), 0.9, "ratio"),
    Bar(
        2,
        "lost by a shift of 3 pixels, the worst of eight",
        ("perturbed", "drawn", "shift", "worst"),
        5,
        "points",
        True,
    ),
    Bar(2, "lost by a scale of ±10 %, the worse of two", ("perturbed", "drawn", "scale", "worst"), 5, "points", True),
    Bar(2, "lost by a blur of σ 0.7 pixels", ("perturbed", "drawn", "blur", "worst"), 5, "points", True),
    Bar(
        3, "error of found landmarks, in distances between the eyes", ("landmarks", "drawn", "nme"), 0.08, "ratio", True
    ),
    Bar(3, "faces that OpenCV's cascade finds", ("detection", "drawn", drawn.CASCADES[0]), 0.90),
    Bar(4, "AUC of one person against two", ("identity", "drawn", "auc"), 0.97, "auc"),
    Bar(4, "the same among people alike in skin tone, hair and glasses", ("identity", "alike", "auc"), 0.90, "auc"),
    Bar(5, "photographs read by a network trained on drawn faces", ("transfer", "to_fer2013", "accuracy"), 0.35),
    Bar(5, "happy told from neutral by it on photographs", ("transfer", "to_pairs", "accuracy"), 0.85),
    Bar(6, "largest gap of a group in reading emotions", ("fairness", "emotion", "largest_gap"), 0.08, "gap", True),
    Bar(6, "largest gap in landmarks' error", ("fairness", "landmarks", "largest_gap"), 0.08, "gap", True),
    Bar(6, "largest gap in faces found", ("fairness", "detection", "largest_gap"), 0.08, "gap", True),
    Bar(7, "faces drawn a second", ("drawing", "faces_per_second"), 300, "rate"),
    Bar(7, "the same however they are asked for", ("drawing", "same"), True, "yes"),
)
"""What the suite asks of its drawn faces."""

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
class Outside:
    """What the card needs and the suite does not ship. What is None is left out of the card."""

    judges: Mapping[str, object] = field(default_factory=dict)
    fer2013: FaceDataset | None = None
    pairs: FaceDataset | None = None

    @classmethod
    def open(cls, judges: Path | None = None, fer2013: Path | None = None, pairs: Path | None = None) -> Outside:
        """What is at these paths, or where one is None, what there is in `data_home()`: judges, fer2013, pairs.

        Raises `FileNotFoundError` and `ValueError` for a path that was given and holds nothing of use.
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


def measure(outside: Outside, split: str = "test", people: int = PEOPLE, many: int = _MANY) -> dict[str, object]:
    """The card as JSON knows it; sections that need what is not there are None.

    split   of the drawn people: "test", or "valid" while the renderer is worked on
    people  how many are measured, and `many` for pairs of people who look alike
    """
    asked = {"split": split, "intensity": INTENSITY, "size": SIZE, "channels": 1}
    dataset = SyntheticFaces(people=people, faces_per_person=FACES_PER_PERSON, **asked)
    faces, photographs, smiles = _all(dataset), _all(outside.fer2013), _all(outside.pairs)
    emotion, points, recogniser = (outside.judges.get(name) for name in EXTERNAL_JUDGES)
    located = points and smiles and replace(smiles, landmarks=points.landmarks(smiles))
    card = {
        "faces": {"count": len(faces), "people": people, **asked},
        "emotion": emotion and _emotion(emotion, faces, photographs),
        "perturbed": emotion and _perturbed(emotion, faces, photographs),
        "landmarks": points and _landmarks(points, faces, smiles),
        "detection": {"drawn": _detection(faces), "real": smiles and _detection(smiles)},
        "identity": recogniser and _identity(recogniser, faces, split, many, located),
        "transfer": _transfer(faces, photographs, smiles),
        "fairness": {
            "emotion": emotion and drawn.by_group(drawn.read_right(emotion, faces), faces),
            "landmarks": points and drawn.by_group(drawn.landmark_errors(points, faces), faces),
            "detection": drawn.by_group(drawn.found(faces), faces),
        },
        "drawing": {"faces_per_second": _drawn_a_second(dataset), "same": same_however_asked(dataset)},
    }
    there = zip(_HINTS, (emotion, points, recogniser, photographs, smiles), strict=True)
    missing = [name for name, given in there if not given]
    made = {"facekit": facekit.__version__, "renderer": RENDERER_VERSION, "torch": torch.__version__}
    return {
        "bars": [bar.judge(card) for bar in BARS],
        **card,
        "missing": [_HINTS[name] for name in missing],
        "made": {**made, "command": _command(outside, split)},
    }


_HINTS = {
    "emotion": "Not read by an outside network: give the folder of fer_mini_xception.onnx with `--judges`.",
    "landmarks": "No landmarks by an outside network: give the folder of faceapi_landmark68.onnx with `--judges`.",
    "identity": "Not recognised by an outside network: give the folder of mobileface_v2.onnx with `--judges`.",
    "fer2013": "Not compared with FER-2013: give its csv with `--fer2013`.",
    "pairs": "Not compared with real people neutral and happy: give their folder or zip archive with `--pairs`.",
}


def _command(outside: Outside, split: str) -> str:
    given = {"--judges FOLDER": outside.judges, "--fer2013 CSV": outside.fer2013, "--pairs ZIP": outside.pairs}
    return " ".join(["python -m facekit data card", *(k for k, v in given.items() if v), f"--split {split}"])


def _all(dataset: FaceDataset | None) -> Faces | None:
    return dataset and dataset.faces(range(len(dataset)))


def _emotion(judge, faces: Faces, photographs: Faces | None) -> dict[str, object]:
    result = {"judge": judge.name, "sha256": judge.sha256, "drawn": drawn.reading(judge, faces), "real": None}
    if photographs is None:
        return result
    real = drawn.reading(judge, photographs)
    ratios = drawn.ratios(result["drawn"]["recall"], real["recall"])
    return result | {"real": real, "ratios": ratios, "least_ratio": min(r for r in ratios.values() if r is not None)}


def _perturbed(judge, faces: Faces, photographs: Faces | None) -> dict[str, object]:
    real = photographs and drawn.points_lost(judge, photographs[::_STRIDE])
    return {"judge": judge.name, "drawn": drawn.points_lost(judge, faces), "real": real}


def _landmarks(judge, faces: Faces, smiles: Faces | None) -> dict[str, object]:
    return {
        "judge": judge.name,
        "sha256": judge.sha256,
        "drawn": drawn.landmarks(judge, faces),
        "lean": {"drawn": drawn.lean(judge, faces), "real": smiles and drawn.lean(judge, smiles)},
    }


def _detection(faces: Faces) -> dict[str, float]:
    return {name: drawn.found(faces, name).mean().item() for name in drawn.CASCADES}


def _identity(judge, faces: Faces, split: str, many: int, smiles: Faces | None) -> dict[str, object]:
    two_each = _all(SyntheticFaces(split, people=many, faces_per_person=2, intensity=INTENSITY, size=SIZE, channels=1))
    return {
        "judge": judge.name,
        "sha256": judge.sha256,
        "drawn": drawn.same_person(judge, drawn.aligned(faces)),
        "alike": drawn.same_person(judge, drawn.aligned(two_each), _LOOKS),
        "real": smiles and drawn.same_person(judge, drawn.aligned(smiles)),
    }


def _transfer(faces: Faces, photographs: Faces | None, smiles: Faces | None) -> dict[str, object]:
    from_drawn, from_photographs = (EmotionJudge.load(f"emotion_resnet-{data}") for data in ("synthetic", "fer2013"))
    return {
        "drawn": drawn.reading(from_drawn, faces),
        "to_fer2013": photographs and drawn.reading(from_drawn, photographs),
        "to_pairs": smiles and drawn.two_way(from_drawn, smiles),
        "from_fer2013": drawn.reading(from_photographs, faces),
    }


def _drawn_a_second(dataset: FaceDataset, count: int = 256, rounds: int = 3) -> float:
    rates = []
    for _ in range(rounds):
        started = time.perf_counter()
        faces = len(dataset.faces(range(min(count, len(dataset)))))
        rates.append(faces / (time.perf_counter() - started))
    return statistics.median(rates)


def same_however_asked(dataset: FaceDataset, count: int = 70, batch: int = 7) -> bool:
    """Whether faces are the same to the last bit when asked for again, and from the last to the first in batches."""
    count = min(count, len(dataset))
    once, again = dataset.faces(range(count)), dataset.faces(range(count))
    backward = torch.arange(count).flip(0)
    parts = Faces.cat(dataset.faces(part) for part in backward.split(batch))[backward]
    return all(torch.equal(once.images, others.images) for others in (again, parts))


# ------------------------------------------------------------------------------------------------------- writing


def write_card(card: Mapping[str, object], path: Path) -> Path:
    """Write a card as Markdown at `path`, and its numbers as JSON beside it. Returns the path of the numbers."""
    numbers = path.with_suffix(".json")
    write_json(numbers, card)
    write_text(path, to_markdown(card))
    return numbers


def to_markdown(card: Mapping[str, object]) -> str:
    """A card to be read: tables, and what each measure means."""
    return rendered(
        "evaluation/data_card.md.j2",
        FORMS,
        **card,
        FORMS=FORMS,
        emotions=PROTOCOL_EMOTIONS,
        aligned={"apart": drawn.EYES_APART, "down": drawn.EYES_DOWN},
    )
