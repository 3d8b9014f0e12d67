"""Edits by a teacher: another generator, from which a system learns."""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.system import Generator


def teacher_edits(teacher: Generator, images: Tensor, expression: Expression) -> Tensor:
    """A teacher's edits of faces (N, C, H, W) to expressions of N rows: (N, C, H, W), without gradients.

    The teacher may take images of another size or number of channels: faces are converted to them, and its edits back.
    Its seeds come from the global generator.
    """
    faces = Faces(images).fitted(teacher.preset.size, teacher.channels)
    seeds = torch.randint(2**31, (len(images),)).tolist()
    return Faces(teacher.edit(faces, expression, seed=seeds)).fitted(images.shape[-1], images.shape[1]).images
