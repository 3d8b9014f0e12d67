"""The emotions and labels of `SyntheticFaces`: balanced, or with the class imbalance and label noise of FER-2013."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facekit.datasets.synthetic.draws import chance, shuffled, uniform
from facekit.faces.emotions import EMOTIONS

# P2 (Chang and Wang), table 1: shares of FER-2013's training set in percent.
FER2013_SHARES = {
    "angry": 13.92, "disgust": 1.52, "fear": 14.27, "happy": 25.13, "sad": 16.82, "surprise": 11.05, "neutral": 17.29,
}  # fmt: skip


def balanced_emotions(people: int, faces_per_person: int, emotions: Sequence[str], split: str) -> Tensor:
    """Emotions of all faces, (people * faces_per_person,) indices, as equally frequent as possible for each person.

    The faces of a person start with complete permutations of all emotions. The emotions of the remaining faces rotate
    from person to person.
    """
    code = torch.tensor([EMOTIONS.index(name) for name in emotions])
    index = torch.arange(people * faces_per_person)
    person, k, n = torch.div(index, faces_per_person, rounding_mode="floor"), index % faces_per_person, len(emotions)
    complete = faces_per_person // n * n
    permuted = shuffled(person * n + k % n, n, f"emotion {split}")
    rotated = (person * (faces_per_person - complete) + k - complete) % n
    return code[torch.where(k < complete, permuted, rotated)]


def imbalanced_emotions(faces: int, emotions: Sequence[str], split: str) -> Tensor:
    """Emotions of all faces, (faces,) indices, with the class frequencies of FER-2013."""
    code = torch.tensor([EMOTIONS.index(name) for name in emotions])
    shares = torch.tensor([FER2013_SHARES.get(name, 1.0) for name in emotions])
    cumulative = (shares / shares.sum()).cumsum(0)
    quantile = (shuffled(torch.arange(faces), 1000, f"class {split}") + 0.5) / 1000
    return code[torch.searchsorted(cumulative, quantile).clamp(max=len(emotions) - 1)]


def noisy_labels(face: Tensor, true: Tensor, share: float) -> Tensor:
    """Labels (N,) of which a share is replaced by another emotion, in proportion to the frequencies of the others.

    face    (N,) number of each face, the key of its random draws
    true    (N,) true emotions
    """
    counts = torch.bincount(true, minlength=len(EMOTIONS)).double()
    frequencies = counts / counts.sum()
    cumulative = frequencies.cumsum(0)
    # Inverse transform sampling, with a quantile outside of the interval of the true emotion.
    offset = uniform(face, "which label").double() * (1 - frequencies[true])
    other = torch.searchsorted(cumulative, (cumulative[true] + offset) % 1, right=True).clamp(max=len(EMOTIONS) - 1)
    wrong = chance(face, "wrong label", share) & (frequencies[true] < 1)
    return torch.where(wrong, other, true)
