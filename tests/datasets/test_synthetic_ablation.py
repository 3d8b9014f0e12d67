"""Rendered faces without one of the ingredients of the renderer."""

import pytest
import torch

from facekit.datasets.synthetic import Identity, View, render
from facekit.datasets.synthetic.ablation import FOLDS, INGREDIENTS, caricature, render_without, smooth
from facekit.datasets.synthetic.muscles import displacements
from facekit.faces import Expression


@pytest.fixture(scope="module")
def inputs():
    persons = torch.arange(2)
    units = Expression.of(["disgust", "happy"]).to_action_units().action_units
    return Identity.draw(persons), units, View.draw(persons)


def test_without_ablation_the_faces_are_those_of_the_renderer(inputs):
    assert torch.equal(render_without((), *inputs, size=48).images, render(*inputs, 48, 1).images)


@pytest.mark.parametrize("name", INGREDIENTS)
def test_each_ingredient_changes_the_images(inputs, name):
    whole, without = (render_without(missing, *inputs, size=48).images for missing in ((), (name,)))
    assert (whole - without).abs().amax((1, 2, 3)).min() > 0.1


def test_an_unknown_ingredient_raises(inputs):
    with pytest.raises(ValueError, match="hair is not an ingredient; use some of camera, crop"):
        render_without(("hair",), *inputs)


def test_smooth_skin_does_not_fold_and_a_caricature_exaggerates(inputs):
    units = inputs[1]
    plain, flat, strong = displacements(units), smooth(units), caricature(units)
    assert all(not getattr(flat, name).any() for name in FOLDS)
    assert torch.allclose(strong.corner_x, 1.5 * plain.corner_x)
    assert torch.allclose(strong.fold, 2 * plain.fold)
