"""The pictures of a data set as columns; row numbers are the records of every batch, prediction and report."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Manifest:
    """One row a picture, sorted as the source found them.

    Attributes:
        classes: names, in the order of the labels.
        paths: (n,), relative to the data, as the user would type them.
        labels: int64, (n,).
        split: int8, (n,), positions in `SPLITS` as the data itself says; -1 where it doesn't.
        sha256: uint8, (n, 32), of the content: of the file's bytes, or of an array's pixels.
        size_bytes: int64, (n,).
    """

    classes: tuple[str, ...]
    paths: NDArray[np.str_]
    labels: NDArray[np.int64]
    split: NDArray[np.int8]
    sha256: NDArray[np.uint8]
    size_bytes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of classes and of content, label and declared split of every row.

        The same wherever the data lies, however its files are named and in whatever order they come.
        """
        rows = np.zeros((len(self), 37), np.uint8)
        rows[:, :32] = self.sha256
        rows[:, 32:36] = self.labels.astype("<u4").view(np.uint8).reshape(-1, 4)
        rows[:, 36] = self.split.view(np.uint8)
        ordered = np.sort(_sortable(rows))
        digest = hashlib.sha256(json.dumps(self.classes, ensure_ascii=True).encode())
        digest.update(len(self).to_bytes(8, "little"))
        digest.update(ordered.tobytes())
        return digest.hexdigest()

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """(n,): rows of the same content share a number, from 0 in the order of the digests."""
        _, inverse = np.unique(_sortable(self.sha256), return_inverse=True)
        return inverse.astype(np.int64).reshape(-1)

    def select(self, rows: NDArray[np.int64]) -> Manifest:
        """The manifest of these rows alone."""
        columns: tuple[Any, ...] = (self.paths, self.labels, self.split, self.sha256, self.size_bytes)
        return Manifest(self.classes, *(column[rows] for column in columns))


def _sortable(rows: NDArray[np.uint8]) -> NDArray[Any]:
    """Rows of bytes as big-endian words in a structured array, which sorts like the bytes."""
    width = -(-rows.shape[1] // 8) * 8
    padded = np.zeros((len(rows), width), np.uint8)
    padded[:, : rows.shape[1]] = rows
    words = padded.view(">u8").astype(np.uint64)
    return words.view([(f"word{index}", np.uint64) for index in range(width // 8)]).reshape(-1)
