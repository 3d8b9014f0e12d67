import colorsys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.faces.emotions import (
    COLORS,
    COMPOUND_EMOTIONS,
    DATASET_LABELS,
    EMOTIONS,
    NEUTRAL,
    PROTOCOL_EMOTIONS,
    dataset_code_to_index,
    emotion_index,
    emotion_name,
)


def test_the_order_of_emotions_is_fixed():
    """Weights, caches and metrics on disk depend on it."""
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")
    assert PROTOCOL_EMOTIONS == DATASET_LABELS["fer2013"] == EMOTIONS[:7]
    assert EMOTIONS[NEUTRAL] == "neutral"


def test_colours_differ_in_lightness():
    assert set(COLORS) == set(EMOTIONS)
    assert len(set(COLORS.values())) == len(EMOTIONS)
    lightness = [colorsys.rgb_to_hls(*(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)))[1] for c in COLORS.values()]
    assert len(set(lightness)) > 5


@pytest.mark.parametrize(
    ("word", "name"),
    [("Joy", "happy"), (" ANGER ", "angry"), ("scared", "fear"), ("contemptuous", "contempt"), ("su", "surprise")],
)
def test_synonyms_are_recognised(word, name):
    assert emotion_name(word) == name
    assert EMOTIONS[emotion_index(word)] == name


@settings(max_examples=40, deadline=None)
@given(st.from_regex(r"\A[a-z ]*\d+\Z"))
def test_unknown_words_raise(word):
    with pytest.raises(ValueError, match="is not the name of an emotion; use one of angry"):
        emotion_name(word)


# From the documentation of each dataset.
@pytest.mark.parametrize(
    ("dataset", "code", "name"),
    [
        ("fer2013", 0, "angry"), ("fer2013", 5, "surprise"), ("fer2013", 6, "neutral"),
        ("ckplus", 0, "neutral"), ("ckplus", 1, "angry"), ("ckplus", 2, "contempt"), ("ckplus", 7, "surprise"),
        ("affectnet", 0, "neutral"), ("affectnet", 1, "happy"), ("affectnet", 4, "fear"), ("affectnet", 7, "contempt"),
    ],
)  # fmt: skip
def test_dataset_codes(dataset, code, name):
    assert EMOTIONS[dataset_code_to_index(dataset, code)] == name


def test_each_dataset_has_each_emotion_once():
    for labels in DATASET_LABELS.values():
        named = [name for name in labels if name]
        assert len(set(named)) == len(named)
        assert set(PROTOCOL_EMOTIONS) <= set(named) <= set(EMOTIONS)


@pytest.mark.parametrize(("dataset", "code"), [("fer2013", 7), ("fer2013", -1), ("affectnet", 11), ("ckplus", 8)])
def test_codes_out_of_range_raise(dataset, code):
    with pytest.raises(ValueError, match=f"label {code} is out of range for {dataset}, which has 0 to"):
        dataset_code_to_index(dataset, code)


def test_codes_that_are_not_an_emotion_and_unknown_datasets():
    assert [dataset_code_to_index("affectnet", code) for code in (8, 9, 10)] == [-1, -1, -1]
    with pytest.raises(ValueError, match="the label order of 'mug' is unknown"):
        dataset_code_to_index("mug", 0)


def test_compound_emotions_are_pairs_of_emotions():
    assert len(COMPOUND_EMOTIONS) == 12
    for pair in COMPOUND_EMOTIONS.values():
        assert len(set(pair)) == 2
        assert set(pair) <= set(EMOTIONS)
