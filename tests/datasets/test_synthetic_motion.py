"""Sequences: timing, head movement, blinks, and the motions of others; stills do not change."""

import pytest
import torch

from facekit.datasets import open_dataset
from facekit.datasets.synthetic import SyntheticFaces
from facekit.datasets.synthetic.motion import Motion, Timing
from facekit.faces.action_units import ACTION_UNIT_COLUMNS, action_unit_columns
from facekit.faces.emotions import EMOTIONS, NEUTRAL
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.faces.trajectories import geodesic_distances, to_curves, to_sphere

FACE = torch.arange(400) * 1000
HAPPY = torch.full((400,), EMOTIONS.index("happy"))
FULL = torch.ones(400)
MOVING = tuple(name for name in EMOTIONS[:7] if name != "neutral")


@pytest.fixture(scope="module")
def whole():
    return SyntheticFaces("test", people=4, faces_per_person=7, size=32, frames=9)


def columns(number):
    return list(action_unit_columns(number))


def test_a_sequence_begins_neutral_rises_and_returns(whole):
    faces = whole.faces(range(28))
    assert faces.images.shape == (28, 9, 3, 32, 32)
    moving = faces.emotion != NEUTRAL
    level = faces.intensity[moving]
    assert (level[:, 0] == 0).all()
    assert (level[:, -1] < 1e-3).all()
    assert (level.amax(1) > 0.3).all()
    assert (faces.intensity[~moving] == 1).all()
    assert (faces.action_units[:, 0] < 1e-3).all()
    still = SyntheticFaces("test", people=4, faces_per_person=7, size=32).faces(range(28))
    reached = faces.action_units.amax(1)[moving]
    assert (reached <= 1.25 * still.action_units[moving] + 1e-5)[:, : columns(43)[0]].all()


def test_a_frame_is_what_its_units_and_its_view_give(whole):
    faces, neutral = whole.faces([0, 5]), whole.counterfactual([0, 5], Expression.neutral())
    torch.testing.assert_close(faces.images[:, 0], neutral.images, atol=0.02, rtol=0)
    torch.testing.assert_close(faces.landmarks[:, 0], neutral.landmarks, atol=1e-4, rtol=0)


def test_a_take_is_the_same_at_every_frame_rate():
    fast = SyntheticFaces("test", people=2, size=16, frames=21, fps=30).faces(range(4))
    slow = SyntheticFaces("test", people=2, size=16, frames=11, fps=15).faces(range(4))
    assert torch.equal(fast.action_units[:, ::2], slow.action_units)
    torch.testing.assert_close(fast.landmarks[:, ::2], slow.landmarks, atol=1e-6, rtol=0)


def test_durations_lie_in_the_range_of_spontaneous_expressions():
    data = SyntheticFaces("test", people=60, faces_per_person=7, size=16, frames=5)
    smiles = data.seconds[data.labels == EMOTIONS.index("happy")]
    assert smiles.quantile(0.05) > 0.5
    assert smiles.quantile(0.95) < 6
    onset = SyntheticFaces("test", people=60, faces_per_person=7, size=16, frames=5, until="apex").seconds
    surprised, sad = (onset[data.labels == EMOTIONS.index(name)].median() for name in ("surprise", "sad"))
    assert surprised < 0.6 * sad
    assert torch.allclose(SyntheticFaces("test", people=1, size=16, frames=31, fps=30).seconds, torch.tensor(1.0))


def test_sequences_to_the_apex_end_at_the_peak():
    data = SyntheticFaces("test", people=4, faces_per_person=7, size=16, frames=8, until="apex")
    faces = data.faces(range(28))
    still = SyntheticFaces("test", people=4, faces_per_person=7, size=16).faces(range(28))
    assert torch.equal(faces.intensity[:, -1], still.intensity)
    moving = still.action_units > 0.05
    moving[:, columns(43)] = False
    ratio = faces.action_units[:, -1][moving] / still.action_units[moving]
    assert ratio.min() > 0.9
    assert ratio.max() < 1.3


def test_units_have_delays_and_speeds_of_their_own():
    motion = Motion.draw(FACE, HAPPY, FULL, 60, until="apex")
    first = [(motion.units[..., columns(number)[0]] > 0.5).float().argmax(1).float() for number in (12, 6)]
    assert (first[1] - first[0]).mean() > 2  # cheeks after the corners of the mouth
    assert (first[1] - first[0]).std() > 2
    left, right = (motion.units[..., ACTION_UNIT_COLUMNS.index(name)] for name in ("AU12L", "AU12R"))
    assert 0.001 < (left - right).abs().mean() < 0.05
    assert (motion.units.amax((1, 2)) > 1.02).float().mean() > 0.5  # some overshoot


def test_the_head_moves_with_the_expression_and_starts_at_rest():
    def pitch(name):
        emotion = torch.full((400,), EMOTIONS.index(name))
        turn = Motion.draw(FACE, emotion, FULL, 20, until="apex").turn
        assert turn[:, 0].abs().max() < 1e-6
        assert turn.abs().max() < 0.4
        return turn[:, -1, 1].mean()

    assert pitch("surprise") < -0.04
    assert pitch("sad") > 0.06


def test_some_takes_have_a_blink():
    blink = Motion.draw(FACE, HAPPY, FULL, 300).blink
    blinking = blink.amax(1) > 0.8
    assert 0.3 < blinking.float().mean() < 0.5
    assert (blink[:, [0, -1]] == 0).all()
    seconds = (blink > 0.05).sum(1) / 300 * Timing.draw(FACE, HAPPY).end
    assert (seconds[blinking] < 0.35).all()


def test_two_takes_of_an_emotion_differ_and_emotions_differ_more():
    data = open_dataset("synthetic_motions", "test", people=12, size=16)
    faces = data.faces(range(len(data)))
    points, _ = to_sphere(to_curves(faces.landmarks.double()))
    distance = geodesic_distances(points, points)
    same = faces.emotion[:, None] == faces.emotion
    other_person = faces.person[:, None] != faces.person
    ratio = distance[same & other_person].mean() / distance[~same].mean()
    assert 0.3 <= ratio < 0.8


def test_a_motion_can_be_given_to_another_face(whole):
    motion = whole.motion([8])
    assert motion.action_units.shape == (1, 9, 33)
    assert torch.equal(motion.action_units, whole.faces([8]).action_units)
    result = whole.counterfactual([3], motion)
    assert torch.equal(result.action_units, motion.action_units)
    assert torch.equal(whole.counterfactual([8], motion).images, whole.faces([8]).images)
    # The head path is that of the face, whatever it shows
    away = [result.landmarks[0, t, 27:31].mean(0) - whole.faces([3]).landmarks[0, t, 27:31].mean(0) for t in range(9)]
    assert torch.stack(away).abs().max() < 0.02


def test_the_same_take_with_another_emotion(whole):
    own = EMOTIONS[int(whole.labels[0])]
    torch.testing.assert_close(whole.motion([0], own).action_units, whole.motion([0]).action_units)
    sad, happy = (whole.motion([0], name).action_units.amax(1) for name in ("sad", "happy"))
    assert happy[0, columns(12)].min() > 0.2
    assert sad[0, columns(12)].max() < 0.05


def test_numbers_of_frames_that_do_not_match_are_refused(whole):
    with pytest.raises(ValueError, match="4 frames, and the sequences of this dataset 9"):
        whole.counterfactual([0], Expression.path([Expression.neutral(), Expression.of("sad")], 4))
    stills = SyntheticFaces("test", people=1, size=16)
    assert stills.counterfactual([0], Expression.path([Expression.neutral(), Expression.of("sad")], 4)).frames == 4
    with pytest.raises(ValueError, match="still images have no motion: open the dataset with frames"):
        stills.motion([0])
    with pytest.raises(ValueError, match="no duration"):
        _ = stills.seconds


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"frames": 2}, "at least 3"),
        ({"fps": 25}, "give frames too"),
        ({"until": "apex"}, "give frames too"),
        ({"frames": 5, "fps": 0}, "1 to 240"),
        ({"frames": 5, "until": "noon"}, "'end' or 'apex'"),
        ({"frames": 5, "fps": 25, "until": "apex"}, "omit until"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        SyntheticFaces("test", people=1, **options)


@pytest.mark.parametrize("extra", [{}, {"fps": 12.5}, {"until": "apex", "one_sided": 1.0}])
def test_cached_sequences_equal_rendered_ones(tmp_path, extra):
    options = {"people": 2, "faces_per_person": 2, "size": 16, "frames": 4, **extra}
    cached, rendered = (SyntheticFaces("valid", cache=cache, **options).faces(range(4)) for cache in (tmp_path, None))
    for name in ("images", "action_units", "intensity"):
        assert torch.equal(getattr(cached, name), getattr(rendered, name)), name
    torch.testing.assert_close(cached.landmarks, rendered.landmarks, atol=1e-6, rtol=0)


def test_motions_are_sequences_to_the_apex_of_all_emotions_but_neutral():
    data = open_dataset("synthetic_motions", "valid", people=2, size=16)
    assert data.emotions == MOVING
    faces: Faces = data.faces([0, 11])
    assert faces.frames == 32
    assert torch.equal(
        faces.landmarks, SyntheticFaces("valid", people=2, faces_per_person=6, size=16, frames=32, until="apex",
                                        emotions=MOVING).faces([0, 11]).landmarks,
    )  # fmt: skip
