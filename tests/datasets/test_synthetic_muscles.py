"""Folds, furrows and dimples of the skin for each action unit. For the motion of landmarks, see test_synthetic_render.

Each is measured where FACS (2002) describes it, in a window relative to landmarks of the left half or the middle of the
face. From rest to the full unit, shading there must become less even or the skin darker on most people.
"""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from facekit.datasets.synthetic import Identity, View, render
from facekit.faces.action_units import action_unit_vector
from facekit.faces.faces import Faces, to_gray

PEOPLE, SIZE = 16, 128


def show(unit: int | None) -> Faces:
    """Frontal faces without glasses, neutral or with one unit at full intensity."""
    identity = Identity.draw(torch.arange(PEOPLE))
    identity = identity.replace(glasses=torch.zeros_like(identity.glasses))
    units = action_unit_vector({} if unit is None else {unit: 1.0}).expand(PEOPLE, -1)
    return render(identity, units, View.frontal(PEOPLE), SIZE)


@pytest.fixture(scope="module")
def rest() -> Faces:
    return show(None)


class Window(NamedTuple):
    """A rectangle relative to the mean of some landmarks, in interocular distances, x outward and y down."""

    about: tuple[int, ...]
    x: float
    y: float
    half_width: float
    half_height: float

    def mask(self, faces: Faces) -> Tensor:
        """A mask of its pixels, (N, SIZE, SIZE)."""
        at = faces.landmarks
        unit = (at[:, 42:48].mean(1) - at[:, 36:42].mean(1)).norm(dim=-1)
        x, y = (at[:, list(self.about)].mean(1) + unit[:, None] * torch.tensor([self.x, self.y])).T[..., None]
        line = (torch.arange(SIZE) * 2 + 1) / SIZE - 1
        across = (line - x).abs() < unit[:, None] * self.half_width
        down = (line - y).abs() < unit[:, None] * self.half_height
        return (down[:, :, None] & across[:, None]).float()


def darkness(faces: Faces, mask: Tensor) -> Tensor:
    """Mean darkness of the window relative to mid-grey, (N,)."""
    return -_mean(to_gray(faces.images)[:, 0], mask)


def unevenness(faces: Faces, mask: Tensor) -> Tensor:
    """Mean difference between neighbouring pixels of the window, (N,): increased by lines and folds, not by shading."""
    gray = to_gray(faces.images)[:, 0]
    down, across = gray.diff(dim=1).abs(), gray.diff(dim=2).abs()
    return _mean(down, mask[:, 1:]) + _mean(across, mask[:, :, 1:])


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum((1, 2)) / mask.sum((1, 2))


FOREHEAD = Window((27,), 0, -0.62, 0.30, 0.12)
FOREHEAD_SIDE = Window((27,), 0.48, -0.60, 0.16, 0.10)
GLABELLA = Window((21, 22), 0, 0.06, 0.10, 0.10)
NOSE_ROOT = Window((27,), 0, 0.05, 0.15, 0.12)
NOSE_SIDE = Window((28,), 0.20, 0.05, 0.08, 0.15)
CROWS_FEET = Window((45,), 0.12, 0.03, 0.10, 0.12)
UNDER_EYE = Window((46, 47), 0, 0.12, 0.20, 0.08)
BESIDE_NOSE = Window((35,), 0.12, 0.05, 0.10, 0.12)
NASOLABIAL = Window((35, 54), 0.12, -0.05, 0.12, 0.12)
CORNER = Window((54,), 0.05, 0, 0.08, 0.08)
BELOW_CORNER = Window((54,), 0.06, 0.14, 0.08, 0.10)
UNDER_LIP = Window((57,), 0, 0.10, 0.20, 0.05)

SKIN = [
    (1, "lines across the middle of the forehead", FOREHEAD, unevenness, 0.012),
    (2, "lines across the sides of the forehead", FOREHEAD_SIDE, unevenness, 0.014),
    (4, "furrows between the brows", GLABELLA, darkness, 0.09),
    (6, "crow's feet", CROWS_FEET, unevenness, 0.006),
    (6, "the bag under the eye", UNDER_EYE, unevenness, 0.007),
    (9, "lines across the nose's root", NOSE_ROOT, darkness, 0.02),
    (9, "wrinkles along the nose", NOSE_SIDE, darkness, 0.018),
    (10, "the upper end of the nasolabial fold", BESIDE_NOSE, unevenness, 0.005),
    (12, "the nasolabial fold", NASOLABIAL, unevenness, 0.025),
    (14, "pits at the corners", CORNER, darkness, 0.006),
    (15, "pouches below the corners", BELOW_CORNER, darkness, 0.010),
    (17, "the groove above the chin's boss", UNDER_LIP, darkness, 0.007),
]


@pytest.mark.parametrize(
    ("unit", "what", "window", "measure", "least"), SKIN, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_unit_folds_the_skin_where_its_muscle_does(rest, unit, what, window, measure, least):
    full = show(unit)
    grown = measure(full, window.mask(full)) - measure(rest, window.mask(rest))
    seen = (grown > least).float().mean()
    assert seen >= 0.75, f"AU{unit}, {what}: on {seen:.0%} of the people; median {grown.median():.4f}, need {least}"


@pytest.mark.parametrize("unit", [23, 24])
def test_tight_and_pressed_lips_are_thinner(rest, unit):
    def red(faces: Faces) -> Tensor:
        at = faces.landmarks[..., 1]
        return (at[:, 62] - at[:, 51]) + (at[:, 57] - at[:, 66])

    assert (red(show(unit)) < 0.85 * red(rest)).all()


@pytest.mark.parametrize(("unit", "window"), [(12, FOREHEAD), (15, CROWS_FEET), (17, GLABELLA), (4, UNDER_LIP)])
def test_skin_beyond_a_muscle_does_not_change(rest, unit, window):
    full = show(unit)
    mask = window.mask(rest)
    assert ((full.images - rest.images).abs().amax(1) * mask).max() < 0.02
