import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.datasets.alignment import EYE_DISTANCE, EYE_HEIGHT, alignment, eyes_of, to_relative, warp

place = st.floats(-50, 250)
eyes = st.tuples(place, place, place, place).filter(lambda e: np.hypot(e[0] - e[2], e[1] - e[3]) > 1)


@settings(max_examples=50, deadline=None)
@given(eyes, st.sampled_from([32, 64, 100]))
def test_eyes_are_mapped_to_their_positions(places, size):
    both = np.array(places).reshape(2, 2)
    moved = (to_relative(both, alignment(both, size), size) + 1) / 2
    wanted = [[0.5 - EYE_DISTANCE / 2, EYE_HEIGHT], [0.5 + EYE_DISTANCE / 2, EYE_HEIGHT]]
    assert np.allclose(moved, wanted)


@settings(max_examples=30, deadline=None)
@given(eyes)
def test_alignment_is_a_similarity_without_reflection(places):
    linear = alignment(np.array(places).reshape(2, 2), 64)[:, :2]
    scale = np.sqrt(np.linalg.det(linear))
    assert np.allclose(linear @ linear.T, scale**2 * np.eye(2))


@pytest.mark.parametrize("bad", [np.zeros((2, 2)), np.full((2, 2), np.nan)])
def test_coinciding_eyes_raise(bad):
    with pytest.raises(ValueError, match="not the positions of two eyes"):
        alignment(bad, 64)


def test_eyes_are_the_means_of_their_landmarks():
    landmarks = np.zeros((68, 2))
    landmarks[36:42], landmarks[42:48] = (10, 20), (30, 40)
    assert eyes_of(landmarks).tolist() == [[10, 20], [30, 40]]


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 3)])
def test_the_identity_transform_changes_nothing(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    stay = np.array([[1.0, 0, 0], [0, 1, 0]])
    assert np.array_equal(warp(image, stay, 64), image)


def test_downsampling_averages_pixels():
    image = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    half = np.array([[0.5, 0, 0], [0, 0.5, 0]])
    means = image.reshape(32, 2, 32, 2).mean((1, 3))
    assert np.abs(warp(image, half, 32) - means).max() <= 1  # no shift by half a pixel, no aliasing


def test_downsampling_does_not_alias():
    grating = np.tile(np.array([0, 255], np.uint8), (512, 256))
    turned = alignment(np.array([[200.0, 230], [310, 245]]), 64)
    assert np.abs(warp(grating, turned, 64).astype(int) - 127).max() < 25


def test_the_border_is_replicated():
    away = np.array([[1.0, 0, 40], [0, 1, 0]])
    warped = warp(np.tile(np.arange(64, dtype=np.uint8), (64, 1)) + 100, away, 64)
    assert (warped[:, :40] == 100).all()
    assert (warped[:, 41] == 101).all()
