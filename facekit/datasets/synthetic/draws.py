"""Counter-based random numbers: a draw depends on a key and a name alone, not on order, batch, process or machine.

A draw hashes its key (a person, a face, a pixel) together with the name of the random variable. 32-bit integers are
stored in int64, so that no product overflows.
"""

from __future__ import annotations

import zlib

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def _multiply(x: Tensor, factor: int) -> Tensor:
    """x * factor modulo 2^32, in two halves so that no intermediate result exceeds 2^49."""
    high = (x * (factor >> 16) & 0xFFFF) << 16
    return (high + x * (factor & 0xFFFF)) & _MASK


def mix(x: Tensor) -> Tensor:
    """A bijective hash of integers in [0, 2^32): the `lowbias32` finaliser of Wellons."""
    x = _multiply(x ^ (x >> 16), 0x21F0AAAD)
    x = _multiply(x ^ (x >> 15), 0xD35A2D97)
    return x ^ (x >> 15)


def bits(key: Tensor, what: str) -> Tensor:
    """32 random bits per key, as int64. Keys are integers of any size; `what` names the random variable."""
    name = zlib.crc32(what.encode())
    low, high = key & _MASK, (key >> 32) & _MASK
    return mix(mix(low ^ name) ^ mix((high + 0x9E3779B9) & _MASK) ^ (name >> 7))


def uniform(key: Tensor, what: str, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Uniform in [low, high), float32, one per key."""
    return (bits(key, what) >> 8).float() * 2.0**-24 * (high - low) + low


def normal(key: Tensor, what: str, mean: float = 0.0, sd: float = 1.0) -> Tensor:
    """Approximately normal, at most 3.5 standard deviations from the mean (Irwin-Hall sum of four uniforms)."""
    a, b = bits(key, what), bits(key, what + "'")
    total = (a >> 16) + (a & 0xFFFF) + (b >> 16) + (b & 0xFFFF)
    return (total - 131070).float() * (3.0**0.5 / 65536) * sd + mean


def chance(key: Tensor, what: str, share: float) -> Tensor:
    """True with this probability, one per key."""
    return uniform(key, what) < share


def shuffled(position: Tensor, block: int, what: str) -> Tensor:
    """The position within its block of `block` consecutive positions, after a random permutation of each block.

    Each block contains every value from 0 to block - 1 once, so that an attribute drawn in this way is balanced by
    construction. Attributes with different names are independent.
    """
    start = torch.div(position, block, rounding_mode="floor") * block
    blocks, which = torch.unique(start, return_inverse=True)
    members = blocks[:, None] + torch.arange(block, device=position.device)
    order = bits(members, what).argsort(dim=1, stable=True).argsort(dim=1)
    return order[which, position - start]
