"""Losses of networks that recognise identities."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cosface_loss(embeddings: Tensor, proxies: Tensor, persons: Tensor, *, margin: float, scale: float) -> Tensor:
    """Large-margin cosine loss (CosFace, Wang 2018, eq. 4): classify identities by the angle to their proxies.

    embeddings  (N, D), of any length
    proxies     (P, D), one per identity
    persons     (N,) identity of each embedding, as a row of `proxies`
    margin      subtracted from the cosine to the correct proxy, which must exceed all others by it
    scale       factor of the cosines before the softmax
    """
    cosines = F.normalize(embeddings.float(), dim=1) @ F.normalize(proxies.float(), dim=1).T  # (N, P)
    correct = F.one_hot(persons, len(proxies))
    return F.cross_entropy(scale * (cosines - margin * correct), persons)
