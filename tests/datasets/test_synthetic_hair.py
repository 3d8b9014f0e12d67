"""Hair, beards and headscarves do not cover the facial features; noise has its documented distribution."""

import pytest
import torch

from facekit.datasets.synthetic.canvas import Canvas
from facekit.datasets.synthetic.hair import Hair, beard_field, paint_beard
from facekit.datasets.synthetic.identity import BEARDS, HAIR_STYLES, Identity
from facekit.datasets.synthetic.landmarks import landmarks
from facekit.datasets.synthetic.muscles import displacements
from facekit.datasets.synthetic.noise import fading, noise
from facekit.datasets.synthetic.paint import lips
from facekit.datasets.synthetic.shape import shape
from facekit.datasets.synthetic.view import View, unproject
from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression

PEOPLE = 6


def rendered(emotion: str, size: int = 96, **columns: int):
    """Canvas, identities and shapes of six people with some fields set."""
    fixed = {name: torch.full((PEOPLE,), value) for name, value in columns.items()}
    identity = Identity.draw(torch.arange(PEOPLE) + 30).replace(**fixed)
    # From a distance at which crown and neck are in the image.
    view = View.frontal(PEOPLE).replace(scale=torch.full((PEOPLE,), 0.24), shift_y=torch.full((PEOPLE,), -0.2))
    s = shape(identity, displacements(Expression.of(emotion, 1.0, n=PEOPLE).to_action_units().action_units))
    c = Canvas.of(*unproject(view, identity.nose_depth, size), 1 / (size * view.scale))
    return c, identity, s


def nearest(c: Canvas, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Index of the pixel nearest to each point (N, K) of the face."""
    away = (c.u[:, None] - u[..., None, None]).square() + (c.v[:, None] - v[..., None, None]).square()
    return away.flatten(2).argmin(2)


@pytest.mark.parametrize("bold", [False, True], ids=["photo", "cartoon"])
@pytest.mark.parametrize("style", HAIR_STYLES)
def test_no_hair_covers_eyes_nose_or_mouth(style, bold):
    for emotion in EMOTIONS:
        c, identity, s = rendered(emotion, hair_style=HAIR_STYLES.index(style))
        u, v = landmarks(s)
        front = Hair(c, identity, s, bold).front.flatten(1)
        assert front.gather(1, nearest(c, u[:, 27:], v[:, 27:])).max() < 0.02


@pytest.mark.parametrize("style", ["short", "fringe", "long", "curly", "afro"])
def test_hair_lies_above_the_forehead(style):
    c, identity, s = rendered("neutral", hair_style=HAIR_STYLES.index(style))
    at = nearest(c, torch.zeros(PEOPLE, 1), identity.hairline[:, None] - 0.25)
    hair = Hair(c, identity, s)
    assert (hair.front * hair.behind).flatten(1).gather(1, at).min() > 0.9


def test_a_headscarf_covers_the_neck_even_with_a_dropped_jaw():
    for emotion in ("neutral", "surprise"):
        c, identity, s = rendered(emotion, hair_style=HAIR_STYLES.index("headscarf"))
        below = (c.v > s.lower[:, None, None] + 0.10) & (c.a < 0.8)
        hair = Hair(c, identity, s)
        assert below.any()
        assert (hair.front * hair.behind)[below].min() > 0.99


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_no_beard_grows_on_the_lips(emotion):
    c, identity, s = rendered(emotion, size=128, beard=BEARDS.index("full"))
    m = lips(c, s)
    inner = (c.v > m.top + 0.02) & (c.v < m.bottom - 0.02) & (m.t.abs() < 0.9)
    assert inner.any()
    assert max(field[inner].max() for field in beard_field(c, identity, s, m)) < 0.02


@pytest.mark.parametrize("kind", BEARDS)
def test_each_kind_of_beard_darkens_its_regions(kind):
    c, identity, s = rendered("neutral", beard=BEARDS.index(kind))
    skin = identity.skin[:, :, None, None].expand(-1, -1, *c.u.shape[1:]).clone()
    before = skin.clone()
    paint_beard(skin, c, identity, s, lips(c, s))
    changed = (skin - before).abs().amax(1).flatten(1)
    chin = changed.gather(1, nearest(c, torch.full((PEOPLE, 1), 0.15), s.lower[:, None] - 0.12)) > 0.01
    lip = changed.gather(1, nearest(c, torch.full((PEOPLE, 1), 0.2), (s.mouth_y - s.lip_upper)[:, None] - 0.06)) > 0.01
    assert chin.all() == (kind in ("stubble", "moustache", "full"))
    assert lip.all() == (kind != "none")
    assert changed.gather(1, nearest(c, torch.full((PEOPLE, 1), 0.5), torch.full((PEOPLE, 1), 0.35))).max() < 1e-6


def test_noise_is_smooth_with_standard_deviation_one():
    x = torch.linspace(-40, 40, 1201)[None, None].expand(1, 300, -1)
    y = torch.linspace(-40, 40, 300)[None, :, None].expand(1, -1, 1201)
    n = noise(x, y)
    assert abs(n.mean()) < 0.1
    assert abs(n.std() - 1) < 0.1
    assert n.diff(dim=2).abs().max() < 0.35  # a fifteenth of a cell further
    assert torch.allclose(noise(x + 64, y - 64), n, atol=1e-3)


def test_noise_fades_where_pixels_are_coarse():
    pixel = torch.tensor([0.01, 0.02, 0.05])[:, None, None]
    assert fading(pixel, 0.05).flatten().tolist() == [1.0, pytest.approx(0.98, abs=0.03), 0.0]
