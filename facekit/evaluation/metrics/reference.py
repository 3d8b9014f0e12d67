"""E5: full-reference image quality: PSNR, SSIM and LPIPS, each per image.

Report the pair that was compared: self-reconstruction, cycle reconstruction or counterfactual. A comparison of output
with input rewards a generator that changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torchmetrics.functional.image import (
    learned_perceptual_image_patch_similarity,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)
from torchvision.models import AlexNet_Weights, SqueezeNet1_1_Weights, VGG16_Weights

from facekit.faces.faces import to_rgb
from facekit.losses.perceptual import perceptual_distance
from facekit.models.judges.predictor import FacePredictor

_BACKBONES = {"alex": AlexNet_Weights, "vgg": VGG16_Weights, "squeeze": SqueezeNet1_1_Weights}


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels, per image: (N, C, H, W) in [-1, 1] to (N,). Infinite for equal ones."""
    return peak_signal_noise_ratio(images, others, data_range=(-1.0, 1.0), reduction="none", dim=(1, 2, 3))


def ssim(images: Tensor, others: Tensor) -> Tensor:
    """Structural similarity (Wang 2004: Gaussian window of 11 pixels, σ 1.5), per image: (N,), 1 for equal ones.
    Images (N, C, H, W) in [-1, 1], at least 11 pixels in height and width."""
    return structural_similarity_index_measure(
        images, others, gaussian_kernel=True, sigma=1.5, kernel_size=11, data_range=(-1.0, 1.0), reduction="none"
    )


def lpips(images: Tensor, others: Tensor, backbone: Literal["alex", "vgg", "squeeze"] = "alex") -> Tensor:
    """Learned perceptual image patch similarity (Zhang 2018), per image: (N, C, H, W) in [-1, 1] to (N,).

    The linear layers come with torchmetrics; the backbone is torchvision's, trained on ImageNet. Nothing is
    downloaded: raises `FileNotFoundError` with the file's address and path if the backbone is missing.
    """
    address = _BACKBONES[backbone].DEFAULT.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(address).name
    if not path.is_file():
        raise FileNotFoundError(
            f"LPIPS needs torchvision's {backbone!r} backbone: download {address} to {path}; or use "
            "judge_distance, which needs no file (and is not LPIPS)"
        )
    pair = [to_rgb(part).clamp(-1, 1) for part in (images, others)]
    return learned_perceptual_image_patch_similarity(*pair, net_type=backbone, reduction="none").reshape(-1)


def judge_distance(images: Tensor, others: Tensor, predictor: FacePredictor) -> Tensor:
    """Distance of two images in the feature maps of one of the suite's networks, per image: (N,), 0 for equal ones.

    A substitute for LPIPS where its backbone is missing, and not LPIPS: the maps come from a network trained on faces,
    and the channels are not weighted by human judgements. Compare only numbers from one network.

    predictor  a system with a residual trunk: E2, the identity network or the action-unit regressor
    """

    def distance(pair: Tensor) -> Tensor:
        first, second = pair.unbind(1)
        maps, other_maps = (predictor.trunk.maps(predictor.prepare(part)) for part in (first, second))
        return perceptual_distance(maps, other_maps)

    return predictor.in_batches(distance, torch.stack([images, others], dim=1))
