"""What networks that learned from photographs make of drawn faces. Every measure is plain numbers by name, for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Protocol

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from facekit.datasets.synthetic import AGE_GROUPS, BEARDS, HAIR_STYLES
from facekit.evaluation.external import OnnxLandmarkJudge
from facekit.evaluation.judges import Judge, Recogniser
from facekit.evaluation.metrics.emotion import emotion_scores
from facekit.evaluation.metrics.identity import pair_similarities, verification
from facekit.evaluation.metrics.uncertainty import bootstrap
from facekit.faces.augment import transformed
from facekit.faces.emotions import EMOTIONS, PROTOCOL_EMOTIONS
from facekit.faces.faces import Faces, to_gray, to_uint8
from facekit.faces.landmarks import PARTS, eye_centres, mirror_landmarks

Measure = dict[str, object]


class LandmarkJudge(Protocol):
    """Whoever finds the 68 landmarks of faces, as `facekit.evaluation.external.OnnxLandmarkJudge` does."""

    name: str

    def landmarks(self, faces: Faces) -> Tensor:
        """Landmarks (N, 68, 2) in the iBUG order, x right and y down from -1 to 1 across the picture."""
        ...


# ------------------------------------------------------------------------------------------------------- emotion


def read_right(judge: Judge, faces: Faces) -> Tensor:
    """Which faces (N,) a judge reads as labelled: 1.0, or 0.0."""
    return (judge.probabilities(faces).argmax(1) == faces.emotion).float()


def reading(judge: Judge, faces: Faces) -> Measure:
    """A judge's `accuracy` with its interval (`low`, `high`), `recall` by emotion, and `confusion` in counts, rows
    shown and columns read."""
    answers = judge.probabilities(faces).argmax(1)
    scores = emotion_scores(answers, faces.emotion)
    interval = bootstrap(torch.mean, (answers == faces.emotion).float(), persons=faces.person)
    shares = scores.confusion.diag() / scores.confusion.sum(1).clamp(min=1)
    recall = dict(zip(PROTOCOL_EMOTIONS, shares.tolist(), strict=True))
    return {
        "faces": len(faces),
        "accuracy": scores.accuracy,
        "low": interval.low,
        "high": interval.high,
        "recall": recall,
        "confusion": scores.confusion.tolist(),
    }


def ratios(drawn: Mapping[str, float], real: Mapping[str, float]) -> dict[str, float | None]:
    """Recall on drawn faces over that on real ones, by emotion; None where it is 0 on real ones."""
    return {name: drawn[name] / real[name] if real[name] else None for name in drawn}


def two_way(judge: Judge, faces: Faces) -> Measure:
    """Faces that are happy or neutral: the share of which the right one of these two is the likelier to a judge."""
    happy, neutral = (EMOTIONS.index(name) for name in ("happy", "neutral"))
    said = judge.probabilities(faces)
    correct = ((said[:, happy] > said[:, neutral]) == (faces.emotion == happy)).float()
    interval = bootstrap(torch.mean, correct, persons=faces.person)
    return {"faces": len(faces), "accuracy": interval.estimate, "low": interval.low, "high": interval.high}


# ------------------------------------------------------------------------------------------------- perturbations


def shifted(faces: Faces, across: float = 0, down: float = 0) -> Faces:
    """The faces moved to the right and down, in pixels; the picture goes on mirrored at its border."""
    return _moved(faces, 1, across, down)


def scaled(faces: Faces, factor: float) -> Faces:
    """The faces larger by a factor about the middle of the picture, or smaller; the border as in `shifted`."""
    return _moved(faces, factor, 0, 0)


def _moved(faces: Faces, factor: float, across: float, down: float) -> Faces:
    n, shift = len(faces), torch.tensor([across, down]) * (2 / faces.size)
    return transformed(faces, torch.zeros(n), torch.full((n,), float(factor)), shift.expand(n, 2))


def blurred(faces: Faces, sigma: float) -> Faces:
    """The faces through a Gaussian of this deviation in pixels."""
    width = 2 * int(np.ceil(4 * sigma)) + 1
    return dataclasses.replace(faces, images=gaussian_blur(faces.images, width, sigma))


SHIFT, SCALE, BLUR = 3, 0.1, 0.7
"""Pixels, share of the face's size, and deviation in pixels of the perturbations."""

_PERTURBED: dict[str, dict[str, Callable[[Faces], Faces]]] = {
    "shift": {
        f"{x:+d}, {y:+d} pixels": lambda faces, x=x, y=y: shifted(faces, x, y)
        for x, y in product((-SHIFT, 0, SHIFT), repeat=2)
        if x or y
    },
    "scale": {f"{share:+.0%}": lambda faces, share=share: scaled(faces, 1 + share) for share in (-SCALE, SCALE)},
    "blur": {f"sigma {BLUR}": lambda faces: blurred(faces, BLUR)},
}


def points_lost(judge: Judge, faces: Faces) -> Measure:
    """What each perturbation costs a judge, in points of accuracy: by kind, `mean`, `worst` and `each`."""
    before = read_right(judge, faces).mean().item()
    lost = {}
    for kind, ways in _PERTURBED.items():
        each = {name: 100 * (before - read_right(judge, way(faces)).mean().item()) for name, way in ways.items()}
        lost[kind] = {"mean": sum(each.values()) / len(each), "worst": max(each.values()), "each": each}
    return lost


# ----------------------------------------------------------------------------------------------------- landmarks


def displacements(found: Tensor, true: Tensor) -> Tensor:
    """How far found landmarks (N, 68, 2) lie from the true ones, in distances between the true centres of the eyes."""
    left, right = eye_centres(true)
    between = (left - right).norm(dim=-1)
    return (found - true) / between[:, None, None]


def landmark_errors(judge: LandmarkJudge, faces: Faces) -> Tensor:
    """Normalised mean error of each face, (N,)."""
    return displacements(judge.landmarks(faces), faces.landmarks).norm(dim=-1).mean(1)


def landmarks(judge: LandmarkJudge, faces: Faces) -> Measure:
    """Normalised mean error, overall (`nme`, with `low` and `high`) and by part, with the mean bias right and down."""
    apart = displacements(judge.landmarks(faces), faces.landmarks)
    away = apart.norm(dim=-1)
    interval = bootstrap(torch.mean, away.mean(1), persons=faces.person)
    parts = {
        name: {"nme": away[:, part].mean().item(), "bias": apart[:, part].mean((0, 1)).tolist()}
        for name, part in PARTS.items()
    }
    return {"faces": len(faces), "nme": interval.estimate, "low": interval.low, "high": interval.high, "parts": parts}


def lean(judge: OnnxLandmarkJudge, faces: Faces) -> float:
    """How far to the right a network sets the points of any face by itself, in distances between the eyes: half the
    difference between what it finds in pictures and, mirrored back, in their mirror images."""
    way, back = judge.unaveraged(faces.images), mirror_landmarks(judge.unaveraged(faces.images.flip(-1)))
    return displacements(way, back)[..., 0].mean().item() / 2


# ----------------------------------------------------------------------------------------------------- detection

CASCADES = ("haarcascade_frontalface_default.xml", "haarcascade_frontalface_alt2.xml")
"""OpenCV's cascades for faces from the front: the one that most programs take, and the finer one."""

_ENLARGED = 3  # cascades look for faces of 24 pixels and more, and less well near that
_ROOM = 0.25  # a cascade finds a face only with some room around it: share of the picture's side


def found(faces: Faces, cascade: str = CASCADES[0]) -> Tensor:
    """In which pictures (N,) a cascade finds a face of at least half their side: 1.0, or 0.0.

    Each is enlarged three times, and its border continued by a quarter of its side, as there is no face to be found
    that fills its picture.
    """
    classifier = cv2.CascadeClassifier(cv2.data.haarcascades + cascade)
    return torch.tensor(
        [float(_finds(classifier, image[0].numpy())) for image in to_uint8(to_gray(faces.images.cpu()))]
    )


def _finds(classifier: cv2.CascadeClassifier, image: np.ndarray) -> bool:
    large = cv2.resize(image, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
    room, least = round(_ROOM * len(large)), len(large) // 2
    view = cv2.copyMakeBorder(large, room, room, room, room, cv2.BORDER_REPLICATE)
    return len(classifier.detectMultiScale(view, 1.1, 4, minSize=(least, least))) > 0


# ------------------------------------------------------------------------------------------------------ identity


EYES_APART, EYES_DOWN, ALIGNED_SIZE = 0.31, 0.46, 112
"""How recognisers are given faces, as ArcFace (Deng 2019) and others are trained: distance between the middles of the
eyes and their height from the top, as shares of the picture's side, and that side in pixels."""


def aligned(faces: Faces) -> Faces:
    """The faces, whose landmarks are known, with the eyes level and where recognisers expect them.

    Pictures of `ALIGNED_SIZE` by bilinear sampling, so from ones that are no finer. What comes in from outside is the
    border, continued. Masks are left out. Raises `ValueError` where landmarks are not known.
    """
    if faces.landmarks is None:
        raise ValueError("faces are aligned by their landmarks, and these have none")
    left, right = eye_centres(faces.landmarks)
    # A similarity from the aligned picture back: half the way across is right - left, and down is that turned by 90°.
    across = (right - left) / (2 * EYES_APART)
    back = torch.stack([across, across.flip(1) * across.new_tensor([-1, 1])], 2)  # (N, 2, 2)
    middle = (left + right)[:, :, None] / 2 - back @ across.new_tensor([[0], [2 * EYES_DOWN - 1]])
    shape = (len(faces), faces.channels, ALIGNED_SIZE, ALIGNED_SIZE)
    grid = F.affine_grid(torch.cat([back, middle], 2), shape, align_corners=False)
    images = F.grid_sample(faces.images, grid, padding_mode="border", align_corners=False)
    landmarks = torch.linalg.solve(back, faces.landmarks.mT - middle).mT
    return dataclasses.replace(faces, images=images, landmarks=landmarks, mask=None)


def same_person(judge: Recogniser, faces: Faces, looks: tuple[str, ...] = ()) -> Measure:
    """How well a judge tells pairs of one person from pairs of two: `auc`, and how many there are.

    Each pair, of either kind, shows two expressions, so that only the person tells the kinds apart.

    looks  attributes that must agree in pairs of two people for these to count
    """
    alike = torch.stack([faces.attributes[name] for name in looks], 1) if looks else None
    genuine, impostor = pair_similarities(judge.embed(faces), faces.person, differing=faces.emotion, matching=alike)
    if not len(genuine) or not len(impostor):
        raise ValueError(f"there are {len(genuine)} pairs of one person and {len(impostor)} of two: give more people")
    auc = verification(genuine, impostor).auc
    return {"people": len(faces.person.unique()), "auc": auc, "same": len(genuine), "different": len(impostor)}


# ------------------------------------------------------------------------------------------------------ fairness

_WORN = ("no", "yes")

# Attribute, and the names of its values; glasses of either form count as one.
GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "skin tone": ("skin_tone", tuple(str(tone) for tone in range(1, 11))),
    "age": ("age", AGE_GROUPS),
    "glasses": ("glasses", _WORN),
    "hair": ("hair_style", HAIR_STYLES),
    "beard": ("beard", BEARDS),
}
EQUAL = ("skin tone", "age", "glasses")
"""The groups between which nothing should differ; the others are for information."""


def by_group(values: Tensor, faces: Faces) -> Measure:
    """The mean of something known of each face (N,), overall and by group with its interval, resampling people.

    `gap` is a group's mean less the overall one, `largest_gap` the largest of those of `EQUAL` on either side.
    """
    overall = values.mean().item()
    groups = {kind: dict(_groups(kind, values, faces, overall)) for kind in GROUPS}
    gaps = [abs(group["gap"]) for kind in EQUAL for group in groups[kind].values()]
    return {"overall": overall, "largest_gap": max(gaps), "groups": groups}


def _groups(kind: str, values: Tensor, faces: Faces, overall: float) -> Iterator[tuple[str, Measure]]:
    attribute, names = GROUPS[kind]
    index = faces.attributes[attribute]
    index = index.clamp(max=1) if names is _WORN else index
    for i, name in enumerate(names):
        of = index == i
        if of.any():
            mean = bootstrap(torch.mean, values[of], persons=faces.person[of])
            yield (
                name,
                {
                    "people": len(faces.person[of].unique()),
                    "mean": mean.estimate,
                    "low": mean.low,
                    "high": mean.high,
                    "gap": mean.estimate - overall,
                },
            )
