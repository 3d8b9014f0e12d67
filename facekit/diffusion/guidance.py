"""Classifier-free guidance by two conditions, label and face, and the dropout of conditions that it requires."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from facekit.diffusion.sampler import Denoise


def drop_conditions(
    n: int, label: float, face: float, generator: torch.Generator | None = None, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Masks (N,) of bool for a training step: which of N faces keep their label, and which their face condition.

    label, face  probability in [0, 1] that each is dropped

    Both are dropped independently, sample by sample, so that the network learns all four cases: both conditions,
    either of them, and none.
    """
    # Drawn on the generator's device: a few numbers do not justify one generator per device.
    drawn = torch.rand(2, n, generator=generator)
    keep_label, keep_face = (drawn >= torch.tensor([[label], [face]])).to(device)
    return keep_label, keep_face


def guide(
    denoise: Callable[..., Tensor],
    *conditions: Tensor,
    label: float | Tensor = 1.0,
    face: float | Tensor = 1.0,
    label_only: float | Tensor = 0.0,
    source_label: Tensor | None = None,
) -> Denoise:
    """A `Denoise` with classifier-free guidance by label and face.

    From the network's clean estimates x̂ without conditions, with the face, with the label, and with both,

        x̂ = x̂(none) + s_face (x̂(face) − x̂(none)) + s_label (x̂(both) − x̂(face)) + s_only (x̂(label) − x̂(none))

    (Brooks 2023, eq. 3, after Ho & Salimans 2022, eq. 6; on clean estimates, which is equivalent to guidance on
    noise). With the scales 1, 1 and 0 this is the network's own estimate given both conditions; a label scale of 0
    ignores the label. The last term adds the effect of the label without a face (composition of concepts, Liu 2022).
    It helps networks that follow the label too little where the face condition contains another expression.

    denoise     denoise(noisy, timestep, keep_label, keep_face, *conditions) -> clean estimates; each argument has one
                row per face, and the masks (bool) say which conditions each face keeps, as in `drop_conditions`
    conditions  the conditions of the network, each (N, ...): the label first, then for instance codes
    label, face, label_only
                the scales s_label, s_face and s_only, for all faces or one per face (N,)
    source_label
                labels (N, ...) of the expressions of the input faces; the last term then uses
                x̂(label) − x̂(source label)

    Only estimates whose weight is not 0 for all faces are computed, in one call on a joined batch: one estimate per
    face for scales of 1; two for equal scales, or a face scale of 1; otherwise three; the last term adds two.
    """
    target, *others = conditions
    away = 0.0 if source_label is None else label_only
    estimates = [  # keep label, keep face, label, weight
        (False, False, target, 1 - face - label_only + away),
        (False, True, target, face - label),
        (True, True, target, label),
        (True, False, target, label_only),
        (True, False, source_label, -away),
    ]
    needed = [estimate for estimate in estimates if torch.as_tensor(estimate[-1] != 0).any()]
    keep_label, keep_face, labels, weights = zip(*needed, strict=True)

    def guided(noisy: Tensor, timestep: Tensor) -> Tensor:
        masks = torch.tensor([keep_label, keep_face], device=noisy.device).repeat_interleave(len(noisy), 1)  # (2, K N)
        given = [*_repeat(len(needed), noisy, timestep), *masks, torch.cat(labels), *_repeat(len(needed), *others)]
        parts = denoise(*given).chunk(len(needed))
        return sum(_per_face(weight, noisy) * part for weight, part in zip(weights, parts, strict=True))

    return guided


def _repeat(times: int, *tensors: Tensor) -> list[Tensor]:
    return [torch.cat([tensor] * times) for tensor in tensors]


def _per_face(weight: float | Tensor, like: Tensor) -> float | Tensor:
    """A weight in a shape that multiplies images (N, ...)."""
    return weight.to(like).view(-1, *[1] * (like.ndim - 1)) if isinstance(weight, Tensor) else weight
