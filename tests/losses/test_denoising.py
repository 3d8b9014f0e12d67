import pytest
import torch
import torch.nn.functional as F

from facekit.diffusion import PREDICTIONS, NoiseSchedule
from facekit.losses.denoising import denoising_loss, min_snr_weights


def test_denoising_loss_without_weights_is_the_mean_squared_error():
    output, target = torch.randn(2, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(denoising_loss(output, target), F.mse_loss(output, target))
    assert denoising_loss(output.bfloat16(), target).dtype == torch.float32


def test_denoising_loss_applies_the_weight_of_each_image():
    output, target = torch.tensor([[1.0, 1.0], [2.0, 2.0]]), torch.zeros(2, 2)
    assert denoising_loss(output, target, torch.tensor([3.0, 0.5])).item() == pytest.approx((3 * 1 + 0.5 * 4) / 2)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_min_snr_gives_the_same_loss_for_every_kind_of_prediction(prediction):
    """The same wrong prediction in any of the three forms costs min(SNR, 5) times the error of the clean image."""
    schedule = NoiseSchedule.linear()
    generator = torch.Generator().manual_seed(0)
    clean, noise, wrong = torch.randn(3, 4, 6, generator=generator)
    timestep = torch.tensor([20, 200, 400, 600])
    noisy = schedule.add_noise(clean, noise, timestep)
    snr = schedule.snr(timestep)
    wrong_noise = schedule.to_noise(wrong, noisy, timestep)
    output = schedule.target(wrong, wrong_noise, timestep, prediction)
    target = schedule.target(clean, noise, timestep, prediction)
    loss = denoising_loss(output, target, min_snr_weights(snr, prediction))
    expected = (snr.clamp(max=5) * (wrong - clean).square().mean(1)).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=0)


def test_gamma_is_the_largest_weight_of_a_predicted_clean_image():
    assert min_snr_weights(torch.tensor([0.1, 3.0, 900.0]), "clean", gamma=2).tolist() == pytest.approx([0.1, 2, 2])


def test_min_snr_raises_for_an_unknown_prediction():
    with pytest.raises(KeyError, match="epsilon"):
        min_snr_weights(torch.ones(1), "epsilon")
