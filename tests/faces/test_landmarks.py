"""How a face is seen, by its landmarks."""

import math

import pytest
import torch

from facekit.datasets.synthetic import Identity, View, render
from facekit.faces.action_units import action_unit_vector
from facekit.faces.landmarks import VIEWS, mirror_landmarks, views

PEOPLE = torch.arange(16)


def seen(units=None, **view):
    """The views of sixteen drawn people, and of their mirror images."""
    units = action_unit_vector(units or {}).expand(len(PEOPLE), -1)
    drawn = render(Identity.draw(PEOPLE), units, View.frontal(len(PEOPLE)).replace(**view), 32)
    return [VIEWS[i] for points in (drawn.landmarks, mirror_landmarks(drawn.landmarks)) for i in views(points)]


def test_an_upright_face_is_frontal_and_its_mouth_open_or_closed():
    assert seen().count("frontal") >= 30
    assert set(seen({26: 1.0, 25: 1.0})) == {"mouth open"}
    assert seen({12: 0.6}).count("turned") == 0


@pytest.mark.parametrize("degrees", [-40, 40])
def test_turned_and_tilted_faces(degrees):
    angle = torch.full((len(PEOPLE),), math.radians(degrees))
    assert set(seen(yaw=angle)) == {"turned"}
    assert set(seen(roll=angle)) == {"turned"}
    assert seen(yaw=angle / 8).count("turned") == 0
    assert set(seen({26: 1.0, 25: 1.0}, yaw=angle)) == {"turned"}
