"""The images of a data set as columns; row numbers are the records of every batch, prediction and report."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.near_copies import joined
from bakeoff.schemas import Brief

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False, repr=False)
class Manifest(Brief):
    """One row an image, sorted as the source found them.

    Attributes:
        classes: names, in the order of the labels.
        paths: (n,), relative to the data, as the user would type them.
        labels: int64, (n,); where images may have several, uint8, (n, classes), of 0 and 1.
        split: int8, (n,), positions in `SPLITS` as the data itself says; -1 where it doesn't.
        sha256: uint8, (n, 32), of the content: of the file's bytes, or of an array's pixels.
        size_bytes: int64, (n,).
        near: int64, (n,): near copies share a number; None where they weren't looked for.
        group: (n,), the name of what must stay in one split (a patient, a scene); "" where there is none.
    """

    classes: tuple[str, ...]
    paths: NDArray[np.str_]
    labels: NDArray[Any]
    split: NDArray[np.int8]
    sha256: NDArray[np.uint8]
    size_bytes: NDArray[np.int64]
    near: NDArray[np.int64] | None = None
    group: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of classes and of content, label and declared split of every row.

        The same wherever the data lies, however its files are named and in whatever order they come.
        """
        if self.labels.ndim == 2:
            labels = np.packbits(self.labels, axis=1)
        else:
            labels = self.labels.astype("<u4").view(np.uint8).reshape(-1, 4)
        rows = np.concatenate([self.sha256, labels, self.split.view(np.uint8)[:, None]], axis=1)
        ordered = np.sort(_sortable(rows))
        digest = hashlib.sha256(json.dumps(self.classes, ensure_ascii=True).encode())
        digest.update(len(self).to_bytes(8, "little"))
        digest.update(ordered.tobytes())
        return digest.hexdigest()

    @cached_property
    def copies(self) -> NDArray[np.int64]:
        """(n,): rows of the same content share a number, from 0 in the order of the digests."""
        _, inverse = np.unique(_sortable(self.sha256), return_inverse=True)
        return inverse.astype(np.int64).reshape(-1)

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """(n,): rows that stay in one split share a number: copies, near copies, and those of a named group.

        From 0 in the order of the smallest digest of each.
        """
        if self.near is None and self.group is None:
            return self.copies
        named = [] if self.group is None else [_positions(self.group)]
        numbers = [self.copies, *([] if self.near is None else [self.near]), *named]
        pairs = np.concatenate([_chains(number) for number in numbers])
        smallest = np.argsort(self.copies, kind="stable")  # rows by digest: the first row of a group has its smallest
        rank = np.empty(len(self), np.int64)
        rank[smallest] = np.arange(len(self))
        _, inverse = np.unique(joined(len(self), rank[pairs]), return_inverse=True)
        return inverse.astype(np.int64).reshape(-1)[rank]

    def select(self, rows: NDArray[np.int64]) -> Manifest:
        """The manifest of these rows alone."""
        columns: tuple[Any, ...] = (self.paths, self.labels, self.split, self.sha256, self.size_bytes)
        optional: tuple[Any, ...] = (self.near, self.group)
        return Manifest(
            self.classes,
            *(column[rows] for column in columns),
            *(None if column is None else column[rows] for column in optional),
        )


def _positions(names: NDArray[np.str_]) -> NDArray[np.int64]:
    """A number for each name, -1 for none."""
    _, inverse = np.unique(names, return_inverse=True)
    return np.where(names == "", -1, inverse.reshape(-1)).astype(np.int64)


def _chains(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """(m, 2): pairs of rows that connect those of the same number; negative numbers connect nothing."""
    order = np.argsort(numbers, kind="stable")
    same = (numbers[order][1:] == numbers[order][:-1]) & (numbers[order][1:] >= 0)
    return np.stack([order[:-1][same], order[1:][same]], axis=1)


def _sortable(rows: NDArray[np.uint8]) -> NDArray[Any]:
    """Rows of bytes as big-endian words in a structured array, which sorts like the bytes."""
    width = -(-rows.shape[1] // 8) * 8
    padded = np.zeros((len(rows), width), np.uint8)
    padded[:, : rows.shape[1]] = rows
    words = padded.view(">u8").astype(np.uint64)
    return words.view([(f"word{index}", np.uint64) for index in range(width // 8)]).reshape(-1)
