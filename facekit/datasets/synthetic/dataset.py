"""SyntheticFaces: the embedded data set, drawn as it is asked for, with the true answer to every edit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facekit.datasets.base import SPLITS, FaceDataset
from facekit.datasets.cache import cached_arrays
from facekit.datasets.synthetic.draws import chance, shuffled, uniform
from facekit.datasets.synthetic.identity import Identity
from facekit.datasets.synthetic.render import RENDERER_VERSION, check_size, render
from facekit.datasets.synthetic.split import write_split
from facekit.datasets.synthetic.units import emotional_units, free_units
from facekit.datasets.synthetic.view import View
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.emotions import EMOTIONS, NEUTRAL, PROTOCOL_EMOTIONS, emotion_index
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, from_uint8, to_uint8
from facekit.faces.parts import DOMAINS

PEOPLE = {"train": 2000, "valid": 200, "test": 256}
"""People in each split, unless asked otherwise."""

_FIRST_PERSON = {"train": 0, "valid": 1_000_000, "test": 2_000_000}
_MOST_PEOPLE, _MOST_FACES = 1_000_000, 1000

# P2 (Chang and Wang), table 1: shares of FER-2013's training set in percent.
FER2013_SHARES = {
    "angry": 13.92, "disgust": 1.52, "fear": 14.27, "happy": 25.13, "sad": 16.82, "surprise": 11.05, "neutral": 17.29,
}  # fmt: skip

_UNDERSTANDS = frozenset({"emotion", "intensity", "action_units", "domain"})


class SyntheticFaces(FaceDataset):
    """Drawn faces by index.

    split             people of different splits are different people
    people            how many; `PEOPLE` says the default
    faces_per_person  emotions are shared out evenly over each person's faces
    size, channels    pixels, and 3 or 1; 64 and 3, or FER-2013's 48 and 1 when imitating it
    domain            `"photo"`; `"cartoon"`, the people being variations of six characters; `"both"`: every second
                      person is a cartoon
    emotions          which are shown
    intensity         range from which each face's intensity is drawn
    frames            stills (None), or sequences of this length from neutral to the peak and back
    one_sided         share of the faces with one half that hardly moves, as with a palsy
    free_units        share of the faces that show a few action units drawn freely instead of an emotion. Their label
                      and true emotion are -1, their intensity is 1; an order balanced by emotion leaves them out
    imitate           `"fer2013"`: its imbalance of classes, noise of labels, looser choice of crops, grey, 48 x 48
    label_noise       share of labels replaced by another emotion; 0, or 0.1 when imitating. `labels` and
                      `Faces.emotion` then hold the label, `attributes["true_emotion"]` the truth
    cache             True draws the split once into a file that is mapped into memory; a path says in which folder
    device            where faces are drawn and where they are returned

    The face at an index depends on the options and the index alone. Attributes (`dataset.attributes`, and each
    record's) are skin_tone, hair_style, age, glasses, beard, strong, freckles, character (int64, names in
    `facekit.datasets.synthetic`), one_sided (0 no, 1 left weak, 2 right weak) and true_emotion.
    """

    name = "synthetic"

    def __init__(
        self,
        split: str = "train",
        *,
        people: int | None = None,
        faces_per_person: int = 8,
        size: int | None = None,
        channels: int | None = None,
        domain: str = "photo",
        emotions: Sequence[str] = PROTOCOL_EMOTIONS,
        intensity: tuple[float, float] = (0.4, 1.0),
        frames: int | None = None,
        one_sided: float = 0.0,
        free_units: float = 0.0,
        imitate: str | None = None,
        label_noise: float | None = None,
        cache: bool | Path | str | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        fer = imitate == "fer2013"
        self.options = {
            "split": split,
            "people": PEOPLE.get(split) if people is None else people,
            "faces_per_person": faces_per_person,
            "size": size if size is not None else 48 if fer else 64,
            "channels": channels if channels is not None else 1 if fer else 3,
            "domain": domain,
            "emotions": [EMOTIONS[emotion_index(name)] for name in emotions],
            "intensity": list(intensity),
            "frames": frames,
            "one_sided": one_sided,
            "free_units": free_units,
            "imitate": imitate,
            "label_noise": label_noise if label_noise is not None else 0.1 if fer else 0.0,
        }
        _check(**self.options)
        self.split = split
        self.size, self.channels = self.options["size"], self.options["channels"]
        self.frames = frames
        self.device = torch.device(device)
        self._plan(self.options["people"], faces_per_person)
        self._pixels = self._open_cache(cache)

    # ---------------------------------------------------------------------------------- what is known of each

    def _plan(self, people: int, per_person: int) -> None:
        """Everything about each face but its picture: (len,) tensors."""
        index = torch.arange(people * per_person)
        first = _FIRST_PERSON[self.split]
        person = torch.div(index, per_person, rounding_mode="floor")
        self.persons = person + first
        # Its own number among the faces of all splits: what expression, view and noise are drawn from.
        self._face = self.persons * _MOST_FACES + index % per_person
        emotion = self._share_out_emotions(index, person, per_person)
        free = chance(self._face, "free", self.options["free_units"])
        self._true = torch.where(free, -1, emotion)
        self.labels = torch.where(free, -1, self._noisy(emotion))
        self._intensity = torch.where(free, 1.0, uniform(self._face, "intensity", *self.options["intensity"]))
        domain = self.options["domain"]
        cartoon = {"photo": person * 0, "cartoon": person * 0 + 1, "both": person % 2}[domain]
        self._domain = cartoon
        weak = chance(self._face, "one-sided", self.options["one_sided"]).long()
        self._weak = weak * (1 + chance(self._face, "weak side", 0.5).long())
        everyone = self._identity(torch.arange(people) * per_person)
        self.attributes = {name: value[person] for name, value in everyone.attributes().items()}
        self.attributes |= {"one_sided": self._weak, "true_emotion": self._true}

    def _share_out_emotions(self, index: Tensor, person: Tensor, per_person: int) -> Tensor:
        names = self.options["emotions"]
        code = torch.tensor([EMOTIONS.index(name) for name in names])
        if self.options["imitate"] == "fer2013":
            shares = torch.tensor([FER2013_SHARES.get(name, 1.0) for name in names])
            ends = (shares / shares.sum()).cumsum(0)
            place = (shuffled(index, 1000, f"class {self.split}") + 0.5) / 1000
            return code[torch.searchsorted(ends, place).clamp(max=len(names) - 1)]
        # Whole rounds of all emotions, each person's in an order of its own; what is left over goes round.
        k, n = index % per_person, len(names)
        rounds = per_person // n * n
        seat = person * n + k % n
        turn = shuffled(seat, n, f"emotion {self.split}")
        rest = (person * (per_person - rounds) + k - rounds) % n
        return code[torch.where(k < rounds, turn, rest)]

    def _noisy(self, true: Tensor) -> Tensor:
        """Labels, some replaced by another emotion, each as often as its share of the others."""
        counts = torch.bincount(true, minlength=len(EMOTIONS)).double()
        shares = counts / counts.sum()
        ends = shares.cumsum(0)
        # A place drawn outside of the true emotion's own stretch of the line from 0 to 1.
        away = uniform(self._face, "which label").double() * (1 - shares[true])
        place = torch.searchsorted(ends, (ends[true] + away) % 1, right=True).clamp(max=len(EMOTIONS) - 1)
        wrong = chance(self._face, "wrong label", self.options["label_noise"]) & (shares[true] < 1)
        return torch.where(wrong, place, true)

    def _identity(self, index: Tensor) -> Identity:
        person = self.persons[index]
        photo = Identity.draw(person)
        drawn = Identity.characters(person)
        cartoon = self._domain[index] == 1
        return Identity(
            **{
                name: torch.where(cartoon.view(-1, *[1] * (value.ndim - 1)), getattr(drawn, name), value)
                for name, value in vars(photo).items()
            }
        )

    def _view(self, index: Tensor) -> View:
        if self.options["imitate"] == "fer2013":
            return View.draw(self._face[index], scale=(0.29, 0.40), turn=1.4)
        return View.draw(self._face[index])

    def _units(self, index: Tensor) -> Tensor:
        """Action units (N, A) of each face at its peak and at full intensity, if both halves move alike."""
        face, emotion = self._face[index], self._true[index]
        units = emotional_units(face, emotion.clamp(min=0))
        if (free := emotion < 0).any():
            units[free] = free_units(face[free])
        return units

    def _weaken(self, index: Tensor, units: Tensor) -> Tensor:
        """One half hardly moves on the faces that are one-sided; units (N, A) or (N, T, A)."""
        weak, left, right = self._weak[index, None], *_sides()
        share = uniform(self._face[index], "weakness", 0.0, 0.25)[:, None]
        factor = torch.where(((weak == 1) & left) | ((weak == 2) & right), share, 1.0)
        return units * (factor if units.ndim == 2 else factor[:, None])

    # ------------------------------------------------------------------------------------------------ pictures

    def faces(self, indices: Sequence[int] | Tensor) -> Faces:
        index = self._index(indices)
        if self._pixels is not None:
            return self._from_cache(index)
        return self._record(index, self.draw(index))

    def counterfactual(self, indices: Sequence[int] | Tensor, expression: Expression) -> Faces:
        """The same people, view, light, background and noise with another expression: the true answer to an edit.

        Understands emotion and intensity, action units, and domain. An emotion that a face shows already keeps the
        face's own way of showing it, so a face's own expression gives the face itself; any other is shown by its
        prototype, as `Expression.to_action_units` says. Action units count as they are, whatever the emotion.
        With a time axis, sequences come back. A face that shows free action units has no emotion of its own.

        Raises `UnsupportedExpression` for landmarks, and `ValueError` for a number of rows that does not fit.
        """
        expression.require(_UNDERSTANDS, "SyntheticFaces.counterfactual")
        index = self._index(indices)
        asked = expression.for_faces(len(index)).to("cpu")
        domain = self._domain[index] if asked.domain is None else asked.domain
        drawn = self._render(index, self._asked_units(index, asked), domain)
        emotion, intensity = _said(asked)
        record = {"emotion": emotion, "intensity": intensity, "domain": domain}
        return self._record(index, drawn, record)

    def _asked_units(self, index: Tensor, asked: Expression) -> Tensor:
        if asked.action_units is not None:
            return asked.action_units
        if asked.emotion is None:  # another domain alone
            return self._own_units(index)
        weights = asked.intensity_to_weights().emotion
        units = Expression(emotion=weights).to_action_units().action_units
        # The share of the face's own emotion is shown in the face's own way; one without an emotion has no such share.
        known, own = self._true[index] >= 0, self._true[index].clamp(min=0)
        patterns = Expression.from_labels(own).to_action_units().action_units
        change = (self._units(index) - patterns) * known[:, None]
        at = own[:, None] if weights.ndim == 2 else own[:, None, None].expand(-1, weights.shape[1], 1)
        share = weights.gather(-1, at)
        change = change if weights.ndim == 2 else change[:, None]
        return self._weaken(index, (units + share * change).clamp(0, 1))

    def _own_units(self, index: Tensor) -> Tensor:
        """Action units (N, A), or (N, T, A), that the faces show."""
        peak = self._weaken(index, self._units(index))
        level = self._levels(index)
        return peak * level[:, None] if level.ndim == 1 else peak[:, None] * level[..., None]

    def _levels(self, index: Tensor) -> Tensor:
        """Intensity (N,), or over time (N, T): up and down again, at rest at both ends. A face at rest has 1."""
        peak = torch.where(self._true[index] == NEUTRAL, 1.0, self._intensity[index])
        if self.frames is None:
            return peak
        turn = torch.arange(self.frames) * (torch.pi / (self.frames - 1))
        rising = peak[:, None] * turn.sin().square().round(decimals=6)
        return torch.where(self._true[index, None] == NEUTRAL, 1.0, rising)

    def draw(self, index: Tensor) -> Faces:
        """Faces at indices (N,) of 0 or more as `render` draws them, whether or not there is a cache."""
        return self._render(index, self._own_units(index), self._domain[index])

    def _render(self, index: Tensor, units: Tensor, domain: Tensor) -> Faces:
        identity, view = self._identity(index).to(self.device), self._view(index).to(self.device)
        return render(identity, units.to(self.device), view, self.size, self.channels, domain.to(self.device))

    def _record(self, index: Tensor, drawn: Faces, changed: dict | None = None) -> Faces:
        """Everything that is known of drawn faces. Pictures are rounded to 8 bits, as a cache keeps them."""
        known = {
            "images": from_uint8(to_uint8(drawn.images)),
            "emotion": self.labels[index],
            "intensity": self._levels(index),
            "action_units": drawn.action_units,
            "landmarks": drawn.landmarks,
            "mask": (drawn.mask * 255).round() / 255,
            "person": self.persons[index],
            "domain": self._domain[index],
        }
        known |= changed or {}
        attributes = {name: value[index] for name, value in self.attributes.items()}
        return Faces(**known, attributes=attributes).to(self.device)

    def _index(self, indices: Sequence[int] | Tensor) -> Tensor:
        index = torch.as_tensor(indices, dtype=torch.long).cpu()
        if index.numel() and not (-len(self) <= index.min() and index.max() < len(self)):
            raise IndexError(f"this split has {len(self)} faces; asked for {int(index.min())} to {int(index.max())}")
        return index % len(self)

    @classmethod
    def person(cls, seed: int, n: int = 1) -> Identity:
        """A person by number, n times: for sliders, with `render` and `View.frontal`."""
        return Identity.draw(torch.full((n,), seed))

    # --------------------------------------------------------------------------------------------------- cache

    def _open_cache(self, cache: bool | Path | str | None) -> dict[str, np.ndarray] | None:
        if not cache:
            return None
        key = {**self.options, "renderer": RENDERER_VERSION}
        home = None if cache is True else Path(cache)
        return cached_arrays(f"synthetic-{self.split}", key, partial(write_split, self), home)

    def _from_cache(self, index: Tensor) -> Faces:
        stored = {name: torch.from_numpy(array[index.numpy()]) for name, array in self._pixels.items()}
        drawn = Faces(
            from_uint8(stored["images"]),
            action_units=self._own_units(index),
            landmarks=stored["landmarks"],
            mask=stored["mask"].float() / 255,
        )
        return self._record(index, drawn)


# ---------------------------------------------------------------------------------------------------- expression


def _sides() -> tuple[Tensor, Tensor]:
    """Which columns are the left half's and which the right's, each (A,)."""
    return tuple(torch.tensor([name.endswith(side) for name in ACTION_UNIT_COLUMNS]) for side in "LR")


def _said(asked: Expression) -> tuple[Tensor | None, Tensor | None]:
    """The label (N,) and intensity that an asked-for expression amounts to: its strongest emotion at the peak."""
    if asked.emotion is None:
        return None, None
    said = asked.weights_to_intensity()
    weights = said.emotion
    intensity = said.intensity
    if weights.ndim == 3:
        rest = weights[..., NEUTRAL] > 0.5
        intensity = intensity * ~rest
        weights = asked.intensity_to_weights().emotion.sum(1)
        weights[:, NEUTRAL] *= rest.all(1)
    return weights.argmax(-1), intensity


def _check(
    *,
    split,
    people,
    faces_per_person,
    size,
    channels,
    domain,
    emotions,
    intensity,
    frames,
    one_sided,
    free_units,
    imitate,
    label_noise,
) -> None:
    """Raise `ValueError` for options that make no data set."""
    if split not in SPLITS:
        raise ValueError(f"{split!r} is no split; use one of {', '.join(SPLITS)}")
    if not (1 <= people <= _MOST_PEOPLE and 1 <= faces_per_person <= _MOST_FACES):
        raise ValueError(
            f"people is {people} and faces_per_person {faces_per_person}; "
            f"need 1 to {_MOST_PEOPLE:,} people and 1 to {_MOST_FACES:,} faces of each"
        )
    check_size(size, channels)
    if domain not in (*DOMAINS, "both"):
        raise ValueError(f"{domain!r} is no domain; use {', '.join(DOMAINS)} or both")
    if not emotions or len(set(emotions)) < len(emotions):
        raise ValueError(f"emotions are {emotions}; name at least one emotion, and each once")
    if not 0 <= intensity[0] <= intensity[1] <= 1:
        raise ValueError(f"intensity is {intensity}; need a range within 0 to 1")
    if frames is not None and frames < 3:
        raise ValueError(f"frames is {frames}; a sequence from rest to the peak and back has at least 3")
    for name, share in (("one_sided", one_sided), ("free_units", free_units), ("label_noise", label_noise)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share}; it is a share, 0 to 1")
    if imitate not in (None, "fer2013"):
        raise ValueError(f"{imitate!r} cannot be imitated; 'fer2013' can")
