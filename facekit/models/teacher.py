"""Edits by a teacher: another generator, from which a system learns."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from facekit.faces.augment import RECIPES, augment
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.system import Generator

_DEGRADATION = RECIPES["camera"]


def teacher_edits(teacher: Generator, images: Tensor, expression: Expression) -> Tensor:
    """A teacher's edits of faces (N, C, H, W) to expressions of N rows: (N, C, H, W), without gradients.

    The teacher may take images of another size or number of channels: faces are converted to them, and its edits back.
    Its seeds come from the global generator.
    """
    faces = Faces(images).fitted(teacher.preset.size, teacher.channels)
    seeds = torch.randint(2**31, (len(images),)).tolist()
    return Faces(teacher.edit(faces, expression, seed=seeds)).fitted(images.shape[-1], images.shape[1]).images


@torch.no_grad()
def edited_twice(edit: Callable[[Tensor, Tensor], Tensor], images: Tensor, labels: Tensor) -> Tensor:
    """Inputs of back-translation, from which a system recovers the faces: edits of edits of them, (N, C, H, W).

    One edit leaves traces of the present expression, from which a system would learn to change too little. The edits
    are degraded by camera noise and blur, since they must not carry the face in invisible details.

    edit    from faces (N, C, H, W) and labels to edits
    images  faces (N, C, H, W)
    labels  of the faces, N rows; random permutations of them are the targets
    """
    for _ in range(2):
        images = edit(images, labels[torch.randperm(len(labels))])
    return augment(Faces(images), torch.default_generator, _DEGRADATION).images
