"""Losses of diffusion models: the error of a denoising network's prediction."""

from __future__ import annotations

from torch import Tensor


def denoising_loss(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean squared error of a network's prediction (N, ...) (Ho 2020, eq. 14).

    weights  (N,) weight of each image, such as `min_snr_weights`; the weighted errors are divided by N, not by the
             sum of the weights
    """
    error = (output.float() - target).square().flatten(1).mean(1)  # (N,)
    return (error if weights is None else weights * error).mean()


def min_snr_weights(snr: Tensor, prediction: str, gamma: float = 5.0) -> Tensor:
    """Min-SNR-γ weights, which keep nearly clean images from dominating the loss (Hang 2023, §3.4).

    The error of the predicted clean image has the weight min(SNR, γ). The weights of the other predictions follow from
    the ratio of their errors to it: the weight is divided by SNR for the noise and by SNR + 1 for the velocity.

    snr         (N,) signal-to-noise ratio of each image, `NoiseSchedule.snr`
    prediction  "noise", "clean" or "velocity": what the network predicts

    Returns (N,). Raises `KeyError` for another prediction.
    """
    return snr.clamp(max=gamma) / {"noise": snr, "clean": 1.0, "velocity": snr + 1}[prediction]
