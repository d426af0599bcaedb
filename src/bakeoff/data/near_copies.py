"""Near copies: images of other bytes that show the same, found by their perceptual hashes.

Two images are near copies where their hashes differ in at most `BITS` bits and their grey values, each brought to
mean 0 and deviation 1, differ by at most `DIFFERENCE` (root mean square), and their colours by at most `TINTS`, unless
one of them has none. Measured on 3,781 photos of clothes: images saved again (quality 20 to 60), scaled, sharpened,
brightened or darkened by a fifth to a third lie below 0.13; of 7.1 million pairs of different photos none lies below
0.20. Flips, and crops of more than about a hundredth, are other images to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.perceptual_hash import PerceptualHashes
from bakeoff.protocols import Progress

BITS = 10
DIFFERENCE = 0.16
TINTS = 12.0  # half levels
_BLOCK = 1024
_TILE = 128, 4096  # rows and columns that are compared at a time: what fits the processor's cache
_SOFT = 4.0  # added to the deviation, so that noise in faint images isn't blown up


def near_pairs(
    perceptual: PerceptualHashes, digests: NDArray[np.uint8], progress: Progress | None = None
) -> NDArray[np.int64]:
    """(m, 2): rows i < j that are near copies; of equal contents the first row stands for all.

    Args:
        perceptual: of n images.
        digests: uint8, (n, 32), their SHA-256: equal contents are no near copies.
        progress: called with (done, total) rows.
    """
    _, first = np.unique(digests, axis=0, return_index=True)
    rows = np.sort(first)[perceptual.hash[np.sort(first)] != 0]
    hashes = perceptual.hash[rows]
    found = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(rows), _TILE[0]):
        block = hashes[start : start + _TILE[0], None]
        for across in range(start, len(rows), _TILE[1]):
            close = np.bitwise_count(block ^ hashes[None, across : across + _TILE[1]]) <= BITS
            left, right = np.nonzero(close)
            left, right = start + left, across + right
            later = left < right
            pairs = np.stack([rows[left[later]], rows[right[later]]], axis=1)
            found.append(pairs[_same(perceptual, pairs)])
        if progress:
            progress(min(start + _TILE[0], len(rows)), len(rows))
    return np.concatenate(found)


def _same(perceptual: PerceptualHashes, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    good = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), _BLOCK):
        i, j = pairs[start : start + _BLOCK].T
        difference = np.sqrt(np.square(_standard(perceptual.grey[i]) - _standard(perceptual.grey[j])).mean(axis=(1, 2)))
        good[start : start + _BLOCK] = (difference <= DIFFERENCE) & _same_tint(perceptual.tint[i], perceptual.tint[j])
    return good


def _standard(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = grey.astype(np.float32)
    spread = values.std(axis=(1, 2), keepdims=True) + np.float32(_SOFT)
    result: NDArray[np.float32] = (values - values.mean(axis=(1, 2), keepdims=True)) / spread
    return result


def _same_tint(a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.bool_]:
    grey = np.minimum(np.abs(a).max(axis=(1, 2, 3)), np.abs(b).max(axis=(1, 2, 3))) <= 2
    difference = np.abs(a.astype(np.int16) - b).mean(axis=(1, 2, 3))
    result: NDArray[np.bool_] = grey | (difference <= TINTS)
    return result


def joined(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """(count,): rows that pairs connect share a number, that of the first of them."""
    parent = np.arange(count)

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = int(parent[row])
        return row

    for i, j in pairs.tolist():
        a, b = root(i), root(j)
        parent[max(a, b)] = min(a, b)
    return np.array([root(row) for row in range(count)], np.int64)
