"""Random numbers of training depend on counters alone."""

import random
from itertools import chain

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.training.order import FaceOrder, derived_seed, seed_global_generators

runs = st.tuples(st.integers(1, 30), st.integers(1, 12), st.integers(1, 20), st.integers(0, 5))


def steps_of(order: FaceOrder) -> list[list[int]]:
    indices = list(order)
    assert len(indices) == len(order)
    return [indices[i : i + order.batch] for i in range(0, len(indices), order.batch)]


@settings(max_examples=50, deadline=None)
@given(runs, st.integers(0, 20))
def test_the_order_from_a_later_start_is_the_rest_of_the_order(run, start):
    faces, batch, steps, seed = run
    whole = steps_of(FaceOrder(faces, batch, steps, seed=seed))
    assert steps_of(FaceOrder(faces, batch, steps, seed=seed, start=min(start, steps))) == whole[start:]


@settings(max_examples=50, deadline=None)
@given(runs)
def test_every_face_occurs_once_per_epoch(run):
    faces, batch, steps, seed = run
    sequence = list(FaceOrder(faces, batch, steps, seed=seed))
    for first in range(0, len(sequence) - faces + 1, faces):
        assert sorted(sequence[first : first + faces]) == list(range(faces))


@settings(max_examples=50, deadline=None)
@given(runs, st.integers(1, 4))
def test_processes_split_the_batch_of_a_single_process(run, processes):
    faces, batch, steps, seed = run
    one = steps_of(FaceOrder(faces, batch * processes, steps, seed=seed))
    shards = [
        steps_of(FaceOrder(faces, batch, steps, seed=seed, rank=rank, processes=processes)) for rank in range(processes)
    ]
    assert [list(chain(*parts)) for parts in zip(*shards, strict=True)] == one


def test_epochs_and_seeds_have_different_orders():
    sequence = list(FaceOrder(50, 50, 2))
    assert sequence[:50] != sequence[50:]
    assert sequence != list(FaceOrder(50, 50, 2, seed=1))


def test_balanced_sampling_takes_all_emotions_equally_often():
    labels = torch.tensor([0] * 90 + [1] * 9 + [-1])
    drawn = labels[list(FaceOrder(100, 100, 40, balance=labels))]
    assert abs((drawn == 1).double().mean() - 0.5) < 0.01
    assert not (drawn == -1).any()


def test_derived_seeds_depend_on_every_counter():
    seeds = {
        derived_seed(*counters) for counters in [(0, "a", 1), (1, "a", 1), (0, "b", 1), (0, "a", 2), (0, "a", 1, 0)]
    }
    assert len(seeds) == 5
    assert derived_seed(0, "a", 1) == derived_seed(0, "a", 1)


def test_all_global_generators_are_seeded():
    def draw():
        return torch.rand(1).item(), np.random.rand(), random.random()

    seed_global_generators(3, "step", 7)
    first = draw()
    seed_global_generators(3, "step", 7)
    assert draw() == first
    seed_global_generators(3, "step", 8)
    assert not set(draw()) & set(first)
