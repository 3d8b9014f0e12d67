"""Pairs of a rendered face and its true counterfactual; triples with a driver."""

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
    assert torch.equal(got.landmarks, torch.stack([source.landmarks, truth.landmarks], 1))
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


def test_a_triple_is_a_face_a_driver_and_the_face_with_the_drivers_units(tmp_path):
    options = OPTIONS | {"free_units": 0.5, "one_sided": 0.3}
    faces = SyntheticFaces("valid", **options)
    for cache in (None, tmp_path, tmp_path):
        triples = open_dataset("synthetic_transfers", "valid", **options, cache=cache)
        index = torch.tensor([3, 14, 0])
        got, source = triples.faces(index), faces.faces(index)
        assert got.images.shape == (3, 3, 1, 32, 32)
        assert torch.equal(got.images[:, 0], source.images)
        assert torch.equal(got.person, source.person)
        truth = faces.counterfactual(index, Expression(action_units=got.action_units[:, 1]))
        assert torch.equal(got.images[:, 2], truth.images)
        assert torch.equal(got.landmarks[:, 2], truth.landmarks)
        assert torch.equal(got.action_units[:, 2], got.action_units[:, 1])
        assert torch.equal(triples.labels[index], got.emotion)


def test_drivers_are_other_people():
    options = {"people": 12, "faces_per_person": 3, "size": 16}
    triples = open_dataset("synthetic_transfers", "valid", **options)
    faces, drivers = SyntheticFaces("valid", free_units=0.5, one_sided=0.33, **options), set()
    every = faces.faces(range(36))
    for i, image in enumerate(triples.faces(range(36)).images[:, 1]):
        driver = int((every.images == image).flatten(1).all(1).nonzero()[0, 0])
        assert every.person[driver] != every.person[i]
        drivers.add(driver)
    assert len(drivers) > 15
