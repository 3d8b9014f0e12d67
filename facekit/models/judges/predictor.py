"""What the systems that read a face have in common: the judges, and the encoders among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.faces import Faces, resize, to_gray, to_rgb
from facekit.models.system import System, evaluating


class FacePredictor(System):
    """A system that says something of a face: its emotion, its action units, who it is.

    It takes pictures of any size and colour, and turns them into its own by `prepare`. A subclass sets `sees` and
    implements `forward` and `flip_averaged`.

    sees    channels that its network looks at: 1 for grey, 3 for colour (grey is repeated)
    """

    sees: ClassVar[int]

    def prepare(self, images: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] in the classifier's own size and colour; gradients pass.

        Grey ones are brought to mean 0 and deviation 1, picture by picture, so that faces in bad light and faces
        with dark skin are not harder to read for their lower contrast.
        """
        images = to_gray(images) if self.sees == 1 else to_rgb(images)
        size = self.preset.size
        images = images if images.shape[-2:] == (size, size) else resize(images, size)
        return F.instance_norm(images) if self.sees == 1 else images

    def flip_averaged(self, images: Tensor) -> Tensor:
        """What it says of pictures and of their mirror images, averaged: (N, C, H, W) to (N, K)."""
        raise NotImplementedError

    @torch.no_grad()
    def in_batches(self, say: Callable[[Tensor], Tensor], images: Tensor, batch: int = 256) -> Tensor:
        """One of the classifier's own functions over pictures (N, C, H, W), in evaluation mode, without gradients.

        Pictures may lie on another device than the classifier; the answer, in float32, lies where they do.
        """
        device = next(self.parameters()).device
        with evaluating(self):
            said = [say(part.to(device)).float() for part in images.split(batch)]
        return torch.cat(said).to(images.device)

    def read(self, images: Tensor, batch: int = 256) -> Tensor:
        """What it says of pictures (N, C, H, W) and of their mirror images, averaged: (N, K)."""
        return self.in_batches(self.flip_averaged, images, batch)

    def readings(self, dataset, batch: int = 256) -> Iterator[tuple[Tensor, Faces]]:
        """What it says of each face of a dataset, frame by frame for sequences, with the faces: batch by batch."""
        for start in range(0, len(dataset), batch):
            faces = dataset.faces(range(start, min(start + batch, len(dataset)))).flatten_time()
            yield self.read(faces.images, batch), faces
