"""The vocabulary: emotions, facial action units, how one is shown by the other, and each dataset's label order.

Nothing else in the suite writes an emotion's index or an action unit's column by hand: ask here by name.

Sources
    FACS    Ekman, Friesen & Hager, *Facial Action Coding System*, 2002 (units, muscles, letters A to E).
    EMFACS  Ekman & Friesen, *EMFACS*, 1983, and the FACS Investigator's Guide (2002), table 10-1: prototypes
            and major variants of each emotion.
    Du 2014 Du, Tao & Martinez, *Compound facial expressions of emotion*, PNAS 111(15).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import torch

# --------------------------------------------------------------------------------------------------- emotions

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")
"""The suite's one order: FER-2013's seven, then contempt (which FER-2013 does not have)."""

PROTOCOL_EMOTIONS = EMOTIONS[:7]
"""What the protocol, the shipped weights and the judge E2 use."""

# Okabe & Ito's palette (2008), told apart with any of the common colour-vision deficiencies.
COLORS = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#7F7F7F",
    "contempt": "#000000",
}

_SYNONYMS = {
    "angry": ("anger", "an"),
    "disgust": ("disgusted", "di"),
    "fear": ("afraid", "fearful", "scared", "fe"),
    "happy": ("happiness", "joy", "joyful", "smile", "ha"),
    "sad": ("sadness", "sa"),
    "surprise": ("surprised", "su"),
    "neutral": ("none", "calm", "ne"),
    "contempt": ("contemptuous", "co"),
}
_CANONICAL = {word: name for name, words in _SYNONYMS.items() for word in (name, *words)}


def emotion_name(word: str) -> str:
    """The suite's name for an emotion that a dataset or a person calls by another word.

    Raises `ValueError` for a word that names no emotion.

    >>> emotion_name("Joy"), emotion_name("contemptuous")
    ('happy', 'contempt')
    """
    try:
        return _CANONICAL[word.strip().lower()]
    except KeyError:
        raise ValueError(f"{word!r} names no emotion; use one of {', '.join(EMOTIONS)}") from None


def emotion_index(word: str) -> int:
    """Index into `EMOTIONS` of an emotion by any of its names.

    >>> emotion_index("anger"), emotion_index("contempt")
    (0, 7)
    """
    return EMOTIONS.index(emotion_name(word))


# Each dataset's own codes, in its own order; None marks codes that are no emotion.
DATASET_LABELS: dict[str, tuple[str | None, ...]] = {
    "fer2013": ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    "ckplus": ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"),
    # 8 none, 9 uncertain, 10 no face
    "affectnet": (
        "neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt", None, None, None,
    ),
    "ferg": ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    "rafd": ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
}  # fmt: skip


def dataset_code_to_index(dataset: str, code: int) -> int:
    """A dataset's own numeric label as an index into `EMOTIONS`; -1 for a code that is no emotion.

    Raises `ValueError` for an unknown dataset or a code outside its range.

    >>> EMOTIONS[dataset_code_to_index("ckplus", 5)]
    'happy'
    """
    if dataset not in DATASET_LABELS:
        raise ValueError(f"no label order is known for {dataset!r}; known: {', '.join(DATASET_LABELS)}")
    labels = DATASET_LABELS[dataset]
    if not 0 <= code < len(labels):
        raise ValueError(f"label {code} is out of range for {dataset}, which has 0 to {len(labels) - 1}")
    return -1 if labels[code] is None else EMOTIONS.index(labels[code])


# ----------------------------------------------------------------------------------------------- action units


@dataclass(frozen=True)
class ActionUnit:
    """One action unit of FACS: what it is called, the muscle behind it, and whether its sides act apart."""

    number: int
    name: str
    muscle: str
    region: str  # "brow", "eye", "cheek", "nose" or "mouth"
    sided: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns in an action-unit vector: left and right, or one where the unit lies on the midline."""
        code = f"AU{self.number}"
        return (f"{code}L", f"{code}R") if self.sided else (code,)


ACTION_UNITS = (
    ActionUnit(1, "inner brow raiser", "frontalis, pars medialis", "brow", True),
    ActionUnit(2, "outer brow raiser", "frontalis, pars lateralis", "brow", True),
    ActionUnit(4, "brow lowerer", "corrugator supercilii, depressor supercilii, procerus", "brow", True),
    ActionUnit(5, "upper lid raiser", "levator palpebrae superioris", "eye", True),
    ActionUnit(6, "cheek raiser", "orbicularis oculi, pars orbitalis", "cheek", True),
    ActionUnit(7, "lid tightener", "orbicularis oculi, pars palpebralis", "eye", True),
    ActionUnit(9, "nose wrinkler", "levator labii superioris alaeque nasi", "nose", True),
    ActionUnit(10, "upper lip raiser", "levator labii superioris", "mouth", True),
    ActionUnit(12, "lip corner puller", "zygomaticus major", "mouth", True),
    ActionUnit(14, "dimpler", "buccinator", "mouth", True),
    ActionUnit(15, "lip corner depressor", "depressor anguli oris", "mouth", True),
    ActionUnit(16, "lower lip depressor", "depressor labii inferioris", "mouth", False),
    ActionUnit(17, "chin raiser", "mentalis", "mouth", False),
    ActionUnit(20, "lip stretcher", "risorius with platysma", "mouth", True),
    ActionUnit(23, "lip tightener", "orbicularis oris", "mouth", False),
    ActionUnit(24, "lip pressor", "orbicularis oris", "mouth", False),
    ActionUnit(25, "lips part", "depressor labii inferioris, or relaxed mentalis or orbicularis oris", "mouth", False),
    ActionUnit(26, "jaw drop", "masseter, relaxed temporalis and internal pterygoid", "mouth", False),
    ActionUnit(27, "mouth stretch", "pterygoids, digastric", "mouth", False),
    ActionUnit(43, "eyes closed", "relaxed levator palpebrae superioris", "eye", True),
)

ACTION_UNIT_COLUMNS = tuple(column for unit in ACTION_UNITS for column in unit.columns)
"""Names of the columns of an action-unit vector, such as `AU12L`. Left is the person's own left: where the
face is not mirrored, the right half of the picture."""

_COLUMN_INDEX = {column: i for i, column in enumerate(ACTION_UNIT_COLUMNS)}
_UNIT_BY_NUMBER = {unit.number: unit for unit in ACTION_UNITS}

LETTERS = {"A": 0.2, "B": 0.4, "C": 0.6, "D": 0.8, "E": 1.0}
"""FACS's five letters (trace, slight, marked, severe, maximum) as strengths."""


def action_unit_columns(unit: str | int) -> tuple[int, ...]:
    """The columns that a unit occupies: both sides for `12` or `"AU12"`, one for `"AU12L"`.

    Raises `ValueError` for a unit that the suite does not have.

    >>> action_unit_columns("AU1"), action_unit_columns("AU1R"), action_unit_columns(1)
    ((0, 1), (1,), (0, 1))
    """
    code = str(unit).upper().removeprefix("AU")
    if f"AU{code}" in _COLUMN_INDEX:
        return (_COLUMN_INDEX[f"AU{code}"],)
    if code.isdigit() and int(code) in _UNIT_BY_NUMBER:
        return tuple(_COLUMN_INDEX[column] for column in _UNIT_BY_NUMBER[int(code)].columns)
    known = ", ".join(str(unit.number) for unit in ACTION_UNITS)
    raise ValueError(f"{unit!r} is no action unit of this suite; it has {known}, some with a side as in 'AU12L'")


def action_unit_vector(strengths: dict[str | int, float]) -> torch.Tensor:
    """Strengths by unit as one vector of shape (A,), A = `len(ACTION_UNIT_COLUMNS)`, in [0, 1].

    >>> action_unit_vector({"AU12L": 0.5})[action_unit_columns("AU12")[0]].item()
    0.5
    """
    vector = torch.zeros(len(ACTION_UNIT_COLUMNS))
    for unit, strength in strengths.items():
        if not 0 <= strength <= 1:
            raise ValueError(f"action unit {unit} has strength {strength}; strengths lie between 0 and 1")
        vector[list(action_unit_columns(unit))] = float(strength)
    return vector


def parse_facs(code: str) -> torch.Tensor:
    """A FACS code such as `"1+2+5B+R14"` as a vector of shape (A,): a letter gives the strength, none means E;
    a leading L or R means that side alone.

    >>> parse_facs("12D")[list(action_unit_columns(12))].tolist()
    [0.800000011920929, 0.800000011920929]
    """
    vector = torch.zeros(len(ACTION_UNIT_COLUMNS))
    for part in filter(None, code.replace(" ", "").split("+")):
        match = re.fullmatch(r"([LR]?)(\d+)([A-E]?)", part.upper())
        if match is None:
            raise ValueError(f"{part!r} in {code!r} is not a FACS code such as '12', '5B' or 'R14'")
        side, number, letter = match.groups()
        vector[list(action_unit_columns(f"AU{number}{side}"))] = LETTERS[letter or "E"]
    return vector


def mirrored_columns() -> list[int]:
    """For each column, the column of the same unit on the other side: the order of a face seen in a mirror."""
    swap = {"L": "R", "R": "L"}
    return [_COLUMN_INDEX.get(c[:-1] + swap.get(c[-1], c[-1]), i) for i, c in enumerate(ACTION_UNIT_COLUMNS)]


# -------------------------------------------------------------------------------- emotions as action units

# The first of each is the prototype that `Expression.to_action_units` shows; the others are variants that the
# same table lists. A jaw that drops is written 25+26, as FACS scores it where the lips part with it. Left out are
# fear as 1+2+5+25+26, which only the strength of AU5 tells from surprise, and disgust as 10+16+25 and sadness as 6+15,
# which no network trained on photographs reads as such: 9+10+17 and 1+4+6+15 are what Du's people showed instead.
PROTOTYPES: dict[str, tuple[str, ...]] = {
    "angry": (
        "4+5C+7+23",
        "4+5C+7+24",
        "4+5C+7+17+24",
        "4+5C+7+17C+23",
        "4+5C+7+10C+23+25",
        "4+5C+7+23+25+26C",
        "4+7+23",
        "4+7+24",
    ),
    "disgust": ("9+17C", "9+16+25", "9+15B+16+25", "10+17C", "9+10C+17C"),
    "fear": ("1+2+4+5+20+25", "1+2+4+5+20+25+26C", "1+2+4+5+25", "5+20+25", "1+2+4+5"),
    "happy": ("6+12+25", "6+12", "6+12+25+26B", "12D"),
    "sad": ("1+4C+15", "1+4+15B+17C", "1+4C+15B", "1+4C+6B+15"),
    "surprise": ("1+2+5B+25+26", "1+2+5B+25+27", "1+2+25+26", "1+2+5B", "5B+25+26"),
    "neutral": ("",),
    "contempt": ("R12B+R14", "L12B+L14", "R14", "L14"),
}


@functools.cache
def prototype_matrix() -> torch.Tensor:
    """The first prototype of each emotion at full intensity: (E, A), rows as `EMOTIONS`, values in [0, 1]."""
    return torch.stack([parse_facs(PROTOTYPES[name][0]) for name in EMOTIONS])


# Du 2014, table 1: pairs of basic emotions that people name and show apart from either.
COMPOUND_EMOTIONS: dict[str, tuple[str, str]] = {
    "happily surprised": ("happy", "surprise"),
    "happily disgusted": ("happy", "disgust"),
    "sadly fearful": ("sad", "fear"),
    "sadly angry": ("sad", "angry"),
    "sadly surprised": ("sad", "surprise"),
    "sadly disgusted": ("sad", "disgust"),
    "fearfully angry": ("fear", "angry"),
    "fearfully surprised": ("fear", "surprise"),
    "fearfully disgusted": ("fear", "disgust"),
    "angrily surprised": ("angry", "surprise"),
    "angrily disgusted": ("angry", "disgust"),
    "disgustedly surprised": ("disgust", "surprise"),
}
