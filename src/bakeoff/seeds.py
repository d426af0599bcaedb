"""The only place where randomness starts.

Every draw is keyed by what it is for, never by when it happens, so that order, augmentation and masks are the same for
any number of workers and after a resume.
"""

from __future__ import annotations

import hashlib

import numpy as np


def rng(seed: int, purpose: str, *, epoch: int = 0, record: int | str = 0) -> np.random.Generator:
    """A generator of its own for (seed, purpose, epoch, record): Philox under a 128-bit key from SHA-256."""
    return np.random.Generator(np.random.Philox(key=key(seed, purpose, epoch=epoch, record=record)))


def key(seed: int, purpose: str, *, epoch: int = 0, record: int | str = 0) -> int:
    """The 128-bit key behind `rng`; also what a framework's own generator is seeded with (masked to its width)."""
    text = f"{seed}\x1f{purpose}\x1f{epoch}\x1f{record}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:16], "big")


def permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of an epoch: a permutation of range(count), int64, a pure function of its arguments."""
    return rng(seed, "order", epoch=epoch).permutation(count)


def shard(order: np.ndarray, rank: int, world: int) -> np.ndarray:
    """The part of an order that worker `rank` of `world` takes: every world-th, starting at rank."""
    return order[rank::world]
