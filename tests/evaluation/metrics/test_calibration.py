import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from facekit.evaluation.metrics.calibration import fit_temperature, reliability


def overconfident(n, temperature, seed=0):
    """Logits scaled by a factor, and labels drawn from the true probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, 7, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return temperature * logits, labels


@given(st.floats(0.3, 5))
@settings(max_examples=8, deadline=None)
def test_a_known_temperature_is_found(temperature):
    assert fit_temperature(*overconfident(8000, temperature)) == pytest.approx(temperature, rel=0.06)


def test_the_temperature_calibrates():
    logits, labels = overconfident(8000, 3.0)
    before = reliability(logits.softmax(1), labels)
    after = reliability((logits / fit_temperature(logits, labels)).softmax(1), labels)
    assert before.ece > 0.1
    assert after.ece < 0.02


def test_ece_is_torchmetrics():
    logits, labels = overconfident(3000, 2.0)
    expected = multiclass_calibration_error(logits.softmax(1), labels, 7, n_bins=15, norm="l1")
    assert reliability(logits.softmax(1), labels, bins=15).ece == pytest.approx(expected.item(), abs=1e-6)


def test_the_curve_of_four_predictions():
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0]])
    curve = reliability(probabilities, torch.tensor([0, 1, 0, 1]), bins=4)
    assert curve.count.tolist() == [0, 0, 1, 3]
    assert curve.confidence.tolist() == pytest.approx([0, 0, 0.6, 2.8 / 3])
    assert curve.accuracy.tolist() == pytest.approx([0, 0, 1, 2 / 3])
    assert curve.ece == pytest.approx((0.4 + 3 * (2.8 / 3 - 2 / 3)) / 4)
