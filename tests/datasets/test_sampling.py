from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.datasets import loader
from facekit.datasets.sampling import BalancedSampler, class_weights
from facekit.datasets.synthetic import SyntheticFaces

labels = st.lists(st.integers(-1, 7), min_size=1, max_size=200).filter(lambda some: max(some) >= 0).map(torch.tensor)


@settings(max_examples=60, deadline=None)
@given(labels, st.sampled_from(["inverse", "effective"]), st.floats(0, 0.9999))
def test_class_weights(some, scheme, beta):
    weights = class_weights(some, scheme, beta)
    counts = torch.bincount(some[some >= 0], minlength=8)
    assert ((weights > 0) == (counts > 0)).all()
    assert weights[some[some >= 0]].mean() == pytest.approx(1, rel=1e-5)
    rarest_first = counts[counts > 0].argsort(stable=True)
    ordered = weights[counts > 0][rarest_first]
    assert (ordered.diff() <= 1e-6).all()  # a rarer class never weighs less


def test_effective_weights_lie_between_equal_and_inverse():
    some = torch.tensor([0] * 900 + [1] * 100)
    ratio = {beta: class_weights(some, "effective", beta)[:2] for beta in (0.0, 0.99, 0.999999)}
    ratios = [(w[1] / w[0]).item() for w in ratio.values()]
    # Cui 2019, eq. 2, by hand for beta = 0.99
    assert ratios == pytest.approx([1, (1 - 0.99**900) / (1 - 0.99**100), 9], rel=1e-3)


def test_missing_labels_and_an_unknown_scheme_raise():
    with pytest.raises(ValueError, match="at least one labelled image"):
        class_weights(torch.tensor([-1]))
    with pytest.raises(ValueError, match="at least one labelled image"):
        BalancedSampler(torch.tensor([-1, -1]))
    with pytest.raises(ValueError, match="'median' is not a scheme"):
        class_weights(torch.tensor([0]), "median")


@settings(max_examples=60, deadline=None)
@given(labels, st.integers(0, 5), st.integers(0, 3), st.one_of(st.none(), st.integers(1, 300)))
def test_emotions_are_equally_frequent_and_images_are_drawn_in_rounds(some, seed, epoch, length):
    sampler = BalancedSampler(some, seed, length)
    sampler.set_epoch(epoch)
    order = list(sampler)
    assert len(order) == len(sampler) == (length or int((some >= 0).sum()))
    of_class = Counter(some[order].tolist())
    present = set(some[some >= 0].tolist())
    assert set(of_class) <= present
    assert max(of_class.values()) - min(of_class.get(label, 0) for label in present) <= 1
    times = Counter(order)
    for label in present:
        each = [times[i] for i in (some == label).nonzero().flatten().tolist()]
        assert max(each) - min(each) <= 1


def test_the_order_depends_on_seed_and_epoch_alone():
    some = torch.arange(60) % 7

    def order(seed, epoch):
        sampler = BalancedSampler(some, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    torch.manual_seed(0)
    first = order(3, 1)
    torch.manual_seed(1)
    assert order(3, 1) == first
    assert order(3, 2) != first
    assert order(4, 1) != first


def test_a_sampler_in_a_loader():
    dataset = SyntheticFaces("train", people=3, faces_per_person=4, size=32, channels=1)
    sampler = BalancedSampler(dataset.labels)
    seen = torch.cat([faces.emotion for faces in loader(dataset, 5, sampler=sampler)])
    assert torch.equal(seen, dataset.labels[list(BalancedSampler(dataset.labels))])
