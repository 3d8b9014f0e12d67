import pytest
import torch

from facekit.evaluation.metrics.uncertainty import Interval, bootstrap, memorised_share, nearest_training_faces


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_interval_of_a_mean_agrees_with_the_normal_approximation():
    values = draw(400)
    found = bootstrap(torch.mean, values)
    margin = 1.96 * values.std().item() / 20
    assert found.estimate == pytest.approx(values.mean().item())
    assert found.low == pytest.approx(found.estimate - margin, abs=0.02)
    assert found.high == pytest.approx(found.estimate + margin, abs=0.02)


def test_the_coverage_is_about_the_confidence_level():
    hits = sum(
        found.low <= 0 <= found.high
        for found in (bootstrap(torch.mean, draw(60, seed=s), resamples=200) for s in range(60))
    )
    assert hits >= 50


def test_faces_of_one_person_count_as_one_person():
    people = draw(40)
    faces, persons = people.repeat_interleave(25), torch.arange(40).repeat_interleave(25)
    by_face = bootstrap(torch.mean, faces, resamples=300)
    by_person = bootstrap(torch.mean, faces, persons=persons, resamples=300)
    one_face_each = bootstrap(torch.mean, people, resamples=300)
    assert by_person.high - by_person.low > 3 * (by_face.high - by_face.low)
    assert by_person.high - by_person.low == pytest.approx(one_face_each.high - one_face_each.low)


def test_several_values_are_resampled_together():
    labels = torch.arange(7).repeat(20)
    found = bootstrap(lambda a, b: (a == b).float().mean(), labels, labels, resamples=50)
    assert (found.low, found.high) == (1, 1)


def test_the_seed_decides_the_interval():
    values = draw(50)
    assert bootstrap(torch.mean, values, resamples=50) == bootstrap(torch.mean, values, resamples=50)
    assert bootstrap(torch.mean, values, resamples=50) != bootstrap(torch.mean, values, resamples=50, seed=1)


def test_an_interval_as_text():
    assert str(Interval(0.5, 0.45, 0.551)) == "0.5 (0.45 to 0.551)"


def test_the_nearest_training_face_is_found():
    training = draw(300, 16)
    distance, index = nearest_training_faces(training[[7, 250, 3]] + 0.01, training, batch=2)
    assert index.tolist() == [7, 250, 3]
    assert distance.tolist() == pytest.approx([0.04] * 3, rel=1e-2)


def test_memorised_training_faces_are_detected():
    training, held_out, new = draw(500, 8), draw(400, 8, seed=1), draw(400, 8, seed=2)
    assert memorised_share(new, held_out, training) < 0.05
    assert memorised_share(training[:100] + 1e-3, held_out, training) == 1
