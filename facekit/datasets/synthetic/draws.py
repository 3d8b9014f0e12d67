"""Random numbers that depend on nothing but a name and a number: the same in any order, batch, process and machine.

A draw hashes its key (a person, a face, a pixel) together with the name of what is drawn. Integers up to 32 bits
are held in int64, so that every product fits and no platform's overflow matters.
"""

from __future__ import annotations

import zlib

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def _multiply(x: Tensor, factor: int) -> Tensor:
    """x * factor modulo 2^32, by halves so that nothing exceeds 2^49."""
    high = (x * (factor >> 16) & 0xFFFF) << 16
    return (high + x * (factor & 0xFFFF)) & _MASK


def mix(x: Tensor) -> Tensor:
    """Scramble integers in [0, 2^32), one to one (Wellons' `lowbias32` finaliser)."""
    x = _multiply(x ^ (x >> 16), 0x21F0AAAD)
    x = _multiply(x ^ (x >> 15), 0xD35A2D97)
    return x ^ (x >> 15)


def bits(key: Tensor, what: str) -> Tensor:
    """32 random bits per key, as int64. Keys are integers of any size; `what` names the thing drawn."""
    name = zlib.crc32(what.encode())
    low, high = key & _MASK, (key >> 32) & _MASK
    return mix(mix(low ^ name) ^ mix((high + 0x9E3779B9) & _MASK) ^ (name >> 7))


def uniform(key: Tensor, what: str, low: float = 0.0, high: float = 1.0) -> Tensor:
    """float32 in [low, high), one per key."""
    return (bits(key, what) >> 8).float() * 2.0**-24 * (high - low) + low


def normal(key: Tensor, what: str, mean: float = 0.0, sd: float = 1.0) -> Tensor:
    """Bell-shaped with this mean and deviation, never further than 3.5 deviations away (Irwin-Hall of four)."""
    a, b = bits(key, what), bits(key, what + "'")
    total = (a >> 16) + (a & 0xFFFF) + (b >> 16) + (b & 0xFFFF)
    return (total - 131070).float() * (3.0**0.5 / 65536) * sd + mean


def chance(key: Tensor, what: str, share: float) -> Tensor:
    """True for about this share of the keys."""
    return uniform(key, what) < share


def shuffled(position: Tensor, block: int, what: str) -> Tensor:
    """Position within its block of `block` consecutive ones, shuffled block by block.

    Of each run of `block` positions that starts at a multiple of it, every value from 0 to block - 1 comes once:
    an attribute drawn so is balanced by construction, and one drawn under another name is independent of it.
    """
    start = torch.div(position, block, rounding_mode="floor") * block
    blocks, which = torch.unique(start, return_inverse=True)
    seats = blocks[:, None] + torch.arange(block, device=position.device)
    order = bits(seats, what).argsort(dim=1, stable=True).argsort(dim=1)
    return order[which, position - start]
