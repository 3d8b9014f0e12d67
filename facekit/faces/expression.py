"""What a face should show: the one thing that every generator is asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.faces.action_units import (
    ACTION_UNIT_COLUMNS,
    ACTION_UNITS,
    action_unit_columns,
    action_unit_vector,
    mirrored_columns,
)
from facekit.faces.emotions import COMPOUND_EMOTIONS, EMOTIONS, NEUTRAL, emotion_index
from facekit.faces.landmarks import mirror_landmarks
from facekit.faces.prototypes import prototype_matrix

DOMAINS = ("photo", "cartoon")
"""Looks that a picture may have; `Expression.domain` and `Faces.domain` are indices into it."""

# Dimensions of each part for one face at one moment.
_PART_DIMS = {"emotion": 1, "intensity": 0, "action_units": 1, "landmarks": 2, "domain": 0}
_TIMED = ("emotion", "intensity", "action_units", "landmarks")


class UnsupportedExpression(ValueError):
    """An expression asks a generator for something that it does not understand."""


@dataclass(frozen=True, eq=False)
class Expression:
    """What N faces should show, one row per face. A part that is None is not asked for.

    emotion       (N, E) weights over `EMOTIONS`, at least 0, summing to 1
    intensity     (N,) in [0, 1]; 1 counts as unset
    action_units  (N, A) strengths in [0, 1], columns as `ACTION_UNIT_COLUMNS`
    landmarks     (N, 68, 2) in the iBUG order; x to the right and y down, both from -1 to 1 across the picture
    domain        (N,) index into `DOMAINS`

    With a time axis, every part but the domain has T after N: (N, T, E), (N, T), and so on.

    Emotion and intensity are two spellings of one thing: happy at intensity 0.5 is half happy, half neutral.
    `weights_to_intensity` and `intensity_to_weights` go from one to the other and lose nothing.
    """

    emotion: Tensor | None = None
    intensity: Tensor | None = None
    action_units: Tensor | None = None
    landmarks: Tensor | None = None
    domain: Tensor | None = None

    def __post_init__(self) -> None:
        if not self._set_parts():
            raise ValueError("an Expression needs at least one part, such as Expression.of('happy')")
        if self.intensity is not None and self.emotion is None:
            raise ValueError("intensity says how strongly an emotion is shown: give the emotion too")
        self._check_shapes()
        self._check_ranges()

    def _set_parts(self) -> dict[str, Tensor]:
        return {name: value for name in _PART_DIMS if (value := getattr(self, name)) is not None}

    def _check_shapes(self) -> None:
        sizes, frames = {}, {}
        last = {"emotion": (len(EMOTIONS),), "action_units": (len(ACTION_UNIT_COLUMNS),), "landmarks": (68, 2)}
        for name, value in self._set_parts().items():
            extra = value.ndim - 1 - _PART_DIMS[name]
            if extra not in ((0, 1) if name in _TIMED else (0,)):
                raise ValueError(f"{name} has shape {tuple(value.shape)}; see Expression for the shape it must have")
            if name in last and tuple(value.shape[-len(last[name]) :]) != last[name]:
                raise ValueError(f"{name} has shape {tuple(value.shape)}; it must end in {last[name]}")
            sizes[name] = value.shape[0]
            if name in _TIMED:
                frames[name] = value.shape[1] if extra else None
        if len(set(sizes.values())) > 1 or len(set(frames.values())) > 1:
            raise ValueError(f"the parts disagree in their number of faces {sizes} or frames {frames}")

    def _check_ranges(self) -> None:
        for name, value in self._set_parts().items():
            if name != "domain" and not torch.isfinite(value).all():
                raise ValueError(f"{name} holds a number that is not finite")
        slack = 1e-4
        for name in ("emotion", "intensity", "action_units"):
            value = getattr(self, name)
            if value is not None and value.numel() and (value.min() < -slack or value.max() > 1 + slack):
                raise ValueError(
                    f"{name} must lie in [0, 1]; it reaches from {value.min().item():.3g} to {value.max().item():.3g}"
                )
        if self.emotion is not None and ((self.emotion.sum(-1) - 1).abs() > 1e-3).any():
            raise ValueError("the emotion weights of each face must sum to 1; Expression.blend does that for you")
        if self.domain is not None and not ((self.domain >= 0) & (self.domain < len(DOMAINS))).all():
            raise ValueError(f"domain must be an index into {DOMAINS}")

    # ------------------------------------------------------------------------------------------- building

    @classmethod
    def of(
        cls, emotion: str | Sequence[str], intensity: float | Sequence[float] | Tensor | None = None, n: int = 1
    ) -> Expression:
        """An emotion by name, for `n` faces; or a list of names, one a face, with one intensity or one each.

        >>> Expression.of("happy", 0.7)
        Expression(1 face: happy at 0.70)
        >>> len(Expression.of(["sad", "fear", "angry"]))
        3
        """
        names = [emotion] * n if isinstance(emotion, str) else list(emotion)
        if not names:
            raise ValueError("name at least one emotion")
        labels = torch.tensor([emotion_index(name) for name in names])
        return cls.from_labels(labels, intensity)

    @classmethod
    def from_labels(cls, labels: Tensor, intensity: float | Sequence[float] | Tensor | None = None) -> Expression:
        """Labels (N,) or (N, T) as indices into `EMOTIONS`, with one intensity or one each.

        >>> Expression.from_labels(torch.tensor([3, 6]))
        Expression(2 faces: happy; neutral)
        """
        if labels.numel() and not ((labels >= 0) & (labels < len(EMOTIONS))).all():
            raise ValueError(f"labels must be indices into EMOTIONS, 0 to {len(EMOTIONS) - 1}; -1 marks an unknown one")
        weights = torch.nn.functional.one_hot(labels.long(), len(EMOTIONS)).float()
        if intensity is not None:
            intensity = torch.as_tensor(intensity, dtype=torch.float32, device=labels.device)
            if intensity.ndim == 1 and labels.ndim == 2:  # one a face, and not one a moment
                intensity = intensity[:, None]
            intensity = intensity.expand(labels.shape).clone()
        return cls(emotion=weights, intensity=intensity)

    @classmethod
    def neutral(cls, n: int = 1) -> Expression:
        """A face at rest.

        >>> Expression.neutral()
        Expression(1 face: neutral)
        """
        return cls.of("neutral", n=n)

    @classmethod
    def blend(cls, weights: dict[str, float], intensity: float | None = None, n: int = 1) -> Expression:
        """A mixture of emotions, in proportion to the weights given.

        >>> Expression.blend({"happy": 3, "surprise": 1})
        Expression(1 face: happy 0.75 + surprise 0.25)
        """
        row = torch.zeros(len(EMOTIONS))
        for name, weight in weights.items():
            if not weight >= 0:
                raise ValueError(f"the weight of {name} is {weight}; weights are at least 0")
            row[emotion_index(name)] += weight
        if row.sum() <= 0:
            raise ValueError("a blend needs at least one weight above 0; for a face at rest use Expression.neutral()")
        level = None if intensity is None else torch.full((n,), float(intensity))
        return cls(emotion=(row / row.sum()).expand(n, -1).clone(), intensity=level)

    @classmethod
    def compound(cls, name: str, intensity: float | None = None, n: int = 1) -> Expression:
        """A compound emotion of `COMPOUND_EMOTIONS` (Du 2014), as an even blend of its two parts.

        >>> Expression.compound("happily surprised")
        Expression(1 face: happy 0.50 + surprise 0.50)
        """
        if name not in COMPOUND_EMOTIONS:
            raise ValueError(f"{name!r} is no compound emotion; known are {', '.join(COMPOUND_EMOTIONS)}")
        return cls.blend(dict.fromkeys(COMPOUND_EMOTIONS[name], 1.0), intensity, n)

    @classmethod
    def from_action_units(cls, strengths: dict[str | int, float] | Tensor, n: int = 1) -> Expression:
        """Action units by name (`"AU12L"`, or `12` for both sides) or as a tensor (N, A) or (N, T, A).

        >>> Expression.from_action_units({"AU12": 1, "AU6": 0.5})
        Expression(1 face: AU6 0.50, AU12 1.00)
        """
        if isinstance(strengths, Tensor):
            return cls(action_units=strengths)
        return cls(action_units=action_unit_vector(strengths).expand(n, -1).clone())

    @classmethod
    def from_faces(cls, faces) -> Expression:
        """All that is known of what these faces show: for expression transfer, and as the `source` of an edit.

        A generator refuses the parts that it does not understand, so pick: `.only("landmarks")`.
        """
        return faces.expression

    @classmethod
    def path(
        cls, keyframes: Sequence[Expression], frames: int, ease: Callable[[Tensor], Tensor] | None = None
    ) -> Expression:
        """An expression with a time axis of `frames` moments, moving through the keyframes at even pace.

        ease    maps progress within each leg, (T,) in [0, 1], to [0, 1]; `smoothstep` by default, which starts
                and ends at rest.

        >>> Expression.path([Expression.neutral(), Expression.of("happy")], frames=5)
        Expression(1 face, 5 frames: neutral ... happy)
        """
        if len(keyframes) < 2 or frames < 2:
            raise ValueError("a path needs at least two keyframes and two frames")
        if any(key.frames is not None for key in keyframes):
            raise ValueError("keyframes must not have a time axis of their own")
        n = max(len(key) for key in keyframes)
        keyframes = [key.for_faces(n) for key in keyframes]
        progress = torch.linspace(0, len(keyframes) - 1, frames)
        leg = progress.floor().clamp(max=len(keyframes) - 2)
        within = (ease or smoothstep)(progress - leg)
        moments = [keyframes[int(i)].lerp(keyframes[int(i) + 1], float(t)) for i, t in zip(leg, within, strict=True)]
        return cls.stack(moments)

    @classmethod
    def stack(cls, moments: Sequence[Expression]) -> Expression:
        """Expressions without a time axis, as the moments of one that has it."""
        moments = _same_parts(moments)
        timed = {
            name: torch.stack([getattr(m, name) for m in moments], dim=1)
            for name in moments[0]._set_parts()
            if name in _TIMED
        }
        return cls(**timed, domain=moments[0].domain)

    @classmethod
    def cat(cls, expressions: Iterable[Expression]) -> Expression:
        """Rows of several expressions, one after the other; all must have the same parts set.

        >>> Expression.cat([Expression.of("happy"), Expression.of("sad", 0.5)])
        Expression(2 faces: happy; sad at 0.50)
        """
        expressions = _same_parts(list(expressions))
        return cls(**{name: torch.cat([getattr(e, name) for e in expressions]) for name in expressions[0]._set_parts()})

    # -------------------------------------------------------------------------------------------- looking

    def __len__(self) -> int:
        return next(iter(self._set_parts().values())).shape[0]

    @property
    def frames(self) -> int | None:
        """Length of the time axis, or None."""
        for name, value in self._set_parts().items():
            if name in _TIMED:
                return value.shape[1] if value.ndim - 1 > _PART_DIMS[name] else None
        return None

    @property
    def parts(self) -> frozenset[str]:
        """What is asked for. An intensity of 1 everywhere counts as unset.

        >>> sorted(Expression.of("happy", 1.0).parts), sorted(Expression.of("happy", 0.5).parts)
        (['emotion'], ['emotion', 'intensity'])
        """
        names = set(self._set_parts())
        if self.intensity is not None and bool((self.intensity == 1).all()):
            names.discard("intensity")
        return frozenset(names)

    def require(self, understands: Iterable[str], who: str) -> None:
        """Raise `UnsupportedExpression` where this asks for more than `who` understands, and say what to do.

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
        keep = sorted(self.parts & set(understands))
        if keep:
            hints.append(f"leave it out with .only({', '.join(map(repr, keep))})")
        known = ", ".join(sorted(understands)) or "nothing"
        advice = f": {', or '.join(hints)}" if hints else ""
        raise UnsupportedExpression(
            f"{who} understands {known}, but the expression also sets {', '.join(unknown)}{advice}"
        )

    def __repr__(self) -> str:
        n = len(self)
        head = f"{n} face{'s' if n != 1 else ''}" + (f", {self.frames} frames" if self.frames else "")
        if self.frames:
            body = f"{self.at(0)._row(0)} ... {self.at(self.frames - 1)._row(0)}" if n else ""
        else:
            body = "; ".join(self._row(i) for i in range(min(n, 4))) + ("; ..." if n > 4 else "")
        return f"Expression({head}: {body})"

    def _row(self, i: int) -> str:
        said = []
        if self.emotion is not None:
            shown = [(EMOTIONS[j], w) for j, w in enumerate(self.emotion[i].tolist()) if w > 5e-3]
            mixture = shown[0][0] if len(shown) == 1 else " + ".join(f"{name} {w:.2f}" for name, w in shown)
            at = "" if self.intensity is None or self.intensity[i] == 1 else f" at {self.intensity[i].item():.2f}"
            said.append(mixture + at)
        if self.action_units is not None:
            said.append(_spell_units(self.action_units[i]))
        if self.landmarks is not None:
            said.append("68 landmarks")
        if self.domain is not None:
            said.append(DOMAINS[int(self.domain[i])])
        return ", ".join(said)

    # ------------------------------------------------------------------------------------------- changing

    def _map(self, change: Callable[[str, Tensor], Tensor]) -> Expression:
        return Expression(**{name: change(name, value) for name, value in self._set_parts().items()})

    def __getitem__(self, index) -> Expression:
        """Some of the rows, by slice, list, index tensor or mask; a single integer keeps its row as N = 1."""
        if isinstance(index, int):
            index = [index]
        return self._map(lambda _, value: value[index])

    def to(self, device) -> Expression:
        """The same on another device."""
        return self._map(lambda _, value: value.to(device))

    def repeat(self, n: int) -> Expression:
        """One row, for n faces.

        >>> len(Expression.of("sad").repeat(5))
        5
        """
        if len(self) != 1:
            raise ValueError(f"repeat takes one row; this expression has {len(self)}")
        return self._map(lambda _, value: value.expand(n, *value.shape[1:]).clone())

    def for_faces(self, n: int) -> Expression:
        """This expression for n faces: itself where it has n rows, its one row repeated, or a clear error."""
        if len(self) == n:
            return self
        if len(self) == 1:
            return self.repeat(n)
        raise ValueError(f"the expression has {len(self)} rows for {n} faces; give one row, or one for each face")

    def only(self, *parts: str) -> Expression:
        """Just these parts, the others unset."""
        unknown = set(parts) - set(_PART_DIMS)
        if unknown:
            raise ValueError(f"{sorted(unknown)} are no parts of an expression; it has {', '.join(_PART_DIMS)}")
        return Expression(**{name: value for name, value in self._set_parts().items() if name in parts})

    def with_domain(self, domain: str) -> Expression:
        """The same expression asked for in one of `DOMAINS`."""
        if domain not in DOMAINS:
            raise ValueError(f"{domain!r} is no domain; use one of {', '.join(DOMAINS)}")
        return dataclasses.replace(self, domain=torch.full((len(self),), DOMAINS.index(domain)))

    def with_intensity(self, intensity: float | Tensor) -> Expression:
        """The same emotions, shown more or less strongly: one intensity in [0, 1], or one a face."""
        if self.emotion is None:
            raise ValueError("intensity belongs to an emotion, and this expression has none")
        level = torch.as_tensor(intensity, dtype=torch.float32, device=self.emotion.device)
        if level.ndim == 1 and self.frames:
            level = level[:, None]
        return dataclasses.replace(self, intensity=level.expand(self.emotion.shape[:-1]).clone())

    def at(self, frame: int) -> Expression:
        """One moment of an expression with a time axis."""
        if self.frames is None:
            raise ValueError("this expression has no time axis")
        return self._map(lambda name, value: value[:, frame] if name in _TIMED else value)

    def flatten_time(self) -> Expression:
        """Its moments as rows: (N, T, ...) becomes (N * T, ...)."""
        if self.frames is None:
            return self
        frames = self.frames
        return self._map(lambda name, v: v.flatten(0, 1) if name in _TIMED else v.repeat_interleave(frames))

    def mirrored(self) -> Expression:
        """The expression of the face seen in a mirror: left and right action units and landmarks change places."""
        changed = {}
        if self.action_units is not None:
            changed["action_units"] = self.action_units[..., mirrored_columns()]
        if self.landmarks is not None:
            changed["landmarks"] = mirror_landmarks(self.landmarks)
        return dataclasses.replace(self, **changed)

    # ----------------------------------------------------------------------------------- from part to part

    def intensity_to_weights(self) -> Expression:
        """Intensity said as a share of neutral: happy at 0.5 becomes half happy, half neutral.

        >>> Expression.of("happy", 0.5).intensity_to_weights()
        Expression(1 face: happy 0.50 + neutral 0.50)
        """
        if self.emotion is None:
            raise ValueError("this expression has no emotion")
        if self.intensity is None:
            return self
        level = self.intensity[..., None]
        weights = level * self.emotion
        weights[..., NEUTRAL] += 1 - level[..., 0]
        return dataclasses.replace(self, emotion=weights, intensity=None)

    def weights_to_intensity(self) -> Expression:
        """The share of neutral said as intensity; a face at rest stays neutral at intensity 1.

        >>> Expression.blend({"happy": 1, "neutral": 3}).weights_to_intensity()
        Expression(1 face: happy at 0.25)
        """
        weights = self.intensity_to_weights().emotion.clone()
        level = 1 - weights[..., NEUTRAL]
        rest = level < 1e-6
        weights[..., NEUTRAL] = rest.float()
        weights = torch.where(rest[..., None], weights, weights / level.clamp(min=1e-6)[..., None])
        return dataclasses.replace(
            self, emotion=weights / weights.sum(-1, keepdim=True), intensity=torch.where(rest, 1.0, level)
        )

    def to_action_units(self) -> Expression:
        """The emotions as action units, by their first EMFACS prototypes, in proportion to weight and intensity.

        The only way in which emotions become action units: no generator does it unasked. Raises `ValueError` where
        there is no emotion, or where action units are set already.

        >>> Expression.of("happy", 0.5).to_action_units()
        Expression(1 face: AU6 0.50, AU12 0.50, AU25 0.50)
        """
        weights = self.intensity_to_weights().emotion
        if self.action_units is not None:
            raise ValueError("action units are set already; take the emotion alone with .only('emotion', 'intensity')")
        units = (weights @ prototype_matrix().to(weights)).clamp(0, 1)
        return Expression(action_units=units, landmarks=self.landmarks, domain=self.domain)

    def lerp(self, other: Expression, t: float) -> Expression:
        """The expression a share t in [0, 1] of the way to another; both must have the same parts set.

        Emotions move in proportion: half-way from neutral to happy is half happy. Where either says an
        intensity, the result says its own as intensity; else as a share of neutral.

        >>> Expression.neutral().lerp(Expression.of("happy", 0.8), 0.5)
        Expression(1 face: happy at 0.40)
        """
        if not 0 <= t <= 1:
            raise ValueError(f"t is {t}; it must lie in [0, 1]")
        says_intensity = self.intensity is not None or other.intensity is not None
        a, b = _same_parts([self, other])
        if len(a) != len(b):
            a, b = (a.for_faces(len(b)), b) if len(a) == 1 else (a, b.for_faces(len(a)))
        if a.domain is not None and not torch.equal(a.domain, b.domain):
            raise ValueError("there is no way between two domains: give both expressions the same one")
        if a.emotion is not None:
            a, b = a.intensity_to_weights(), b.intensity_to_weights()
        between = a._map(
            lambda name, value: value if name == "domain" else torch.lerp(value.float(), getattr(b, name).float(), t)
        )
        return between.weights_to_intensity() if says_intensity else between

    # ----------------------------------------------------------------------------------------------- saving

    def to_dict(self) -> dict[str, list]:
        """Plain lists, for JSON."""
        return {name: value.tolist() for name, value in self._set_parts().items()}

    @classmethod
    def from_dict(cls, parts: dict[str, list]) -> Expression:
        """The expression that `to_dict` wrote; raises `ValueError` for a part that does not exist."""
        unknown = set(parts) - set(_PART_DIMS)
        if unknown:
            raise ValueError(f"{sorted(unknown)} are no parts of an expression; it has {', '.join(_PART_DIMS)}")
        kinds = {name: torch.long if name == "domain" else torch.float32 for name in parts}
        return cls(**{name: torch.tensor(value, dtype=kinds[name]) for name, value in parts.items()})


def smoothstep(t: Tensor) -> Tensor:
    """3t² - 2t³: from 0 to 1, at rest at both ends."""
    return t * t * (3 - 2 * t)


def _same_parts(expressions: Sequence[Expression]) -> list[Expression]:
    """Check that all set the same parts; an intensity that only some set is written out as 1 in the others."""
    if not expressions:
        raise ValueError("give at least one expression")
    if any(e.intensity is not None for e in expressions):
        expressions = [e if e.intensity is not None or e.emotion is None else e.with_intensity(1) for e in expressions]
    parts = [set(e._set_parts()) for e in expressions]
    if any(p != parts[0] for p in parts):
        raise ValueError(f"the expressions set different parts: {[sorted(p) for p in parts]}; use .only(...) first")
    return list(expressions)


def _spell_units(row: Tensor) -> str:
    """Action units above zero, both sides as one where they agree."""
    said = []
    for unit in ACTION_UNITS:
        values = [row[c].item() for c in action_unit_columns(unit.number)]
        if max(values) < 5e-3:
            continue
        if len(set(values)) == 1:
            said.append(f"AU{unit.number} {values[0]:.2f}")
        else:
            said += [f"{c} {v:.2f}" for c, v in zip(unit.columns, values, strict=True) if v >= 5e-3]
    return ", ".join(said) or "no action unit"
