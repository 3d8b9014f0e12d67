"""The emotion categories: their names, order, colours and synonyms, and the label order of each dataset.

All code refers to an emotion by its name, through `emotion_index`; no other module hard-codes an index.

Source  Du, Tao & Martinez, *Compound facial expressions of emotion*, PNAS 111(15), 2014.
"""

from __future__ import annotations

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")
"""The suite's one order: FER-2013's seven, then contempt (which FER-2013 does not have)."""

PROTOCOL_EMOTIONS = EMOTIONS[:7]
"""What the protocol, the shipped weights and the judge E2 use."""

NEUTRAL = EMOTIONS.index("neutral")
"""Index of the neutral face."""

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
