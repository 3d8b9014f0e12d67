"""The emotion categories: their names, order, colours and synonyms, and the label order of each dataset.

All code refers to an emotion by its name, through `emotion_index`; no other module hard-codes an index.

Source  Du, Tao & Martinez, *Compound facial expressions of emotion*, PNAS 111(15), 2014.
"""

from __future__ import annotations

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")
"""The emotion categories in the fixed order of the library: the seven of FER-2013, then contempt.

Labels, weight files and published metrics depend on this order."""

PROTOCOL_EMOTIONS = EMOTIONS[:7]
"""The seven emotions of the evaluation protocol, of the shipped weights and of the emotion classifier E2."""

NEUTRAL = EMOTIONS.index("neutral")
"""Index of the neutral face."""

MOVING_EMOTIONS = tuple(name for name in PROTOCOL_EMOTIONS if name != "neutral")
"""The emotions of the protocol that a movement shows."""

# The palette of Okabe & Ito (2008), whose colours can be distinguished with any common colour-vision deficiency.
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
    """The name in `EMOTIONS` of an emotion given by any of its synonyms, in any case.

    Raises `ValueError` for an unknown word.

    >>> emotion_name("Joy"), emotion_name("contemptuous")
    ('happy', 'contempt')
    """
    try:
        return _CANONICAL[word.strip().lower()]
    except KeyError:
        raise ValueError(f"{word!r} is not the name of an emotion; use one of {', '.join(EMOTIONS)}") from None


def emotion_index(word: str) -> int:
    """Index into `EMOTIONS` of an emotion given by any of its synonyms.

    Raises `ValueError` for an unknown word.

    >>> emotion_index("anger"), emotion_index("contempt")
    (0, 7)
    """
    return EMOTIONS.index(emotion_name(word))


# The emotion of each numeric label, for each dataset; None for labels that do not stand for an emotion.
DATASET_LABELS: dict[str, tuple[str | None, ...]] = {
    "fer2013": ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    "ckplus": ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"),
    # 8 none, 9 uncertain, 10 no face
    "affectnet": (
        "neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt", None, None, None,
    ),
    # The order of FER-2013, then contempt.
    "ckextended": ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt"),
    # From 1 on.
    "rafdb": (None, "surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"),
    "expw": ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    "ferg": ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    "rafd": ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
}  # fmt: skip


def dataset_code_to_index(dataset: str, code: int) -> int:
    """Convert the numeric label of a dataset to an index into `EMOTIONS`; -1 for a label that is not an emotion.

    Raises `ValueError` for an unknown dataset or a label out of range.

    >>> EMOTIONS[dataset_code_to_index("ckplus", 5)]
    'happy'
    """
    if dataset not in DATASET_LABELS:
        raise ValueError(f"the label order of {dataset!r} is unknown; known datasets: {', '.join(DATASET_LABELS)}")
    labels = DATASET_LABELS[dataset]
    if not 0 <= code < len(labels):
        raise ValueError(f"label {code} is out of range for {dataset}, which has 0 to {len(labels) - 1}")
    return -1 if labels[code] is None else EMOTIONS.index(labels[code])


# Du 2014, table 1: compound emotions, each a combination of two basic emotions that observers distinguish from both.
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
