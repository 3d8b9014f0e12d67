"""Classifier-free guidance by two conditions, the label and the face, and the dropping that makes it possible."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from facekit.diffusion.sampler import Denoise


def drop_conditions(
    n: int, label: float, face: float, generator: torch.Generator | None = None, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Which of N faces keep their label and which their face condition in a training step: two masks (N,) of bool.

    label, face  probability in [0, 1] that each is dropped

    Both are dropped independently and sample by sample, so that the network learns all four answers: with both,
    with either, with none.
    """
    # Drawn where the generator lives: a batch of a few numbers is not worth a generator on every device.
    drawn = torch.rand(2, n, generator=generator)
    keep_label, keep_face = (drawn >= torch.tensor([[label], [face]])).to(device)
    return keep_label, keep_face


def guide(
    denoise: Callable[..., Tensor],
    *conditions: Tensor,
    label: float | Tensor = 1.0,
    face: float | Tensor = 1.0,
    alone: float | Tensor = 0.0,
    shown: Tensor | None = None,
) -> Denoise:
    """A `Denoise` that follows its label and its face more, or less, than the network alone does.

    With the network's clean estimate x̂ under none of the conditions, the face alone, the label alone, and both,

        x̂ = x̂(none) + s_face (x̂(face) − x̂(none)) + s_label (x̂(both) − x̂(face)) + s_alone (x̂(label) − x̂(none))

    (Brooks 2023, eq. 3, after Ho & Salimans 2022, eq. 6; on clean estimates, which gives the same sampler as on
    noise). Scales of 1, and 0 for the last, are the network's own answer with both; a label scale of 0 ignores the
    label. The last term adds what the label means in nobody's face (as Liu 2022 add up concepts), for networks
    that hardly listen to it beside a face that shows something else.

    denoise     denoise(noisy, timestep, keep_label, keep_face, *conditions): clean estimates, each argument with
                one row a face; the masks (bool) say which faces see which condition, as `drop_conditions` gives them
    conditions  what the network is conditioned on, each (N, ...): labels, codes
    label, face, alone
                scales s_label, s_face and s_alone, for all faces or one a face (N,)
    shown       labels (N, ...) that the last term leads away from, in place of none: of what the faces show

    Only answers whose weight is not 0 for all faces are computed, in one call on a batch that holds them all:
    scales of 1 cost one answer a face, equal scales or a face scale of 1 two, others three; the last term two more.
    """
    asked, *others = conditions
    away = 0.0 if shown is None else alone
    answers = [  # keep label, keep face, which label, weight
        (False, False, asked, 1 - face - alone + away),
        (False, True, asked, face - label),
        (True, True, asked, label),
        (True, False, asked, alone),
        (True, False, shown, -away),
    ]
    needed = [answer for answer in answers if torch.as_tensor(answer[-1] != 0).any()]
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
    """A weight shaped to multiply pictures (N, ...)."""
    return weight.to(like).view(-1, *[1] * (like.ndim - 1)) if isinstance(weight, Tensor) else weight
