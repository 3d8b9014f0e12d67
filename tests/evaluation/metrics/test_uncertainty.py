import pytest
import torch

from facekit.evaluation.metrics.uncertainty import Interval, bootstrap, nearest_training_faces, remembered_share


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_interval_of_a_mean_is_the_textbook_one():
    values = draw(400)
    found = bootstrap(torch.mean, values)
    margin = 1.96 * values.std().item() / 20
    assert found.estimate == pytest.approx(values.mean().item())
    assert found.low == pytest.approx(found.estimate - margin, abs=0.02)
    assert found.high == pytest.approx(found.estimate + margin, abs=0.02)


def test_it_covers_the_truth_about_as_often_as_it_says():
    hits = sum(
        found.low <= 0 <= found.high
        for found in (bootstrap(torch.mean, draw(60, seed=s), resamples=200) for s in range(60))
    )
    assert hits >= 50


def test_faces_of_one_person_are_no_more_than_one_person():
    people = draw(40)
    faces, persons = people.repeat_interleave(25), torch.arange(40).repeat_interleave(25)
    careless = bootstrap(torch.mean, faces, resamples=300)
    careful = bootstrap(torch.mean, faces, persons=persons, resamples=300)
    alone = bootstrap(torch.mean, people, resamples=300)
    assert careful.high - careful.low > 3 * (careless.high - careless.low)
    assert careful.high - careful.low == pytest.approx(alone.high - alone.low)


def test_statistics_of_several_values_are_drawn_together():
    judged = torch.arange(7).repeat(20)
    found = bootstrap(lambda a, b: (a == b).float().mean(), judged, judged, resamples=50)
    assert (found.low, found.high) == (1, 1)


def test_the_seed_decides():
    values = draw(50)
    assert bootstrap(torch.mean, values, resamples=50) == bootstrap(torch.mean, values, resamples=50)
    assert bootstrap(torch.mean, values, resamples=50) != bootstrap(torch.mean, values, resamples=50, seed=1)


def test_an_interval_reads_well():
    assert str(Interval(0.5, 0.45, 0.551)) == "0.5 (0.45 to 0.551)"


def test_the_nearest_training_face_is_found():
    training = draw(300, 16)
    distance, index = nearest_training_faces(training[[7, 250, 3]] + 0.01, training, batch=2)
    assert index.tolist() == [7, 250, 3]
    assert distance.tolist() == pytest.approx([0.04] * 3, rel=1e-2)


def test_repeating_training_faces_is_noticed():
    training, held_out, new = draw(500, 8), draw(400, 8, seed=1), draw(400, 8, seed=2)
    assert remembered_share(new, held_out, training) < 0.05
    assert remembered_share(training[:100] + 1e-3, held_out, training) == 1
