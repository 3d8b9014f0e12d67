"""Receptive fields: which pixels an output of a convolutional network depends on, and how strongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """Side, in pixels, of the patch of the input that one output depends on.

    layers  (kernel, stride) of each convolution, in the order from the image to the output

    Counted from the output back to the image: a patch of r outputs of a layer depends on s (r - 1) + k of its inputs
    (Araujo 2019, "Computing receptive fields of convolutional neural networks", eq. 1).

    >>> receptive_field([(3, 1), (3, 1)])
    5
    >>> receptive_field([(4, 2), (4, 2), (3, 1)])
    18
    """
    side = 1
    for kernel, stride in reversed(layers):
        side = stride * (side - 1) + kernel
    return side


def influence(scores: Callable[[Tensor], Tensor], shape: Sequence[int], images: int = 4, seed: int = 0) -> Tensor:
    """How strongly each pixel changes the central score: (1, 1, H, W), at least 0.

    The mean absolute gradient of one score with respect to the pixels, over channels and over images of white noise.
    It is 0 outside the receptive field and small near its border (Luo 2016, "Understanding the effective receptive
    field").

    scores  images (N, C, H, W) to scores (N, 1, h, w)
    shape   (C, H, W) of an image
    """
    noise = torch.randn(images, *shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    output = scores(noise)
    central = output[:, 0, output.shape[2] // 2, output.shape[3] // 2]
    [gradient] = torch.autograd.grad(central.sum(), noise)
    return gradient.abs().mean((0, 1))[None, None]
