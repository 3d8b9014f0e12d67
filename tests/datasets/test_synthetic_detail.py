"""Detail finer than a pixel at 64 x 64: where it is, that it is a person's own, and that small images have none."""

import sys

import pytest
import torch

from facekit.datasets.synthetic import Identity, View, render
from facekit.datasets.synthetic.canvas import Canvas
from facekit.datasets.synthetic.detail import level
from facekit.faces.action_units import action_unit_vector
from facekit.faces.faces import resize

PEOPLE = 6
LAUGH = action_unit_vector({6: 1.0, 12: 1.0, 25: 1.0, 26: 0.5})
RENDERER = sys.modules[render.__module__]  # the package's attribute of that name is the function
STEPS = ("refine_relief", "refine_skin", "refine_brows", "refine_eyes", "refine_mouth")


def faces(size: int, **view):
    """Six people laughing, in even light and without noise of the camera."""
    views = View.frontal(PEOPLE).replace(noise=torch.zeros(PEOPLE), **view)
    return render(Identity.draw(torch.arange(PEOPLE)), LAUGH.expand(PEOPLE, -1), views, size)


def without(monkeypatch, *steps: str):
    for step in steps:
        monkeypatch.setattr(RENDERER, step, lambda *args: None)


def weights(size: int, scale: float) -> float:
    point = torch.zeros(1, 1, 1)
    return level(Canvas.of(point, point, torch.tensor([1 / (size * scale)]))).item()


@pytest.mark.parametrize("scale", [0.32, 0.34, 0.36])
def test_detail_is_absent_at_64_pixels_and_complete_at_160(scale):
    assert weights(48, scale) == weights(64, scale) == 0
    assert 0.9 < weights(128, scale) <= weights(160, scale) == 1


def test_images_of_64_pixels_do_not_depend_on_it(monkeypatch):
    before = faces(64).images
    without(monkeypatch, *STEPS)
    assert torch.equal(faces(64).images, before)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_changes_every_face_at_256_pixels(monkeypatch, step):
    before = faces(256).images
    without(monkeypatch, step)
    change = (faces(256).images - before).abs().amax(1)
    assert (change.flatten(1).amax(1) > 0.05).all()
    assert (change.flatten(1).mean(1) < 0.05).all()


@pytest.mark.parametrize(
    ("step", "points"), [("refine_brows", (17, 27)), ("refine_eyes", (36, 48)), ("refine_mouth", (48, 68))]
)
def test_each_step_stays_at_its_part_of_the_face(monkeypatch, step, points):
    before = faces(256)
    without(monkeypatch, step)
    change = (faces(256).images - before.images).abs().amax(1) > 0.05
    grid = (torch.arange(256) + 0.5) / 256 * 2 - 1
    for i in range(PEOPLE):
        y, x = change[i].nonzero().unbind(1)
        near = torch.cdist(torch.stack([grid[x], grid[y]], 1), before.landmarks[i, slice(*points)]).amin(1)
        assert near.max() < 0.25, "a change further from these landmarks than an eighth of the image"


def test_a_person_has_the_same_detail_at_every_size(monkeypatch):
    own = [resize(faces(size).images, 128) for size in (160, 256)]
    without(monkeypatch, *STEPS)
    plain = [resize(faces(size).images, 128) for size in (160, 256)]
    small, large = (a - b for a, b in zip(own, plain, strict=True))
    similar = torch.cosine_similarity(small.flatten(1), large.flatten(1))
    different = torch.cosine_similarity(small.flatten(1), large.roll(1, 0).flatten(1))
    assert (similar > 0.6).all()
    assert (similar > different + 0.3).all()
