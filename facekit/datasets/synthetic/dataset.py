"""`SyntheticFaces`: the embedded dataset, rendered on demand, with the ground truth of every edit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facekit.datasets.base import FaceDataset
from facekit.datasets.cache import cached_arrays
from facekit.datasets.synthetic.draws import chance, uniform
from facekit.datasets.synthetic.identity import Identity
from facekit.datasets.synthetic.labels import balanced_emotions, imbalanced_emotions, noisy_labels
from facekit.datasets.synthetic.motion import MOTION_VERSION, Motion, Timing
from facekit.datasets.synthetic.options import MAX_FACES, resolved_options
from facekit.datasets.synthetic.render import RENDERER_VERSION, render
from facekit.datasets.synthetic.split import write_split
from facekit.datasets.synthetic.units import emotional_units, free_units
from facekit.datasets.synthetic.view import View
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.emotions import NEUTRAL, PROTOCOL_EMOTIONS, emotion_index
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, from_uint8, to_uint8

_FIRST_PERSON = {"train": 0, "valid": 1_000_000, "test": 2_000_000}

_UNDERSTANDS = frozenset({"emotion", "intensity", "action_units", "domain"})


class SyntheticFaces(FaceDataset):
    """Rendered faces with exact annotations and counterfactuals.

    split             the people of different splits are different
    people            number of people; by default as in `options.PEOPLE`
    first_person      number of the first of these people within the split, so that two datasets may have other people
    faces_per_person  number of faces of each person; their emotions are balanced
    size, channels    pixels, and 3 or 1; by default 64 and 3, or 48 and 1 when imitating FER-2013
    domain            `"photo"`; `"cartoon"`, with variations of six characters; or `"both"`, where every second person
                      is a cartoon
    emotions          emotions that occur
    intensity         range of the intensity of the expressions
    frames            None for still images, or the number of frames of sequences, each of which begins neutral
    fps               frame rate of sequences; None: equally spaced frames of the whole take
    until             where sequences without a frame rate end: "end", back at neutral, or "apex", as in CK+
    one_sided         share of faces with one weak half, as in facial palsy
    free_units        share of faces with a few random action units instead of an emotion. Their label and true emotion
                      are -1, their intensity is 1, and `BalancedSampler` leaves them out
    imitate           `"fer2013"`: class imbalance, label noise, varying crops, greyscale and 48 x 48 pixels as in
                      FER-2013
    label_noise       share of labels replaced by another emotion; by default 0, or 0.1 when imitating FER-2013.
                      `labels` and `Faces.emotion` contain the noisy labels, `attributes["true_emotion"]` the true ones
    cache             True renders the split once into a file that is mapped into memory; a path is the folder of the
                      cache
    device            the device on which faces are rendered and returned

    The face at an index depends on the options and the index alone. A sequence shows the face of the still image at its
    index: its action units move to those of the still (`facekit.datasets.synthetic.motion`), and the first frame has
    the view of the still. `seconds` (N,) are the durations from the first to the last frame. Attributes
    (`dataset.attributes`, and those of each `Faces`) are skin_tone, hair_style, age, glasses, beard, strong, freckles,
    character (int64, names in `facekit.datasets.synthetic`), one_sided (0 no, 1 left side weak, 2 right side weak) and
    true_emotion. Raises `ValueError` for invalid options.
    """

    name = "synthetic"

    def __init__(
        self,
        split: str = "train",
        *,
        people: int | None = None,
        first_person: int = 0,
        faces_per_person: int = 8,
        size: int | None = None,
        channels: int | None = None,
        domain: str = "photo",
        emotions: Sequence[str] = PROTOCOL_EMOTIONS,
        intensity: tuple[float, float] = (0.4, 1.0),
        frames: int | None = None,
        fps: float | None = None,
        until: str = "end",
        one_sided: float = 0.0,
        free_units: float = 0.0,
        imitate: str | None = None,
        label_noise: float | None = None,
        cache: bool | Path | str | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.options = resolved_options({
            "split": split, "people": people, "first_person": first_person, "faces_per_person": faces_per_person,
            "size": size, "channels": channels, "domain": domain, "emotions": emotions, "intensity": intensity,
            "frames": frames, "fps": fps, "until": until, "one_sided": one_sided, "free_units": free_units,
            "imitate": imitate, "label_noise": label_noise,
        })  # fmt: skip
        self.split = split
        self.size, self.channels = self.options["size"], self.options["channels"]
        self.frames, self._fps, self._until = frames, fps, until
        self.device = torch.device(device)
        self._annotate(self.options["people"], faces_per_person)
        self._pixels = None  # while the cache is written
        self._pixels = self._open_cache(cache)

    # ------------------------------------------------------------------------------------------- annotations

    def _annotate(self, people: int, per_person: int) -> None:
        """Set the annotations of all faces that are known before rendering, each (len,)."""
        index = torch.arange(people * per_person)
        person = torch.div(index, per_person, rounding_mode="floor")
        self.persons = person + _FIRST_PERSON[self.split] + self.options.get("first_person", 0)
        # A unique number among the faces of all splits: the key of the random draws of expression, view and noise.
        self._face = self.persons * MAX_FACES + index % per_person
        self._label(people, per_person)
        domains = {"photo": person * 0, "cartoon": person * 0 + 1, "both": person % 2}
        self._domain = domains[self.options["domain"]]
        weak = chance(self._face, "one-sided", self.options["one_sided"]).long()
        self._weak = weak * (1 + chance(self._face, "weak side", 0.5).long())
        identities = self._identity(torch.arange(people) * per_person)
        self.attributes = {name: value[person] for name, value in identities.attributes().items()}
        self.attributes |= {"one_sided": self._weak, "true_emotion": self._true}

    def _label(self, people: int, per_person: int) -> None:
        """Set the true emotions, labels and intensities of all faces."""
        emotions, split = self.options["emotions"], self.split
        if self.options["imitate"] == "fer2013":
            emotion = imbalanced_emotions(people * per_person, emotions, split)
        else:
            emotion = balanced_emotions(people, per_person, emotions, split)
        free = chance(self._face, "free", self.options["free_units"])
        self._true = torch.where(free, -1, emotion)
        self.labels = torch.where(free, -1, noisy_labels(self._face, emotion, self.options["label_noise"]))
        self._intensity = torch.where(free, 1.0, uniform(self._face, "intensity", *self.options["intensity"]))

    def _identity(self, index: Tensor) -> Identity:
        person = self.persons[index]
        photo, character = Identity.draw(person), Identity.characters(person)
        cartoon = self._domain[index] == 1
        return Identity(
            **{
                name: torch.where(cartoon.view(-1, *[1] * (value.ndim - 1)), getattr(character, name), value)
                for name, value in vars(photo).items()
            }
        )

    def _view(self, index: Tensor) -> View:
        if self.options["imitate"] == "fer2013":
            return View.draw(self._face[index], scale=(0.29, 0.40), turn=1.4)
        return View.draw(self._face[index])

    # ------------------------------------------------------------------------------------------ action units

    def _peak_units(self, index: Tensor) -> Tensor:
        """Action units (N, A) of each face at its peak and at full intensity, before one side is weakened."""
        face, emotion = self._face[index], self._true[index]
        units = emotional_units(face, emotion.clamp(min=0))
        if (free := emotion < 0).any():
            units[free] = free_units(face[free])
        return units

    def _weakened(self, index: Tensor, units: Tensor) -> Tensor:
        """Action units (N, A) or (N, T, A) with one side weakened on one-sided faces."""
        weak, left, right = self._weak[index, None], *_sides()
        share = uniform(self._face[index], "weakness", 0.0, 0.25)[:, None]
        factor = torch.where(((weak == 1) & left) | ((weak == 2) & right), share, 1.0)
        return units * (factor if units.ndim == 2 else factor[:, None])

    @cached_property
    def _peaks(self) -> Tensor:
        """Action units (N, A) of all faces at their peaks, computed once: for every batch it would be too slow."""
        every = torch.arange(len(self))
        return self._weakened(every, self._peak_units(every))

    def _units(self, index: Tensor) -> Tensor:
        """Action units (N, A), or (N, T, A), of the faces."""
        peak = self._weakened(index, self._peak_units(index)) if self._pixels is None else self._peaks[index]
        if self.frames is None:
            return peak * self._levels(index)[:, None]
        return self._motion(index, self._true[index]).of_units(peak * self._intensity[index, None])

    def _levels(self, index: Tensor) -> Tensor:
        """Intensity (N,), or (N, T) for sequences, which begins at 0; 1 for neutral."""
        peak = torch.where(self._true[index] == NEUTRAL, 1.0, self._intensity[index])
        if self.frames is None:
            return peak
        timing = Timing.draw(self._face[index], self._true[index])
        level = timing.level(timing.times(self.frames, self._fps, self._until))
        return torch.where(self._true[index, None] == NEUTRAL, 1.0, peak[:, None] * level)

    def _motion(self, index: Tensor, emotion: Tensor) -> Motion:
        """The motion of sequences (N,), as it is if they show these emotions (N,)."""
        return Motion.draw(self._face[index], emotion, self._intensity[index], self.frames, self._fps, self._until)

    @cached_property
    def seconds(self) -> Tensor:
        """Seconds (len,) from the first to the last frame of each sequence. Raises `ValueError` for stills."""
        self._require_sequences("duration")
        return Timing.draw(self._face, self._true).times(self.frames, self._fps, self._until)[:, -1].float()

    def units(self, indices: Sequence[int] | Tensor) -> Tensor:
        """The action units of faces (N, A), or of sequences (N, T, A), without their images."""
        return self._units(self._index(indices))

    def motion(self, indices: Sequence[int] | Tensor, emotion: str | None = None) -> Expression:
        """The motion of sequences, for `counterfactual`: their action units by frame (N, T, A).

        With an emotion, that of the same people and takes if they showed this emotion. Raises `ValueError` for stills.
        """
        self._require_sequences("motion")
        index = self._index(indices)
        if emotion is None:
            return Expression(action_units=self._units(index))
        shown = torch.full_like(index, emotion_index(emotion))
        peak = self._weakened(index, emotional_units(self._face[index], shown)) * self._intensity[index, None]
        return Expression(action_units=self._motion(index, shown).of_units(peak))

    def _require_sequences(self, what: str) -> None:
        if self.frames is None:
            raise ValueError(f"still images have no {what}: open the dataset with frames=..., such as frames=32")

    def _counterfactual_units(self, index: Tensor, target: Expression) -> Tensor:
        """Action units (N, A), or (N, T, A), of the faces with a target expression."""
        if target.action_units is not None:
            return target.action_units
        if target.emotion is None:  # another domain alone
            return self._units(index)
        weights = target.intensity_to_weights().emotion
        units = Expression(emotion=weights).to_action_units().action_units
        # The share of the face's own emotion deviates from the prototype as the face does.
        has_emotion, own = self._true[index] >= 0, self._true[index].clamp(min=0)
        prototypes = Expression.from_labels(own).to_action_units().action_units
        deviation = (self._peak_units(index) - prototypes) * has_emotion[:, None]
        at = own[:, None] if weights.ndim == 2 else own[:, None, None].expand(-1, weights.shape[1], 1)
        share = weights.gather(-1, at)
        deviation = deviation if weights.ndim == 2 else deviation[:, None]
        return self._weakened(index, (units + share * deviation).clamp(0, 1))

    # ------------------------------------------------------------------------------------------------ images

    def faces(self, indices: Sequence[int] | Tensor) -> Faces:
        index = self._index(indices)
        if self._pixels is not None:
            return self._from_cache(index)
        return self._record(index, self.render(index))

    def counterfactual(self, indices: Sequence[int] | Tensor, expression: Expression) -> Faces:
        """The ground truth of an edit: the same identity, view, illumination, background and noise, with a target
        expression.

        Understands emotion, intensity, action units and domain. The emotion of the face itself keeps its individual
        variation, so that the face's own expression returns the face itself; other emotions are rendered with their
        prototypes, as in `Expression.to_action_units`. Action units are rendered as given. A face with free action
        units has no emotion of its own.

        For an expression with a time axis, the result is a sequence. From a dataset of sequences it has their path of
        the head; `motion` returns other people's motions, or those of other emotions.

        Raises `UnsupportedExpression` for landmarks, and `ValueError` for a number of rows, or of frames of sequences,
        that does not match.
        """
        expression.require(_UNDERSTANDS, "SyntheticFaces.counterfactual")
        index = self._index(indices)
        target = expression.for_faces(len(index)).to("cpu")
        if self.frames is not None and target.frames not in (None, self.frames):
            raise ValueError(
                f"the expression has {target.frames} frames, and the sequences of this dataset {self.frames}"
            )
        emotion, intensity = _label_and_intensity(target)
        changed = {"emotion": emotion, "intensity": intensity, "domain": self._domain_of(index, target)}
        return self._record(index, self.render(index, target=target), changed)

    def render(self, index: Tensor, device: torch.device | None = None, *, target: Expression | None = None) -> Faces:
        """Render the faces at non-negative indices (N,), without the cache; by default on the device of the dataset.

        target  an expression of N rows, to render the faces with it in place of their own
        """
        units = self._units(index) if target is None else self._counterfactual_units(index, target)
        return self._render(index, units, self._domain_of(index, target), device)

    def _domain_of(self, index: Tensor, target: Expression | None) -> Tensor:
        """The domains (N,) of faces with a target expression, which may name another one."""
        return self._domain[index] if target is None or target.domain is None else target.domain

    def _render(self, index: Tensor, units: Tensor, domain: Tensor, device: torch.device | None = None) -> Faces:
        device = device or self.device
        identity, view = self._identity(index).to(device), self._view(index)
        if self.frames is not None and units.ndim == 3:
            view = self._motion(index, self._true[index]).of_view(view)
        view = view.to(device)
        return render(identity, units.to(device), view, self.size, self.channels, domain.to(device))

    def _record(self, index: Tensor, rendered: Faces, changed: dict | None = None) -> Faces:
        """Rendered faces with all annotations. Images are rounded to 8 bits, as in a cache."""
        known = {
            "images": from_uint8(to_uint8(rendered.images)),
            "emotion": self.labels[index],
            "intensity": self._levels(index),
            "action_units": rendered.action_units,
            "landmarks": rendered.landmarks,
            "mask": (rendered.mask * 255).round() / 255,
            "person": self.persons[index],
            "domain": self._domain[index],
        }
        known |= changed or {}
        attributes = {name: value[index] for name, value in self.attributes.items()}
        return Faces(**known, attributes=attributes).to(self.device)

    def _index(self, indices: Sequence[int] | Tensor) -> Tensor:
        index = torch.as_tensor(indices, dtype=torch.long).cpu()
        if index.numel() and not (-len(self) <= index.min() and index.max() < len(self)):
            raise IndexError(
                f"indices range from {int(index.min())} to {int(index.max())}, but the split has {len(self)} faces"
            )
        return index % len(self)

    @classmethod
    def person(cls, seed: int, n: int = 1) -> Identity:
        """The identity with this number, n times, for use with `render` and `View.frontal`."""
        return Identity.draw(torch.full((n,), seed))

    # --------------------------------------------------------------------------------------------------- cache

    def _open_cache(self, cache: bool | Path | str | None) -> dict[str, np.ndarray] | None:
        if not cache:
            return None
        key = {**self.options, "renderer": RENDERER_VERSION}
        if self.frames is not None:
            key["motion"] = MOTION_VERSION
        home = None if cache is True else Path(cache)
        return cached_arrays(f"synthetic-{self.split}", key, partial(write_split, self), home)

    def _from_cache(self, index: Tensor) -> Faces:
        stored = {name: torch.from_numpy(array[index.numpy()]) for name, array in self._pixels.items()}
        rendered = Faces(
            from_uint8(stored["images"]),
            action_units=self._units(index) if self.frames is None else stored["action_units"],
            landmarks=stored["landmarks"],
            mask=stored["mask"].float() / 255,
        )
        return self._record(index, rendered)


def _sides() -> tuple[Tensor, Tensor]:
    """Masks (A,) of the columns of the left and of the right side."""
    return tuple(torch.tensor([name.endswith(side) for name in ACTION_UNIT_COLUMNS]) for side in "LR")


def _label_and_intensity(target: Expression) -> tuple[Tensor | None, Tensor | None]:
    """The label (N,) of a target expression, its emotion with the greatest weight, and the intensity (N,) or (N, T)."""
    if target.emotion is None:
        return None, None
    converted = target.weights_to_intensity()
    weights, intensity = converted.emotion, converted.intensity
    if weights.ndim == 3:
        neutral = weights[..., NEUTRAL] > 0.5
        intensity = intensity * ~neutral
        weights = target.intensity_to_weights().emotion.sum(1)
        weights[:, NEUTRAL] *= neutral.all(1)
    return weights.argmax(-1), intensity
