"""`Expression`: the target expression that every generator takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.faces.action_units import action_unit_vector, mirrored_columns
from facekit.faces.conversions import emotion_to_action_units, intensity_to_neutral, neutral_to_intensity
from facekit.faces.emotions import COMPOUND_EMOTIONS, EMOTIONS, emotion_index
from facekit.faces.expression_text import describe_face
from facekit.faces.landmarks import mirror_landmarks
from facekit.faces.parts import DOMAINS, PART_DIMS, TIMED_PARTS, check_names, check_ranges, check_shapes
from facekit.faces.timeline import segments


class UnsupportedExpression(ValueError):
    """An expression sets a part that the generator does not understand."""


@dataclass(frozen=True, eq=False)
class Expression:
    """The expressions of N faces, one row per face. A part that is None is unset.

    emotion       (N, E) weights over `EMOTIONS`, non-negative, summing to 1
    intensity     (N,) in [0, 1]; 1 is equivalent to unset
    action_units  (N, A) intensities in [0, 1], columns as `ACTION_UNIT_COLUMNS`
    landmarks     (N, 68, 2) in the iBUG order; x to the right and y down, both from -1 to 1 across the image
    domain        (N,) index into `DOMAINS`

    With a time axis, every part except the domain has T after N: (N, T, E), (N, T), and so on.

    Intensity is equivalent to a weight of the neutral emotion: happy at intensity 0.5 is 0.5 happy + 0.5 neutral.
    `intensity_to_weights` and `weights_to_intensity` convert between the two without loss.
    """

    emotion: Tensor | None = None
    intensity: Tensor | None = None
    action_units: Tensor | None = None
    landmarks: Tensor | None = None
    domain: Tensor | None = None

    def __post_init__(self) -> None:
        parts = self._set_parts()
        if not parts:
            raise ValueError("an Expression needs at least one part, such as Expression.of('happy')")
        if self.intensity is not None and self.emotion is None:
            raise ValueError("intensity is the intensity of an emotion: give the emotion too")
        check_shapes(parts)
        check_ranges(parts)

    def _set_parts(self) -> dict[str, Tensor]:
        return {name: value for name in PART_DIMS if (value := getattr(self, name)) is not None}

    # --------------------------------------------------------------------------------------- construction

    @classmethod
    def of(
        cls, emotion: str | Sequence[str], intensity: float | Sequence[float] | Tensor | None = None, n: int = 1
    ) -> Expression:
        """An emotion by name for `n` faces, or a sequence of names, one per face.

        intensity   one value for all faces, or one per face

        >>> Expression.of("happy", 0.7)
        Expression(1 face: happy at 0.70)
        >>> len(Expression.of(["sad", "fear", "angry"]))
        3
        """
        names = [emotion] * n if isinstance(emotion, str) else list(emotion)
        if not names:
            raise ValueError("give at least one emotion")
        labels = torch.tensor([emotion_index(name) for name in names])
        return cls.from_labels(labels, intensity)

    @classmethod
    def from_labels(cls, labels: Tensor, intensity: float | Sequence[float] | Tensor | None = None) -> Expression:
        """Labels (N,) or (N, T), indices into `EMOTIONS`, with one intensity for all or one per label or face.

        >>> Expression.from_labels(torch.tensor([3, 6]))
        Expression(2 faces: happy; neutral)
        """
        if labels.numel() and not ((labels >= 0) & (labels < len(EMOTIONS))).all():
            raise ValueError(
                f"labels must be indices into EMOTIONS, 0 to {len(EMOTIONS) - 1}; -1 marks a face without a label"
            )
        weights = torch.nn.functional.one_hot(labels.long(), len(EMOTIONS)).float()
        if intensity is not None:
            intensity = torch.as_tensor(intensity, dtype=torch.float32, device=labels.device)
            if intensity.ndim == 1 and labels.ndim == 2:  # one per face, not one per frame
                intensity = intensity[:, None]
            intensity = intensity.expand(labels.shape).clone()
        return cls(emotion=weights, intensity=intensity)

    @classmethod
    def neutral(cls, n: int = 1) -> Expression:
        """The neutral expression for n faces.

        >>> Expression.neutral()
        Expression(1 face: neutral)
        """
        return cls.of("neutral", n=n)

    @classmethod
    def blend(cls, weights: dict[str, float], intensity: float | None = None, n: int = 1) -> Expression:
        """A mixture of emotions by name; the weights are non-negative and are normalised to sum to 1.

        >>> Expression.blend({"happy": 3, "surprise": 1})
        Expression(1 face: happy 0.75 + surprise 0.25)
        """
        row = torch.zeros(len(EMOTIONS))
        for name, weight in weights.items():
            if not weight >= 0:
                raise ValueError(f"the weight of {name} is {weight}; weights must not be negative")
            row[emotion_index(name)] += weight
        if row.sum() <= 0:
            raise ValueError("a blend needs at least one weight above 0; for a neutral face use Expression.neutral()")
        level = None if intensity is None else torch.full((n,), float(intensity))
        return cls(emotion=(row / row.sum()).expand(n, -1).clone(), intensity=level)

    @classmethod
    def compound(cls, name: str, intensity: float | None = None, n: int = 1) -> Expression:
        """A compound emotion of `COMPOUND_EMOTIONS` (Du 2014): equal weights of its two basic emotions.

        >>> Expression.compound("happily surprised")
        Expression(1 face: happy 0.50 + surprise 0.50)
        """
        if name not in COMPOUND_EMOTIONS:
            raise ValueError(f"unknown compound emotion {name!r}; use one of {', '.join(COMPOUND_EMOTIONS)}")
        return cls.blend(dict.fromkeys(COMPOUND_EMOTIONS[name], 1.0), intensity, n)

    @classmethod
    def from_action_units(cls, intensities: dict[str | int, float] | Tensor, n: int = 1) -> Expression:
        """Action-unit intensities by name (`"AU12L"`, or `12` for both sides), or a tensor (N, A) or (N, T, A).

        >>> Expression.from_action_units({"AU12": 1, "AU6": 0.5})
        Expression(1 face: AU6 0.50, AU12 1.00)
        """
        if isinstance(intensities, Tensor):
            return cls(action_units=intensities)
        return cls(action_units=action_unit_vector(intensities).expand(n, -1).clone())

    @classmethod
    def from_faces(cls, faces) -> Expression:
        """Every known part of the expressions of `Faces`: for expression transfer, or as the `source` of an edit.

        A generator rejects parts that it does not understand; select one with `.only("landmarks")`.
        """
        return faces.expression

    @classmethod
    def path(
        cls, keyframes: Sequence[Expression], frames: int, ease: Callable[[Tensor], Tensor] | None = None
    ) -> Expression:
        """An expression with a time axis of `frames` frames that interpolates equally spaced keyframes.

        ease    maps progress between two keyframes, (T,) in [0, 1], to [0, 1]; `smoothstep` by default, whose
                velocity is 0 at each keyframe

        >>> Expression.path([Expression.neutral(), Expression.of("happy")], frames=5)
        Expression(1 face, 5 frames: neutral ... happy)
        """
        if len(keyframes) < 2 or frames < 2:
            raise ValueError("a path needs at least two keyframes and two frames")
        if any(key.frames is not None for key in keyframes):
            raise ValueError("keyframes must not have a time axis of their own")
        n = max(len(key) for key in keyframes)
        keyframes = [key.for_faces(n) for key in keyframes]
        return cls.stack([keyframes[i].lerp(keyframes[i + 1], t) for i, t in segments(len(keyframes), frames, ease)])

    @classmethod
    def stack(cls, moments: Sequence[Expression]) -> Expression:
        """Stack expressions without a time axis into one with a time axis, one per frame."""
        moments = _with_equal_parts(moments)
        timed = {
            name: torch.stack([getattr(m, name) for m in moments], dim=1)
            for name in moments[0]._set_parts()
            if name in TIMED_PARTS
        }
        return cls(**timed, domain=moments[0].domain)

    @classmethod
    def cat(cls, expressions: Iterable[Expression]) -> Expression:
        """Concatenate the rows of several expressions, all of which must have the same parts set.

        >>> Expression.cat([Expression.of("happy"), Expression.of("sad", 0.5)])
        Expression(2 faces: happy; sad at 0.50)
        """
        expressions = _with_equal_parts(list(expressions))
        return cls(**{name: torch.cat([getattr(e, name) for e in expressions]) for name in expressions[0]._set_parts()})

    # ------------------------------------------------------------------------------------------ inspection

    def __len__(self) -> int:
        return next(iter(self._set_parts().values())).shape[0]

    @property
    def frames(self) -> int | None:
        """Length of the time axis, or None without one."""
        for name, value in self._set_parts().items():
            if name in TIMED_PARTS:
                return value.shape[1] if value.ndim - 1 > PART_DIMS[name] else None
        return None

    @property
    def parts(self) -> frozenset[str]:
        """Names of the parts that are set. An intensity of 1 for every face counts as unset.

        >>> sorted(Expression.of("happy", 1.0).parts), sorted(Expression.of("happy", 0.5).parts)
        (['emotion'], ['emotion', 'intensity'])
        """
        names = set(self._set_parts())
        if self.intensity is not None and bool((self.intensity == 1).all()):
            names.discard("intensity")
        return frozenset(names)

    def require(self, understands: Iterable[str], generator: str) -> None:
        """Raise `UnsupportedExpression`, with a hint, if a part is set that a generator does not understand.

        understands  names of the parts that it understands
        generator    its name, for the message

        >>> Expression.of("happy", 0.5).require({"emotion"}, "StarGAN")
        Traceback (most recent call last):
            ...
        facekit.faces.expression.UnsupportedExpression: StarGAN understands emotion, but the expression also sets \
intensity: call .intensity_to_weights(), or leave it out with .only('emotion')
        """
        unknown = sorted(self.parts - set(understands))
        if not unknown:
            return
        hints = []
        if unknown == ["intensity"] and "emotion" in understands:
            hints.append("call .intensity_to_weights()")
        if "action_units" in understands and "emotion" in unknown:
            hints.append("call .to_action_units()")
        if remaining := sorted(self.parts & set(understands)):
            hints.append(f"leave it out with .only({', '.join(map(repr, remaining))})")
        known = ", ".join(sorted(understands)) or "nothing"
        advice = f": {', or '.join(hints)}" if hints else ""
        raise UnsupportedExpression(
            f"{generator} understands {known}, but the expression also sets {', '.join(unknown)}{advice}"
        )

    def __repr__(self) -> str:
        n = len(self)
        head = f"{n} face{'s' if n != 1 else ''}" + (f", {self.frames} frames" if self.frames else "")
        if self.frames:
            first, last = self.at(0)._set_parts(), self.at(self.frames - 1)._set_parts()
            body = f"{describe_face(first, 0)} ... {describe_face(last, 0)}" if n else ""
        else:
            parts = self._set_parts()
            body = "; ".join(describe_face(parts, i) for i in range(min(n, 4))) + ("; ..." if n > 4 else "")
        return f"Expression({head}: {body})"

    # ------------------------------------------------------------------------------------- derived versions

    def _map(self, change: Callable[[str, Tensor], Tensor]) -> Expression:
        return Expression(**{name: change(name, value) for name, value in self._set_parts().items()})

    def __getitem__(self, index) -> Expression:
        """Select rows by slice, list, index tensor or mask; a single integer returns one row (N = 1)."""
        if isinstance(index, int):
            index = [index]
        return self._map(lambda _, value: value[index])

    def to(self, device) -> Expression:
        """Move all tensors to a device."""
        return self._map(lambda _, value: value.to(device))

    def repeat(self, n: int) -> Expression:
        """Repeat a single row for n faces.

        >>> len(Expression.of("sad").repeat(5))
        5
        """
        if len(self) != 1:
            raise ValueError(f"repeat takes one row; this expression has {len(self)}")
        return self._map(lambda _, value: value.expand(n, *value.shape[1:]).clone())

    def for_faces(self, n: int) -> Expression:
        """This expression for n faces: unchanged if it has n rows, repeated if it has one; else `ValueError`."""
        if len(self) == n:
            return self
        if len(self) == 1:
            return self.repeat(n)
        raise ValueError(f"the expression has {len(self)} rows for {n} faces; give one row, or one for each face")

    def only(self, *parts: str) -> Expression:
        """Keep these parts and unset all others; raises `ValueError` for an unknown part."""
        check_names(parts)
        return Expression(**{name: value for name, value in self._set_parts().items() if name in parts})

    def with_domain(self, domain: str) -> Expression:
        """The same expression with the domain set to one of `DOMAINS`."""
        if domain not in DOMAINS:
            raise ValueError(f"{domain!r} is not a domain; use one of {', '.join(DOMAINS)}")
        return dataclasses.replace(self, domain=torch.full((len(self),), DOMAINS.index(domain)))

    def with_intensity(self, intensity: float | Tensor) -> Expression:
        """The same emotions at another intensity in [0, 1]: one value for all faces, or one per face."""
        if self.emotion is None:
            raise ValueError("an intensity needs an emotion, and this expression has none")
        level = torch.as_tensor(intensity, dtype=torch.float32, device=self.emotion.device)
        if level.ndim == 1 and self.frames:
            level = level[:, None]
        return dataclasses.replace(self, intensity=level.expand(self.emotion.shape[:-1]).clone())

    def at(self, frame: int) -> Expression:
        """One frame of an expression with a time axis."""
        if self.frames is None:
            raise ValueError("this expression has no time axis")
        return self._map(lambda name, value: value[:, frame] if name in TIMED_PARTS else value)

    def flatten_time(self) -> Expression:
        """The frames as rows: (N, T, ...) becomes (N * T, ...)."""
        if self.frames is None:
            return self
        frames = self.frames
        return self._map(lambda name, v: v.flatten(0, 1) if name in TIMED_PARTS else v.repeat_interleave(frames))

    def mirrored(self) -> Expression:
        """The expression of the horizontally flipped face: left and right action units and landmarks are swapped."""
        changed = {}
        if self.action_units is not None:
            changed["action_units"] = self.action_units[..., mirrored_columns()]
        if self.landmarks is not None:
            changed["landmarks"] = mirror_landmarks(self.landmarks)
        return dataclasses.replace(self, **changed)

    # ------------------------------------------------------------------------------------------ conversion

    def intensity_to_weights(self) -> Expression:
        """Convert the intensity to a weight of neutral: happy at 0.5 becomes 0.5 happy + 0.5 neutral.

        >>> Expression.of("happy", 0.5).intensity_to_weights()
        Expression(1 face: happy 0.50 + neutral 0.50)
        """
        if self.emotion is None:
            raise ValueError("this expression has no emotion")
        if self.intensity is None:
            return self
        weights = intensity_to_neutral(self.emotion, self.intensity)
        return dataclasses.replace(self, emotion=weights, intensity=None)

    def weights_to_intensity(self) -> Expression:
        """Convert the weight of neutral to an intensity; a neutral face remains neutral at intensity 1.

        >>> Expression.blend({"happy": 1, "neutral": 3}).weights_to_intensity()
        Expression(1 face: happy at 0.25)
        """
        weights, intensity = neutral_to_intensity(self.intensity_to_weights().emotion)
        return dataclasses.replace(self, emotion=weights, intensity=intensity)

    def to_action_units(self) -> Expression:
        """Convert the emotions to action units: the EMFACS prototypes, scaled by weight and intensity.

        Generators never convert implicitly. Raises `ValueError` if there is no emotion, or if action units are
        already set.

        >>> Expression.of("happy", 0.5).to_action_units()
        Expression(1 face: AU6 0.50, AU12 0.50, AU25 0.50)
        """
        weights = self.intensity_to_weights().emotion
        if self.action_units is not None:
            raise ValueError("action units are set already; keep the emotion alone with .only('emotion', 'intensity')")
        return Expression(action_units=emotion_to_action_units(weights), landmarks=self.landmarks, domain=self.domain)

    def lerp(self, other: Expression, t: float) -> Expression:
        """Interpolate linearly towards another expression with the same parts set, t in [0, 1].

        Emotions are interpolated as weights, so that half-way from neutral to happy is 0.5 happy + 0.5 neutral. If
        either expression sets an intensity, the result sets one too.

        >>> Expression.neutral().lerp(Expression.of("happy", 0.8), 0.5)
        Expression(1 face: happy at 0.40)
        """
        if not 0 <= t <= 1:
            raise ValueError(f"t is {t}; it must lie in [0, 1]")
        has_intensity = self.intensity is not None or other.intensity is not None
        a, b = _with_equal_parts([self, other])
        if len(a) != len(b):
            a, b = (a.for_faces(len(b)), b) if len(a) == 1 else (a, b.for_faces(len(a)))
        if a.domain is not None and not torch.equal(a.domain, b.domain):
            raise ValueError("domains cannot be interpolated: set the same domain in both expressions")
        if a.emotion is not None:
            a, b = a.intensity_to_weights(), b.intensity_to_weights()
        between = a._map(
            lambda name, value: value if name == "domain" else torch.lerp(value.float(), getattr(b, name).float(), t)
        )
        return between.weights_to_intensity() if has_intensity else between

    # ---------------------------------------------------------------------------------------------- saving

    def to_dict(self) -> dict[str, list]:
        """The parts that are set as nested lists, for JSON."""
        return {name: value.tolist() for name, value in self._set_parts().items()}

    @classmethod
    def from_dict(cls, parts: dict[str, list]) -> Expression:
        """The inverse of `to_dict`; raises `ValueError` for an unknown part."""
        check_names(parts)
        kinds = {name: torch.long if name == "domain" else torch.float32 for name in parts}
        return cls(**{name: torch.tensor(value, dtype=kinds[name]) for name, value in parts.items()})


def _with_equal_parts(expressions: Sequence[Expression]) -> list[Expression]:
    """Check that all set the same parts. If only some set an intensity, it is set to 1 in the others."""
    if not expressions:
        raise ValueError("give at least one expression")
    if any(e.intensity is not None for e in expressions):
        expressions = [e if e.intensity is not None or e.emotion is None else e.with_intensity(1) for e in expressions]
    parts = [set(e._set_parts()) for e in expressions]
    if any(p != parts[0] for p in parts):
        raise ValueError(f"the expressions set different parts: {[sorted(p) for p in parts]}; use .only(...) first")
    return list(expressions)
