"""E5: how far is a picture from another, place by place? PSNR, SSIM, LPIPS, each by picture.

Say between which pictures they were taken: self-reconstruction, a cycle, a counterfactual. Input against output
rewards a generator that copies.
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
    """Peak signal-to-noise ratio in decibels, by picture: (N, C, H, W) in [-1, 1] to (N,). Equal ones: infinite."""
    return peak_signal_noise_ratio(images, others, data_range=(-1.0, 1.0), reduction="none", dim=(1, 2, 3))


def ssim(images: Tensor, others: Tensor) -> Tensor:
    """Structural similarity (Wang 2004: Gaussian window of 11 pixels, σ 1.5), by picture: (N,) up to 1 for equal
    ones. Pictures (N, C, H, W) in [-1, 1], at least 11 pixels in height and width."""
    return structural_similarity_index_measure(
        images, others, gaussian_kernel=True, sigma=1.5, kernel_size=11, data_range=(-1.0, 1.0), reduction="none"
    )


def lpips(images: Tensor, others: Tensor, backbone: Literal["alex", "vgg", "squeeze"] = "alex") -> Tensor:
    """Learned perceptual image patch similarity (Zhang 2018), by picture: (N, C, H, W) in [-1, 1] to (N,).

    Its linear layers come with torchmetrics, its backbone is torchvision's, trained on ImageNet. Nothing is
    fetched: raises `FileNotFoundError` with the file's address and place where the backbone is not there.
    """
    address = _BACKBONES[backbone].DEFAULT.url
    place = Path(torch.hub.get_dir()) / "checkpoints" / Path(address).name
    if not place.is_file():
        raise FileNotFoundError(
            f"LPIPS needs torchvision's {backbone!r} backbone: get {address} and put it at {place}; or use "
            "judge_distance, which needs no file (and is not LPIPS)"
        )
    pair = [to_rgb(part).clamp(-1, 1) for part in (images, others)]
    return learned_perceptual_image_patch_similarity(*pair, net_type=backbone, reduction="none").reshape(-1)


def judge_distance(images: Tensor, others: Tensor, reader: FacePredictor) -> Tensor:
    """Distance of two pictures in the feature maps of one of our own networks, by picture: (N,), 0 for equal ones.

    It stands in for LPIPS where that cannot be had, and is not LPIPS: the maps are of a network that was trained
    on faces, and its channels are not weighed by what people see. Compare only numbers of one network.

    reader  a system with a residual trunk: E2, the identity network or the action-unit regressor
    """

    def distance(pair: Tensor) -> Tensor:
        first, second = pair.unbind(1)
        maps, other_maps = (reader.trunk.maps(reader.prepare(part)) for part in (first, second))
        return perceptual_distance(maps, other_maps)

    return reader.in_batches(distance, torch.stack([images, others], dim=1))
