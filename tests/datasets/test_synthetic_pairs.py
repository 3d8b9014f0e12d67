"""Pairs of a rendered face and its true counterfactual."""

import torch

from facekit.datasets import open_dataset
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.expression import Expression

OPTIONS = {"people": 4, "faces_per_person": 4, "size": 32, "channels": 1}


def test_a_pair_is_a_face_and_its_counterfactual():
    pairs, faces = open_dataset("synthetic_pairs", "valid", **OPTIONS), SyntheticFaces("valid", **OPTIONS)
    index = torch.tensor([3, 14, 0])
    got, source = pairs.faces(index), faces.faces(index)
    assert torch.equal(got.images[:, 0], source.images)
    assert torch.equal(got.attributes["true_emotion"], source.emotion)
    assert torch.equal(got.intensity[:, 0], source.intensity)
    truth = faces.counterfactual(index, Expression.from_labels(got.emotion, got.intensity[:, 1]))
    assert torch.equal(got.images[:, 1], truth.images)
    assert torch.equal(pairs.labels[index], got.emotion)
    assert torch.equal(pairs.faces([-2]).images, pairs.faces([14]).images)


def test_targets_vary_and_the_cache_contains_the_same(tmp_path):
    many = open_dataset("synthetic_pairs", "valid", **OPTIONS | {"people": 40})
    assert set(many.labels.tolist()) == set(range(7))
    rendered = open_dataset("synthetic_pairs", "valid", **OPTIONS)
    kept = open_dataset("synthetic_pairs", "valid", **OPTIONS, cache=tmp_path)
    again = open_dataset("synthetic_pairs", "valid", **OPTIONS, cache=tmp_path)
    for pairs in (kept, again):
        assert torch.equal(pairs.faces(range(16)).images, rendered.faces(range(16)).images)
    other = open_dataset("synthetic_pairs", "valid", **OPTIONS, intensity=(0.9, 1.0), cache=tmp_path)
    assert (other.faces(range(16)).intensity[:, 1] >= 0.9).all()
    assert not torch.equal(other.faces(range(16)).images, rendered.faces(range(16)).images)
