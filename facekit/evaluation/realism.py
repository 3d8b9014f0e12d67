"""How realistic synthetic faces are to networks trained on photographs.

Every function returns plain numbers by name, for JSON.
"""

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
from facekit.faces.landmarks import PARTS, eye_centres, mirror_landmarks, normalised_offsets

Measures = dict[str, object]


class LandmarkJudge(Protocol):
    """A network that detects the 68 landmarks, such as `facekit.evaluation.external.OnnxLandmarkJudge`."""

    name: str

    def landmarks(self, faces: Faces) -> Tensor:
        """Landmarks (N, 68, 2) in the iBUG order, x right and y down from -1 to 1 across the image."""
        ...


# ------------------------------------------------------------------------------------------------------- emotion


def correct(judge: Judge, faces: Faces) -> Tensor:
    """Whether each face (N,) is classified as labelled: 1.0 or 0.0."""
    return (judge.probabilities(faces).argmax(1) == faces.emotion).float()


def classification(judge: Judge, faces: Faces) -> Measures:
    """`accuracy` with its 95 % interval (`low`, `high`), `recall` by emotion, and `confusion` in counts.

    Rows of the confusion matrix are labels, columns predictions.
    """
    predicted = judge.probabilities(faces).argmax(1)
    scores = emotion_scores(predicted, faces.emotion)
    interval = bootstrap(torch.mean, (predicted == faces.emotion).float(), persons=faces.person)
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


def recall_ratios(synthetic: Mapping[str, float], real: Mapping[str, float]) -> dict[str, float | None]:
    """Recall on synthetic faces divided by recall on photographs, by emotion; None where the latter is 0."""
    return {name: synthetic[name] / real[name] if real[name] else None for name in synthetic}


def happy_or_neutral(judge: Judge, faces: Faces) -> Measures:
    """Accuracy of the two-class decision between happy and neutral, on faces with these two labels."""
    happy, neutral = (EMOTIONS.index(name) for name in ("happy", "neutral"))
    probabilities = judge.probabilities(faces)
    right = ((probabilities[:, happy] > probabilities[:, neutral]) == (faces.emotion == happy)).float()
    interval = bootstrap(torch.mean, right, persons=faces.person)
    return {"faces": len(faces), "accuracy": interval.estimate, "low": interval.low, "high": interval.high}


# ---------------------------------------------------------------------------------------------------- robustness


def shifted(faces: Faces, across: float = 0, down: float = 0) -> Faces:
    """Shift the images to the right and down by a number of pixels; the border is continued by reflection."""
    return _transformed(faces, 1, across, down)


def scaled(faces: Faces, factor: float) -> Faces:
    """Scale the images about their centres; the border is continued by reflection."""
    return _transformed(faces, factor, 0, 0)


def _transformed(faces: Faces, factor: float, across: float, down: float) -> Faces:
    n, shift = len(faces), torch.tensor([across, down]) * (2 / faces.size)
    return transformed(faces, torch.zeros(n), torch.full((n,), float(factor)), shift.expand(n, 2))


def blurred(faces: Faces, sigma: float) -> Faces:
    """Blur the images with a Gaussian of this standard deviation in pixels."""
    width = 2 * int(np.ceil(4 * sigma)) + 1
    return dataclasses.replace(faces, images=gaussian_blur(faces.images, width, sigma))


SHIFT, SCALE, BLUR = 3, 0.1, 0.7
"""Sizes of the perturbations: pixels, relative change of size, and standard deviation in pixels."""

_PERTURBATIONS: dict[str, dict[str, Callable[[Faces], Faces]]] = {
    "shift": {
        f"{x:+d}, {y:+d} pixels": lambda faces, x=x, y=y: shifted(faces, x, y)
        for x, y in product((-SHIFT, 0, SHIFT), repeat=2)
        if x or y
    },
    "scale": {f"{share:+.0%}": lambda faces, share=share: scaled(faces, 1 + share) for share in (-SCALE, SCALE)},
    "blur": {f"sigma {BLUR}": lambda faces: blurred(faces, BLUR)},
}


def accuracy_loss(judge: Judge, faces: Faces) -> Measures:
    """Loss of accuracy by each perturbation, in percentage points: by kind, `mean`, `worst` and `each`."""
    before = correct(judge, faces).mean().item()
    losses = {}
    for kind, perturbations in _PERTURBATIONS.items():
        each = {
            name: 100 * (before - correct(judge, perturb(faces)).mean().item())
            for name, perturb in perturbations.items()
        }
        losses[kind] = {"mean": sum(each.values()) / len(each), "worst": max(each.values()), "each": each}
    return losses


# ----------------------------------------------------------------------------------------------------- landmarks


def landmark_errors(judge: LandmarkJudge, faces: Faces) -> Tensor:
    """Normalised mean error (NME) of each face, (N,)."""
    return normalised_offsets(judge.landmarks(faces), faces.landmarks).norm(dim=-1).mean(1)


def landmark_accuracy(judge: LandmarkJudge, faces: Faces) -> Measures:
    """Normalised mean error, overall (`nme`, with `low` and `high`) and by part, with the mean bias right and down."""
    offsets = normalised_offsets(judge.landmarks(faces), faces.landmarks)
    errors = offsets.norm(dim=-1)
    interval = bootstrap(torch.mean, errors.mean(1), persons=faces.person)
    parts = {
        name: {"nme": errors[:, part].mean().item(), "bias": offsets[:, part].mean((0, 1)).tolist()}
        for name, part in PARTS.items()
    }
    return {"faces": len(faces), "nme": interval.estimate, "low": interval.low, "high": interval.high, "parts": parts}


def horizontal_bias(judge: OnnxLandmarkJudge, faces: Faces) -> float:
    """Bias of a network to the right that does not depend on the face, in interocular distances.

    It is half the difference between the landmarks in an image and those in its mirror image, mirrored back.
    """
    direct, mirrored = judge.unaveraged(faces.images), mirror_landmarks(judge.unaveraged(faces.images.flip(-1)))
    return normalised_offsets(direct, mirrored)[..., 0].mean().item() / 2


# ----------------------------------------------------------------------------------------------------- detection

CASCADES = ("haarcascade_frontalface_default.xml", "haarcascade_frontalface_alt2.xml")
"""OpenCV's cascades for frontal faces: the most widely used one, and a more precise one."""

_ENLARGEMENT = 3  # cascades detect faces of at least 24 pixels, and larger ones more reliably
_MARGIN = 0.25  # cascades need a margin around the face: share of the image side


def detected(faces: Faces, cascade: str = CASCADES[0]) -> Tensor:
    """Whether a cascade detects a face of at least half the side of each image, (N,): 1.0 or 0.0.

    Each image is enlarged three times, and its border is replicated by a quarter of its side, because a cascade does
    not detect a face that fills the image.
    """
    classifier = cv2.CascadeClassifier(cv2.data.haarcascades + cascade)
    return torch.tensor(
        [float(_detects(classifier, image[0].numpy())) for image in to_uint8(to_gray(faces.images.cpu()))]
    )


def _detects(classifier: cv2.CascadeClassifier, image: np.ndarray) -> bool:
    large = cv2.resize(image, None, fx=_ENLARGEMENT, fy=_ENLARGEMENT, interpolation=cv2.INTER_CUBIC)
    margin, smallest = round(_MARGIN * len(large)), len(large) // 2
    padded = cv2.copyMakeBorder(large, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    return len(classifier.detectMultiScale(padded, 1.1, 4, minSize=(smallest, smallest))) > 0


# ------------------------------------------------------------------------------------------------------ identity


EYE_DISTANCE, EYE_HEIGHT, ALIGNED_SIZE = 0.31, 0.46, 112
"""Alignment for recognisers such as ArcFace (Deng 2019): interocular distance and distance of the eyes from the top, as
shares of the image side, and that side in pixels."""


def aligned(faces: Faces) -> Faces:
    """Align faces by their landmarks for a recogniser: `ALIGNED_SIZE` pixels, eyes level and at fixed positions.

    Sampling is bilinear, so the images must not have a higher resolution. The border is replicated. Masks are dropped.
    Raises `ValueError` for faces without landmarks.
    """
    if faces.landmarks is None:
        raise ValueError("faces are aligned by their landmarks, and these have none")
    left, right = eye_centres(faces.landmarks)
    # The similarity from the aligned image back to the input; its second column is the first one rotated by 90°.
    across = (right - left) / (2 * EYE_DISTANCE)
    back = torch.stack([across, across.flip(1) * across.new_tensor([-1, 1])], 2)  # (N, 2, 2)
    centre = (left + right)[:, :, None] / 2 - back @ across.new_tensor([[0], [2 * EYE_HEIGHT - 1]])
    shape = (len(faces), faces.channels, ALIGNED_SIZE, ALIGNED_SIZE)
    grid = F.affine_grid(torch.cat([back, centre], 2), shape, align_corners=False)
    images = F.grid_sample(faces.images, grid, padding_mode="border", align_corners=False)
    landmarks = torch.linalg.solve(back, faces.landmarks.mT - centre).mT
    return dataclasses.replace(faces, images=images, landmarks=landmarks, mask=None)


def identity_verification(judge: Recogniser, faces: Faces, attributes: tuple[str, ...] = ()) -> Measures:
    """Area under the ROC curve of identity verification (`auc`), and the numbers of genuine and impostor pairs.

    Both images of a pair, genuine or impostor, have different expressions, so that the expression is not informative.

    attributes  names of attributes that must agree in impostor pairs
    """
    matching = torch.stack([faces.attributes[name] for name in attributes], 1) if attributes else None
    genuine, impostor = pair_similarities(judge.embed(faces), faces.person, differing=faces.emotion, matching=matching)
    if not len(genuine) or not len(impostor):
        raise ValueError(f"there are {len(genuine)} genuine and {len(impostor)} impostor pairs: give more people")
    auc = verification(genuine, impostor).auc
    return {"people": len(faces.person.unique()), "auc": auc, "genuine": len(genuine), "impostor": len(impostor)}


# ------------------------------------------------------------------------------------------------------ fairness

_NO_YES = ("no", "yes")

# Attribute, and the names of its values; both kinds of glasses count as one.
GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "skin tone": ("skin_tone", tuple(str(tone) for tone in range(1, 11))),
    "age": ("age", AGE_GROUPS),
    "glasses": ("glasses", _NO_YES),
    "hair": ("hair_style", HAIR_STYLES),
    "beard": ("beard", BEARDS),
}
FAIRNESS_GROUPS = ("skin tone", "age", "glasses")
"""The attributes whose groups the fairness requirements compare; the others are for information."""


def by_group(values: Tensor, faces: Faces) -> Measures:
    """The mean of a value per face (N,), overall and by group, with intervals by resampling people.

    `gap` is the mean of a group minus the overall mean, `largest_gap` the largest absolute gap in `FAIRNESS_GROUPS`.
    """
    overall = values.mean().item()
    groups = {kind: dict(_groups(kind, values, faces, overall)) for kind in GROUPS}
    gaps = [abs(group["gap"]) for kind in FAIRNESS_GROUPS for group in groups[kind].values()]
    return {"overall": overall, "largest_gap": max(gaps), "groups": groups}


def _groups(kind: str, values: Tensor, faces: Faces, overall: float) -> Iterator[tuple[str, Measures]]:
    attribute, names = GROUPS[kind]
    index = faces.attributes[attribute]
    index = index.clamp(max=1) if names is _NO_YES else index
    for i, name in enumerate(names):
        members = index == i
        if members.any():
            mean = bootstrap(torch.mean, values[members], persons=faces.person[members])
            yield (
                name,
                {
                    "people": len(faces.person[members].unique()),
                    "mean": mean.estimate,
                    "low": mean.low,
                    "high": mean.high,
                    "gap": mean.estimate - overall,
                },
            )
