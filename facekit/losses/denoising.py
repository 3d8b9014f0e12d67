"""Losses of diffusion models: how far a network's answer to a noisy picture is from what it should be."""

from __future__ import annotations

from torch import Tensor


def denoising_loss(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean square error of a network's answer (N, ...) (Ho 2020, eq. 14).

    weights  (N,) by which the pictures count, such as `min_snr_weights`; the mean is over N, not over their sum
    """
    error = (output.float() - target).square().flatten(1).mean(1)  # (N,)
    return (error if weights is None else weights * error).mean()


def min_snr_weights(snr: Tensor, prediction: str, gamma: float = 5.0) -> Tensor:
    """Weights that keep nearly clean pictures from ruling the loss: min-SNR-γ (Hang 2023, §3.4).

    The clean picture's error counts min(SNR, γ); what that means for the other predictions follows from how their
    errors compare: 1 / SNR of it for the noise's, 1 / (SNR + 1) for the velocity's.

    snr         (N,) signal-to-noise ratio of each picture, `NoiseSchedule.snr`
    prediction  "noise", "clean" or "velocity": what the network predicts

    Returns (N,). Raises `KeyError` for another prediction.
    """
    return snr.clamp(max=gamma) / {"noise": snr, "clean": 1.0, "velocity": snr + 1}[prediction]
