"""Losses on who a face is."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cosface_loss(embeddings: Tensor, proxies: Tensor, persons: Tensor, *, margin: float, scale: float) -> Tensor:
    """Large-margin cosine loss (CosFace, Wang 2018, eq. 4): classify people by the angle to their proxies.

    embeddings  (N, D), of any length
    proxies     (P, D), one a person
    persons     (N,) rows of `proxies`
    margin      by which the cosine to one's own proxy must exceed that to every other
    scale       of the cosines before the softmax
    """
    cosines = F.normalize(embeddings.float(), dim=1) @ F.normalize(proxies.float(), dim=1).T  # (N, P)
    own = F.one_hot(persons, len(proxies))
    return F.cross_entropy(scale * (cosines - margin * own), persons)
