"""The renderer: motion by each action unit, landmarks, and golden images."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from facekit.datasets.synthetic import Identity, SyntheticFaces, View, render
from facekit.datasets.synthetic.draws import bits, normal, shuffled, uniform
from facekit.datasets.synthetic.landmarks import landmarks
from facekit.datasets.synthetic.muscles import displacements
from facekit.datasets.synthetic.shape import shape
from facekit.datasets.synthetic.view import project, unproject
from facekit.faces.action_units import ACTION_UNIT_COLUMNS, ACTION_UNITS, action_unit_columns, action_unit_vector
from facekit.faces.expression import Expression
from facekit.faces.faces import resize, to_gray, to_uint8
from facekit.faces.landmarks import mirror_landmarks
from facekit.faces.parts import DOMAINS

GOLDEN = Path(__file__).with_name("synthetic_golden.npz")
PEOPLE = torch.arange(12)
REST = torch.zeros(12, len(ACTION_UNIT_COLUMNS))


def show(intensities: dict, domain: str = "photo", size: int = 32, **view):
    """Frontal faces of twelve people with these action units."""
    units = action_unit_vector(intensities).expand(12, -1)
    return render(Identity.draw(PEOPLE), units, View.frontal(12).replace(**view), size, domain=domain)


def points(intensities: dict, **looks) -> torch.Tensor:
    """Landmarks (12, 68, 2) of twelve people, in interocular distances."""
    units = action_unit_vector(intensities).expand(12, -1)
    return torch.stack(landmarks(shape(Identity.draw(PEOPLE).replace(**looks), displacements(units))), -1)


def moved(intensities: dict, **looks) -> torch.Tensor:
    """Motion of each landmark from the neutral face, (12, 68, 2)."""
    return points(intensities, **looks) - points({}, **looks)


SYMMETRICAL = dict.fromkeys(("skew_brow", "skew_eye", "skew_mouth", "bend"), torch.zeros(12))


# Landmarks moved by each unit, direction ("up", "down", "out" or "in"), and smallest distance.
MOVES = {
    "AU1": [((21, 22), "up", 0.10)],
    "AU2": [((17, 18, 25, 26), "up", 0.05)],
    "AU4": [((21, 22), "down", 0.08), ((21, 22), "in", 0.02)],
    "AU5": [((37, 38, 43, 44), "up", 0.02)],
    "AU6": [((40, 41, 46, 47), "up", 0.008)],
    "AU7": [((37, 38, 43, 44), "down", 0.008), ((40, 41, 46, 47), "up", 0.008)],
    "AU9": [((31, 35), "up", 0.03), ((50, 51, 52), "up", 0.01), ((21, 22), "down", 0.03)],
    "AU10": [((50, 51, 52), "up", 0.02)],
    "AU12": [((48, 54), "up", 0.10), ((48, 54), "out", 0.08)],
    "AU14": [((48, 54), "out", 0.01)],
    "AU15": [((48, 54), "down", 0.06)],
    "AU16": [((56, 57, 58), "down", 0.02)],
    "AU17": [((56, 57, 58), "up", 0.012), ((8,), "up", 0.02)],
    "AU20": [((48, 54), "out", 0.06)],
    "AU23": [((57,), "up", 0.01), ((48, 54), "in", 0.01)],
    "AU24": [((57,), "up", 0.01)],
    "AU25": [((66,), "down", 0.02), ((62,), "up", 0.01)],
    "AU26": [((8,), "down", 0.15), ((57,), "down", 0.15), ((66,), "down", 0.15)],
    "AU27": [((8,), "down", 0.3), ((57,), "down", 0.3), ((48, 54), "in", 0.03)],
    "AU43": [((37, 38, 43, 44), "down", 0.04)],
}


@pytest.mark.parametrize("unit", ACTION_UNITS, ids=lambda unit: f"AU{unit.number}")
def test_each_unit_moves_the_landmarks_of_its_muscle(unit):
    by = moved({unit.number: 1.0})
    for where, way, least in MOVES[f"AU{unit.number}"]:
        for point in where:
            x, y = by[:, point].unbind(-1)
            outward = x * points({})[:, point, 0].sign()
            distance = {"up": -y, "down": y, "out": outward, "in": -outward}[way]
            assert (distance > least).all(), f"landmark {point} should go {way}, went {distance.min():.3f}"


@pytest.mark.parametrize("unit", [u for u in ACTION_UNITS if u.region in ("brow", "eye", "cheek")], ids=str)
def test_units_of_the_upper_face_do_not_move_the_mouth(unit):
    assert moved({unit.number: 1.0})[:, 48:].abs().max() < 1e-5


@pytest.mark.parametrize("unit", [u for u in ACTION_UNITS if u.region == "mouth"], ids=str)
def test_units_of_the_mouth_do_not_move_brows_and_upper_lids(unit):
    assert moved({unit.number: 1.0})[:, [*range(17, 27), 36, 37, 38, 43, 44, 45]].abs().max() < 1e-5


@pytest.mark.parametrize("unit", [u for u in ACTION_UNITS if u.sided], ids=lambda u: f"AU{u.number}")
def test_sided_units_move_their_side_and_mirror(unit):
    left, right = (moved({f"AU{unit.number}{side}": 1.0}, **SYMMETRICAL) for side in "LR")
    far = [*range(17, 22), *range(36, 42), 48]  # the right side of the person
    assert left[:, far].abs().max() < 1e-5
    assert left.abs().amax((1, 2)).min() > 0.005
    assert torch.allclose(mirror_landmarks(left), right, atol=1e-5)


@pytest.mark.parametrize("unit", ACTION_UNITS, ids=lambda unit: f"AU{unit.number}")
@pytest.mark.parametrize("domain", ["photo", "cartoon"])
def test_each_unit_is_visible(unit, domain):
    difference = (show({unit.number: 1.0}, domain, 64).images - show({}, domain, 64).images).abs()
    assert (difference.amax((1, 2, 3)) > 0.08).all()


def test_effects_increase_with_intensity():
    """For all people, but little where a low brow leaves no room for the raised lid."""
    for unit in ACTION_UNITS:
        half, full = (moved({unit.number: s}).norm(dim=-1).amax(1) for s in (0.5, 1.0))
        assert (full > half).all(), f"AU{unit.number}"
        assert (full > half * 1.2).float().mean() >= 0.75, f"AU{unit.number}"


def test_closed_lids_meet():
    at = points({43: 1.0})
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        assert (at[:, upper] - at[:, lower]).norm(dim=-1).max() < 0.01


def test_closed_lips_meet_and_parted_lips_do_not():
    assert (points({})[:, 62] - points({})[:, 66]).norm(dim=-1).max() < 1e-5
    assert (points({25: 1})[:, 66, 1] - points({25: 1})[:, 62, 1]).min() > 0.03


def test_landmarks_keep_their_order_for_every_pair_of_units():
    for a, b in itertools.combinations(ACTION_UNITS, 2):
        at = points({a.number: 1.0, b.number: 1.0})
        for upper, lower in ((51, 62), (62, 66), (66, 57), (57, 8), (33, 51), (37, 41), (44, 46), (19, 37), (24, 44)):
            assert (at[:, lower, 1] - at[:, upper, 1]).min() > -0.012, f"{a.number}+{b.number}: {upper}, {lower}"


def test_landmarks_lie_on_the_face():
    data = SyntheticFaces("valid", people=40, size=64)
    faces = data.faces(range(0, 320, 4))
    inner = faces.landmarks[:, 17:]
    assert inner.abs().max() < 1
    at = torch.nn.functional.grid_sample(faces.mask, inner[:, None], align_corners=False)[:, 0, 0]
    assert at.min() > 0.5
    outline = torch.nn.functional.grid_sample(faces.mask, faces.landmarks[:, None, 3:14], align_corners=False)
    seen = faces.landmarks[:, 3:14].abs().amax(-1) < 0.95
    assert outline[:, 0, 0][seen].sub(0.5).abs().mean() < 0.2


def test_pupils_are_dark_and_lie_between_the_lids():
    """The darkest part of an open eye lies within its six landmarks."""
    faces = show({5: 0.5}, size=256)
    gray = to_gray(faces.images)[:, 0]
    for eye in (range(36, 42), range(42, 48)):
        at = (faces.landmarks[:, list(eye)] + 1) * 128
        for picture, p in zip(gray, at, strict=True):
            low, high = p.amin(0).long(), p.amax(0).long() + 1
            window = picture[low[1] : high[1], low[0] : high[0]]
            assert window.min() < -0.5
            assert window.max() > window.min() + 0.5


def test_landmarks_are_projected_curves():
    identity, view = Identity.draw(PEOPLE), View.draw(PEOPLE)
    expected = project(*landmarks(shape(identity, displacements(REST))), view, identity.nose_depth)
    assert torch.equal(render(identity, REST, view, 32).landmarks, expected)


def test_rotation_moves_the_nose_more_than_the_ears():
    front, turned = show({}).landmarks, show({}, yaw=torch.full((12,), 0.3)).landmarks
    shift = (turned - front)[..., 0]
    assert (shift[:, 30] > shift[:, 2] + 0.05).all()
    assert (shift[:, 30] > shift[:, 14] + 0.05).all()
    down = (show({}, pitch=torch.full((12,), 0.25)).landmarks - front)[..., 1]
    assert (down[:, 30] > down[:, 27]).all()


def test_unproject_inverts_project():
    view, depth = View.draw(torch.arange(20)), Identity.draw(torch.arange(20)).nose_depth
    u, v = unproject(view, depth, 48)
    line = (torch.arange(48) * 2 + 1) / 48 - 1
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).flatten(0, 1)
    back = project(u.flatten(1), v.flatten(1), view, depth)
    face = (u.abs() < 1.2) & (v > -1) & (v < 1.7)
    error = (back - grid).norm(dim=-1)[face.flatten(1)]
    assert error.quantile(0.99) < 0.02


@pytest.mark.parametrize("size", [32, 48, 64, 128, 256])
def test_images_of_all_sizes_agree(size):
    view = View.draw(torch.arange(4)).replace(noise=torch.zeros(4))
    identity, units = Identity.draw(torch.arange(4)), Expression.of("happy", n=4).to_action_units().action_units
    large, other = render(identity, units, view, 256), render(identity, units, view, size)
    assert torch.equal(large.landmarks, other.landmarks)
    assert (resize(large.images, 32) - resize(other.images, 32)).abs().mean() < 0.045


def test_gray_is_the_luma_of_colour():
    identity, view = Identity.draw(PEOPLE), View.draw(PEOPLE)
    assert torch.equal(render(identity, REST, view, 32, 1).images, to_gray(render(identity, REST, view, 32, 3).images))


def test_identity_and_view_are_independent_inputs():
    views = View.draw(torch.arange(12) + 50)
    a, b = render(Identity.draw(PEOPLE), REST, views, 32), render(Identity.draw(PEOPLE + 12), REST, views, 32)
    middle = lambda faces: faces.landmarks[:, 36:48].mean(1)  # noqa: E731
    assert (middle(a) - middle(b)).abs().max() < 0.08
    assert (a.images - b.images).abs().amax((1, 2, 3)).min() > 0.2


def test_noise_is_drawn_per_pixel_and_small():
    one = show({}, noise=torch.full((12,), 0.02), seed=torch.arange(12))
    clean = show({}, seed=torch.arange(12))
    noise = one.images - clean.images
    assert 0.02 < noise.std() < 0.06
    assert noise.mean().abs() < 0.005
    assert (noise[0] - noise[1]).std() > 0.02


def test_the_frames_of_a_sequence_equal_single_images():
    units = torch.stack([REST[:2], action_unit_vector({12: 1.0}).expand(2, -1)], 1)
    identity, view = Identity.draw(PEOPLE[:2]), View.draw(PEOPLE[:2])
    film = render(identity, units, view, 32)
    assert film.images.shape == (2, 2, 3, 32, 32)
    assert torch.equal(film.images[:, 1], render(identity, units[:, 1], view, 32).images)


def test_shapes_that_do_not_match_raise():
    identity, view = Identity.draw(PEOPLE), View.draw(PEOPLE)
    with pytest.raises(ValueError, match="action_units have shape"):
        render(identity, REST[:, :5], view)
    with pytest.raises(ValueError, match="12 identities, 3 expressions"):
        render(identity, REST[:3], view)
    with pytest.raises(ValueError, match="size is 8"):
        render(identity, REST, view, 8)


# --------------------------------------------------------------------------------------------------------- draws


def test_random_bits_are_fixed():
    """A change of the hash would change every identity."""
    assert bits(torch.tensor([0, 1, 2_000_000, 1 << 40]), "skin tone").tolist() == PINNED


PINNED = [1083350855, 3178181710, 2125619755, 993874358]


def test_draws_have_their_distribution_and_are_independent():
    key = torch.arange(20000)
    a, b = uniform(key, "a"), uniform(key, "b")
    assert abs(a.mean() - 0.5) < 0.01
    assert abs(a.var() - 1 / 12) < 0.002
    assert abs(torch.corrcoef(torch.stack([a, b]))[0, 1]) < 0.03
    assert abs(torch.corrcoef(torch.stack([a[1:], a[:-1]]))[0, 1]) < 0.03
    n = normal(key, "n", 2.0, 0.5)
    assert abs(n.mean() - 2) < 0.02
    assert abs(n.std() - 0.5) < 0.01


def test_shuffled_permutes_each_block():
    place = shuffled(torch.arange(70), 7, "x").view(10, 7)
    assert (place.sort(1).values == torch.arange(7)).all()
    assert len({tuple(row) for row in place.tolist()}) > 5
    assert shuffled(torch.tensor([33]), 7, "x").item() == place.flatten()[33]


# -------------------------------------------------------------------------------------------------------- golden


def golden_faces() -> np.ndarray:
    """Thumbnails (14, 16, 16) of one face per emotion in both domains."""
    sets = [SyntheticFaces("test", people=2, faces_per_person=7, domain=domain) for domain in DOMAINS]
    parts = [data.faces(range(3, 10)) for data in sets]
    return to_uint8(torch.cat([resize(to_gray(part.images), 16)[:, 0] for part in parts])).numpy()


def test_images_match_the_golden_thumbnails():
    """Within two grey levels. After an intended change, increase RENDERER_VERSION and run this file as a script."""
    kept = np.load(GOLDEN)["thumbnails"].astype(int)
    difference = np.abs(golden_faces().astype(int) - kept)
    assert difference.max() <= 2, f"differs by up to {difference.max()} grey levels"


def test_action_units_are_in_their_columns():
    faces = SyntheticFaces("test", people=3, size=32, emotions=("happy",), intensity=(1, 1)).faces(range(24))
    assert (faces.action_units[:, list(action_unit_columns(12))] > 0.4).all()
    assert (faces.action_units[:, list(action_unit_columns(4))] == 0).all()


if __name__ == "__main__":
    np.savez_compressed(GOLDEN, thumbnails=golden_faces())
