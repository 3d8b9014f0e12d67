import pytest
import torch
import torch.nn.functional as F

from facekit.evaluation.metrics.identity import acd, acd_i, cosine, edit_success, verification


def normal(n, mean, seed):
    return mean + 0.1 * torch.randn(n, generator=torch.Generator().manual_seed(seed))


def test_the_threshold_passes_one_impostor_in_a_hundred():
    genuine, impostor = normal(20_000, 0.6, 0), normal(20_000, 0.2, 1)
    found = verification(genuine, impostor)
    assert found.false_accept_rate == pytest.approx(0.01, abs=1e-3)
    assert found.threshold == pytest.approx(0.2 + 0.1 * 2.326, abs=0.01)  # the normal's 99th percentile
    assert found.true_accept_rate == pytest.approx(0.953, abs=0.01)  # Φ(4 - 2.326)
    assert found.auc == pytest.approx(0.9977, abs=1e-3)  # Φ(4 / √2)


def test_no_more_impostors_pass_than_allowed():
    few = torch.tensor([0.1, 0.2, 0.3])
    found = verification(torch.tensor([0.3, 0.4]), few, false_accept_rate=0.01)
    assert found.threshold == pytest.approx(0.3)
    assert found.false_accept_rate == 0
    assert found.true_accept_rate == 0.5


def test_cosine():
    a = F.normalize(torch.tensor([[3.0, 4.0], [1.0, 0.0]]), dim=1)
    assert cosine(a, a).tolist() == pytest.approx([1, 1])
    assert cosine(a, torch.tensor([[0.0, 1.0], [-1.0, 0.0]])).tolist() == pytest.approx([0.8, -1])


def test_content_distance_of_a_still_and_of_a_moving_video():
    still = torch.tensor([[[1.0, 0.0]] * 3])
    moving = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]])
    videos = torch.cat([still, moving])
    assert acd(videos).tolist() == pytest.approx([0, 2**0.5])
    source = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert acd_i(videos, source).tolist() == pytest.approx([0, 2**0.5 / 3])


def test_edit_success_needs_emotion_and_identity_and_counts_changes_only():
    # a success, identity lost, wrong emotion, no change requested
    target = torch.tensor([3, 3, 3, 4])
    input_emotion = torch.tensor([6, 6, 6, 4])
    predicted = torch.tensor([3, 3, 4, 4])
    similarity = torch.tensor([0.9, 0.1, 0.9, 0.9])
    assert edit_success(target, input_emotion, predicted, similarity, 0.5) == pytest.approx(1 / 3)
    unedited = edit_success(target, input_emotion, input_emotion, torch.ones(4), 0.5)
    assert unedited == 0
    with pytest.raises(ValueError, match="nothing to count"):
        edit_success(target, target, predicted, similarity, 0.5)
