"""What models that have not seen an image say of it: evidence for wrong labels, for `bakeoff data audit`.

The images are parted in folds, what belongs together in one. For each fold a logistic regression on features of the
pretrained backbone is fitted to the others and asked about this one; and each image's nearest neighbours among the
others vote. Features are kept in the cache as they come, so that an interrupted pass goes on where it was.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bakeoff import registry, seeds
from bakeoff.data.audit import Judged, Subject
from bakeoff.data.cache import cache_root
from bakeoff.data.images import Images
from bakeoff.data.labels import counts, matrix, multilabel
from bakeoff.files import opened, regular
from bakeoff.preprocessing import Signature, prepare
from bakeoff.protocols import Progress
from bakeoff.schemas import Array
from bakeoff.training.probe.features import on_a_node
from bakeoff.workers import cluster

BACKBONE = "efficientnet_lite0"
WIDTH = 1280  # its features
FOLDS = 5
NEIGHBOURS = 10
LEAST = 20  # images of a class, on average, below which there is too little to judge by
MOST = 20_000  # images that a fold is fitted to
PENALTY = 0.003  # C of the regression, on features of mean 0 and variance 1
RAW = 32  # images up to this side are compared by their pixels: the backbone was made for photos
_BLOCK = 16


def judge(subject: Subject, progress: Progress, where: str | None = None) -> Judged | None:
    """Probabilities and votes for the good images of a data set; None where there are too few to judge by.

    Args:
        where: a cluster, by whose CPUs features are computed; None: this process.
    """
    labels = subject.manifest.labels
    present = np.flatnonzero(counts(labels, len(subject.table.classes)))
    if len(present) < 2 or len(labels) < LEAST * len(present):
        return None
    features = _features(subject, progress, where)
    folds = _folds(subject.together)
    probabilities = np.zeros((len(labels), len(subject.table.classes)))
    votes = np.zeros_like(probabilities)
    for fold in range(FOLDS):
        held, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(others) > MOST:
            others = np.sort(seeds.rng(0, "out of fold", epoch=fold).choice(others, MOST, replace=False))
        if len(held) and (multilabel(labels) or len(np.unique(labels[others])) > 1):
            probabilities[held], votes[held] = _fold(features, labels, held, others, probabilities.shape[1])
    return Judged(probabilities, votes)


def _folds(together: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,): the fold of each row; rows of one number share it."""
    _, numbers = np.unique(together, return_inverse=True)
    order = seeds.rng(0, "out of fold").permutation(int(numbers.max()) + 1)
    result: NDArray[np.int64] = order[numbers.reshape(-1)] % FOLDS
    return result


def _fold(
    features: Array, labels: NDArray[Any], held: NDArray[np.int64], others: NDArray[np.int64], classes: int
) -> tuple[Array, Array]:
    """Probabilities and votes of `held`, by what the `others` say."""
    known = features[others].astype(np.float32)
    mean, scale = known.mean(0), known.std(0) + np.float32(1e-6)
    known = (known - mean) / scale
    ask = _models(known, labels[others], classes)
    shown = matrix(labels[others], classes)
    length = np.linalg.norm(known, axis=1, keepdims=True)
    unit = known / np.maximum(length, 1e-6)
    probabilities, votes = np.zeros((len(held), classes)), np.zeros((len(held), classes))
    for start in range(0, len(held), 512):
        rows = slice(start, start + 512)
        asked = (features[held[rows]].astype(np.float32) - mean) / scale
        probabilities[rows] = ask(asked)
        nearest = np.argpartition(-(asked @ unit.T), min(NEIGHBOURS, len(others) - 1), axis=1)[:, :NEIGHBOURS]
        votes[rows] = shown[nearest].mean(1)
    return probabilities, votes


def _models(known: Array, labels: NDArray[Any], classes: int) -> Callable[[Array], Array]:
    """From features to probabilities (n, classes): one regression, or one a class of several labels."""
    from sklearn.linear_model import LogisticRegression

    def fitted(target: NDArray[Any]) -> Any:
        return LogisticRegression(C=PENALTY, max_iter=60, tol=1e-2).fit(known, target)

    def ask(models: list[tuple[NDArray[np.int64], Any]], asked: Array) -> Array:
        found = np.zeros((len(asked), classes))
        for columns, model in models:
            found[:, columns] = model.predict_proba(asked)[:, -len(columns) :]
        return found

    if not multilabel(labels):
        model = fitted(labels)
        return partial(ask, [(model.classes_, model)])
    both = [label for label in range(classes) if 0 < labels[:, label].sum() < len(labels)]
    models = [(np.array([label]), fitted(labels[:, label])) for label in both]
    always = [label for label in range(classes) if labels[:, label].all()]

    def ask_each(asked: Array) -> Array:
        found = ask(models, asked)
        found[:, always] = 1
        return found

    return ask_each


def _features(subject: Subject, progress: Progress, where: str | None) -> Array:
    """(n, d) of the good images: of the backbone, or pixels where all images are small."""
    images = subject.images
    largest = max(max(subject.facts[row].height, subject.facts[row].width) for row in subject.good.tolist())
    if largest <= RAW:
        signature = Signature(images.size or (RAW, RAW), channels=1 if images.channels == 1 else 3)
        blocks = _prepared(images, signature, np.arange(len(subject.good)), subject.workers)
        return np.concatenate([block.reshape(len(block), -1) for block in blocks])
    return _embedded(subject, progress, where)


def _embedded(subject: Subject, progress: Progress, where: str | None) -> Array:
    """Features of the backbone, float16 as they are kept; each content is seen once."""
    model = registry.load("bakeoff.models", BACKBONE)
    signature: Signature = model.SIGNATURE
    digests = [row.tobytes() for row in subject.manifest.sha256]
    first = {name: row for row, name in reversed(list(enumerate(digests)))}
    store = _Store(_place(subject, signature), WIDTH)
    missing = np.array([row for name, row in first.items() if name not in store.rows], np.int64)
    done = len(first) - len(missing)
    progress(done, len(first))
    if len(missing):
        graph = model.build(input_size=signature.size, channels=signature.channels, classes=None, seed=0)
        names = iter(digests[row] for row in missing.tolist())
        blocks = ((None, block) for block in _prepared(subject.images, signature, missing, subject.workers))
        common: Any = (graph, signature, "float32", "plain")
        with store.open(), cluster.connected(where):
            shared = cluster.share_out(on_a_node, common, blocks) if where else None
            for _, found in shared or map(on_a_node(common, subject.workers), blocks):
                store.add([next(names) for _ in found], found)
                done += len(found)
                progress(done, len(first))
    return store.take(digests)


def _prepared(
    images: Images, signature: Signature, rows: NDArray[np.int64], workers: int
) -> Iterator[NDArray[np.uint8]]:
    """Blocks of images as bytes, the next block decoded meanwhile."""
    blocks = [rows[start : start + _BLOCK].tolist() for start in range(0, len(rows), _BLOCK)]
    pool = ThreadPoolExecutor(max(1, workers), "bakeoff-decode")

    def start(block: list[int]) -> list[object]:
        return [pool.submit(lambda at: prepare(images.source(at), signature), row) for row in block]

    try:
        waiting = start(blocks[0]) if blocks else []
        for index in range(len(blocks)):
            current, waiting = waiting, start(blocks[index + 1]) if index + 1 < len(blocks) else []
            yield np.stack([future.result() for future in current])  # type: ignore[attr-defined]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _place(subject: Subject, signature: Signature) -> Path | None:
    root = subject.table.root
    if root is None:
        return None
    key = hashlib.sha256(os.fsencode(root.resolve()) + BACKBONE.encode() + signature.digest().encode()).hexdigest()
    return cache_root() / "embeddings" / f"{key[:32]}.bin"


class _Store:
    """Features by content in a file that only grows: records of a digest (32 bytes) and `width` float16."""

    def __init__(self, path: Path | None, width: int) -> None:
        self.path, self.width = path, width
        self.type = np.dtype([("sha256", "V32"), ("features", "<f2", (width,))])
        self.blocks: list[Array] = []
        self.rows: dict[bytes, int] = {}
        self._file: BinaryIO | None = None
        if path is not None and path.is_file():
            with suppress(OSError, ValueError), regular(path) as file:
                self._remember(np.fromfile(file, self.type))  # whole records alone

    def _remember(self, block: Array) -> None:
        count = sum(len(known) for known in self.blocks)
        self.blocks.append(block)
        for row, name in enumerate(block["sha256"]):
            self.rows[name.tobytes()] = count + row

    def open(self) -> _Store:
        """To be used as a context; without a writable cache, features are kept in memory alone."""
        if self.path is not None:
            with suppress(OSError):
                self._file = os.fdopen(opened(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT), "ab")
                rest = self._file.tell() % self.type.itemsize
                if rest:  # cut short in the middle of a record
                    self._file.truncate(self._file.tell() - rest)
        return self

    def __enter__(self) -> _Store:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, names: list[bytes], features: Array) -> None:
        """Keep the features of these contents."""
        block = np.zeros(len(names), self.type)
        block["sha256"] = np.frombuffer(b"".join(names), "V32")
        block["features"] = features
        self._remember(block)
        if self._file is not None:
            with suppress(OSError):
                self._file.write(block.tobytes())
                self._file.flush()

    def take(self, names: list[bytes]) -> Array:
        """(n, width), float16, in the order of `names`."""
        starts = np.cumsum([0, *(len(block) for block in self.blocks)])
        result = np.empty((len(names), self.width), np.float16)
        for place, name in enumerate(names):
            row = self.rows[name]
            block = int(np.searchsorted(starts, row, side="right")) - 1
            result[place] = self.blocks[block]["features"][row - starts[block]]
        return result
