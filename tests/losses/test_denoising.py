import pytest
import torch
import torch.nn.functional as F

from facekit.diffusion import PREDICTIONS, NoiseSchedule
from facekit.losses.denoising import denoising_loss, min_snr_weights


def test_without_weights_it_is_the_mean_square_error():
    output, target = torch.randn(2, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(denoising_loss(output, target), F.mse_loss(output, target))
    assert denoising_loss(output.bfloat16(), target).dtype == torch.float32


def test_pictures_count_by_their_weights():
    output, target = torch.tensor([[1.0, 1.0], [2.0, 2.0]]), torch.zeros(2, 2)
    assert denoising_loss(output, target, torch.tensor([3.0, 0.5])).item() == pytest.approx((3 * 1 + 0.5 * 4) / 2)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_min_snr_weighs_the_clean_pictures_error_alike_whatever_is_predicted(prediction):
    """One wrong answer, told in each of the three ways, costs min(SNR, 5) times the clean picture's error."""
    schedule = NoiseSchedule.linear()
    generator = torch.Generator().manual_seed(0)
    clean, noise, wrong = torch.randn(3, 4, 6, generator=generator)
    timestep = torch.tensor([20, 200, 400, 600])
    noisy = schedule.add_noise(clean, noise, timestep)
    snr = schedule.snr(timestep)
    wrong_noise = schedule.to_noise(wrong, noisy, timestep)
    output = schedule.target(wrong, wrong_noise, timestep, prediction)
    target = schedule.target(clean, noise, timestep, prediction)
    found = denoising_loss(output, target, min_snr_weights(snr, prediction))
    expected = (snr.clamp(max=5) * (wrong - clean).square().mean(1)).mean()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)


def test_gamma_is_the_most_that_a_clean_picture_counts():
    assert min_snr_weights(torch.tensor([0.1, 3.0, 900.0]), "clean", gamma=2).tolist() == pytest.approx([0.1, 2, 2])


def test_an_unknown_prediction_is_refused():
    with pytest.raises(KeyError, match="epsilon"):
        min_snr_weights(torch.ones(1), "epsilon")
