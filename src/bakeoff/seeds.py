"""The only place where randomness starts.

Every draw is keyed by what it is for, never by when it happens, so that order, augmentation and masks are the same for
any number of workers and after a resume.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = 1 << 22  # images: from here on an epoch's order is a function (`Order`), below it an array
_ROUNDS = 8


def rng(seed: int, purpose: str, *, epoch: int = 0, record: int | str = 0) -> np.random.Generator:
    """A generator of its own for (seed, purpose, epoch, record): Philox under a 128-bit key from SHA-256."""
    return np.random.Generator(np.random.Philox(key=key(seed, purpose, epoch=epoch, record=record)))


def key(seed: int, purpose: str, *, epoch: int = 0, record: int | str = 0) -> int:
    """The 128-bit key behind `rng`; also what a framework's own generator is seeded with (masked to its width)."""
    text = f"{seed}\x1f{purpose}\x1f{epoch}\x1f{record}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:16], "big")


def permutation(seed: int, epoch: int, count: int) -> Any:
    """The order of an epoch: a permutation of range(count), a pure function of its arguments.

    An array below `LARGE`; from there on an `Order`, which gives the same for the same positions and holds nothing.
    """
    return Order(seed, epoch, count) if count >= LARGE else rng(seed, "order", epoch=epoch).permutation(count)


class Order:
    """A permutation of range(count) as a function: `order[positions]` are the records there, int64; nothing is built.

    A Feistel network over pairs (x, y) in range(a) x range(b) with a b >= count: eight rounds that add a keyed hash of
    one half to the other (modulo a or b), so that each can be taken back; a result beyond count goes through again
    until it is below (cycle walking). Both keep it one to one, whatever the hash (Black and Rogaway, Ciphers with
    Arbitrary Finite Domains, 2002). Any worker asks for its positions alone, in any order.

    It is a good shuffle and no cipher: the hash is the finalizer of SplitMix64. Of count! permutations it reaches as
    many as there are keys, as any generator does.
    """

    def __init__(self, seed: int, epoch: int, count: int) -> None:
        self.count = count
        self.a = math.isqrt(max(count - 1, 0)) + 1
        self.b = max(1, -(-count // self.a))
        numbers = [key(seed, "order", epoch=epoch, record=f"round {number}") for number in range(_ROUNDS)]
        self._keys = [np.uint64(number & 0xFFFFFFFFFFFFFFFF) for number in numbers]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, at: slice | NDArray[Any]) -> NDArray[np.int64]:
        if isinstance(at, slice):
            at = np.arange(*at.indices(self.count))
        elif len(at) and (at.min() < 0 or at.max() >= self.count):
            raise IndexError(f"positions of {self.count:,} records")
        found = self._once(at.astype(np.uint64))
        while len(beyond := np.flatnonzero(found >= self.count)):
            found[beyond] = self._once(found[beyond])
        return found.astype(np.int64)

    def _once(self, at: NDArray[np.uint64]) -> NDArray[np.uint64]:
        a, b = np.uint64(self.a), np.uint64(self.b)
        x, y = at // b, at % b
        for number, secret in enumerate(self._keys):
            if number % 2:
                y = (y + _mixed(x, secret) % b) % b
            else:
                x = (x + _mixed(y, secret) % a) % a
        return x * b + y


def _mixed(half: NDArray[np.uint64], secret: np.uint64) -> NDArray[np.uint64]:
    """64 well mixed bits of each number: SplitMix64's finalizer (Steele, Lea and Flood, 2014), begun at a key."""
    mixed = (half + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + secret
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def shard(order: Any, rank: int, world: int) -> NDArray[np.int64]:
    """The part of an order that worker `rank` of `world` takes: every world-th, starting at rank."""
    part: NDArray[np.int64] = order[rank::world]
    return part
