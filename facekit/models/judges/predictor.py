"""The base class of systems that predict something from a face: emotion classifiers, identity, action units."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.faces import Faces, resize, to_gray, to_rgb
from facekit.models.system import System, evaluating


class FacePredictor(System):
    """A system that predicts the emotion, the identity or the action units of a face.

    It takes images of any size, grey or colour, and converts them by `prepare`. A subclass sets `input_channels` and
    implements `forward` and `flip_averaged`.

    input_channels  of its network: 1 for grey, 3 for colour (grey images are repeated)
    """

    input_channels: ClassVar[int]

    def prepare(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1], converted to the size and channels of the network; differentiable.

        Grey images are normalised to mean 0 and standard deviation 1, image by image, so that the low contrast of poor
        light or of dark skin does not reduce the accuracy.
        """
        images = to_gray(images) if self.input_channels == 1 else to_rgb(images)
        size = self.preset.size
        images = images if images.shape[-2:] == (size, size) else resize(images, size)
        return F.instance_norm(images) if self.input_channels == 1 else images

    def flip_averaged(self, images: Tensor) -> Tensor:
        """The prediction averaged over each image and its mirror image: (N, C, H, W) to (N, K)."""
        raise NotImplementedError

    @torch.no_grad()
    def in_batches(self, function: Callable[[Tensor], Tensor], images: Tensor, batch: int | None = None) -> Tensor:
        """A function of the network, such as `features`, on images (N, C, H, W) in batches; in evaluation mode.

        By default a batch has 256 images, and 64 on a CPU, whose caches are small. The images may be on another device
        than the network. The result is float32, on the device of the images.
        """
        device = next(self.parameters()).device
        batch = batch or (64 if device.type == "cpu" else 256)
        with evaluating(self):
            outputs = [function(part.to(device)).float() for part in images.split(batch)]
        return torch.cat(outputs).to(images.device)

    def predict(self, images: Tensor, batch: int | None = None) -> Tensor:
        """`flip_averaged` of images (N, C, H, W), in batches and evaluation mode: (N, K)."""
        return self.in_batches(self.flip_averaged, images, batch)

    def predictions(self, dataset, batch: int = 256) -> Iterator[tuple[Tensor, Faces]]:
        """Predictions for all faces of a dataset, batch by batch with the faces; sequences are split into frames."""
        for start in range(0, len(dataset), batch):
            faces = dataset.faces(range(start, min(start + batch, len(dataset)))).flatten_time()
            yield self.predict(faces.images, batch), faces
