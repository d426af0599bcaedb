"""What an image looks like, in 1.1 KB: enough to find its copies after they were saved again, scaled or brightened.

    hash    64 bits: signs of the 63 lowest coefficients of a DCT-II of 32 x 32 grey values, against their median
            (C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010)
    grey    32 x 32 luma, uint8
    tint    8 x 8 red and blue less green, int8 (halved)

They are kept in the cache by content, so that files may move, and an interrupted pass goes on where it was. Images
below 32 pixels and flat ones look too much alike to be told apart by so little: they have none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.cache import held
from bakeoff.errors import DataError
from bakeoff.files import atomic_write, read_arrays
from bakeoff.preprocessing import decode
from bakeoff.protocols import Progress

if TYPE_CHECKING:
    from PIL import Image

SIDE = 32  # pixels of the grey image; smaller images aren't judged
TINT = 8
FLAT = 6.0  # standard deviation of the grey values below which an image has no perceptual hash
REDUCED = 2.0  # times the small image, to which whole pixels are averaged before its filter: a fifth of the time
DARK = 16  # the brightest level that 12 bits in a file of 16 come to
CHUNK = 16
SAVE_EVERY_S = 60.0
_FORMAT = 2

Opener = Callable[[int], str | bytes | NDArray[np.uint8]]
"""From a row to the path or bytes of a file, or to the array of an image; `DataError` where there is none."""

Shrunk = NDArray[np.uint8] | str | None
"""uint8, (32, 32, 3), of an image; why it can't be decoded; None of one that is too small."""


class Look(NamedTuple):
    """One image; `hash` is 0 where it has none, `reason` says why it can't be decoded, else it is empty."""

    hash: int
    grey: NDArray[np.uint8]
    tint: NDArray[np.int8]
    reason: str = ""


@dataclass(frozen=True, eq=False)
class PerceptualHashes:
    """Perceptual hashes as columns, a row an image.

    Attributes:
        hash: uint64, (n,); 0 for an image without one.
        grey: uint8, (n, 32, 32).
        tint: int8, (n, 8, 8, 2).
        bad: why a row can't be decoded, for those that can't.
    """

    hash: NDArray[np.uint64]
    grey: NDArray[np.uint8]
    tint: NDArray[np.int8]
    bad: dict[int, str]


NONE: Mapping[bytes, Shrunk] = {}
NOTHING = Look(0, np.zeros((SIDE, SIDE), np.uint8), np.zeros((TINT, TINT, 2), np.int8))


def _cosines() -> NDArray[np.float64]:
    """The first 8 rows of the DCT-II of 32 values, unscaled: the hash compares within one image."""
    order, place = np.arange(8)[:, None], np.arange(SIDE)[None]
    return np.cos(np.pi * (2 * place + 1) * order / (2 * SIDE))


_DCT = _cosines()
_BITS = np.uint64(1) << np.arange(63, dtype=np.uint64)


def shrunk(source: str | bytes | Image.Image | NDArray[np.uint8]) -> Shrunk:
    """What is looked at of one image, which is decoded whole.

    Args:
        source: a file's path or bytes, an image that `decode` gave, or an array.
    """
    from PIL import Image
    from PIL.Image import Resampling

    if isinstance(source, np.ndarray):
        source = Image.fromarray(source.squeeze())
    try:
        image = source if isinstance(source, Image.Image) else decode(source)
    except DataError as error:
        return str(error)
    if min(image.size) < SIDE:
        return None
    return np.asarray(image.resize((SIDE, SIDE), Resampling.BILINEAR, reducing_gap=REDUCED).convert("RGB"))


def looks_of(found: Sequence[Shrunk]) -> list[Look]:
    """The perceptual hashes of some images; `NOTHING` where one is too small or too flat."""
    large = [small for small in found if isinstance(small, np.ndarray)]
    columns = perceptual_hashes_of_arrays(np.stack(large) if large else np.zeros((0, SIDE, SIDE), np.uint8))
    looks = (Look(int(columns.hash[row]), columns.grey[row], columns.tint[row]) for row in range(len(large)))
    each = (next(looks) if isinstance(small, np.ndarray) else NOTHING._replace(reason=small or "") for small in found)
    return [look if look.hash or look.reason else NOTHING for look in each]


def dim(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(n,): which images, (n, H, W) or (n, H, W, C), may show nearly nothing, and are to be looked at closely."""
    found = np.zeros(len(pixels), bool)
    for start in range(0, len(pixels), 1024):
        part = pixels[start : start + 1024]
        high, low = (edge(part.reshape(len(part), -1), axis=1).astype(np.int16) for edge in (np.max, np.min))
        found[start : start + 1024] = (high <= 2 * DARK) | (high - low < 100)
    return found


def perceptual_hashes_of_arrays(pixels: NDArray[np.uint8]) -> PerceptualHashes:
    """The perceptual hashes of arrays of just 32 x 32 pixels, (n, 32, 32) or (n, 32, 32, 3), many at a time."""
    count = len(pixels)
    grey, tint = np.empty((count, SIDE, SIDE), np.uint8), np.zeros((count, TINT, TINT, 2), np.int8)
    hashes = np.zeros(count, np.uint64)
    for start in range(0, count, 2048):
        rows = slice(start, start + 2048)
        part = pixels[rows]
        if part.ndim == 4 and part.shape[-1] == 3:
            grey[rows] = np.rint(part @ np.array([0.299, 0.587, 0.114], np.float32))
            small = part.reshape(-1, TINT, SIDE // TINT, TINT, SIDE // TINT, 3).mean((2, 4), dtype=np.float32)
            tint[rows] = (small[..., [0, 2]] - small[..., 1:2]) / 2
        else:
            grey[rows] = part.reshape(-1, SIDE, SIDE)
        coefficients = (_DCT @ grey[rows].astype(np.float64) @ _DCT.T).reshape(-1, 64)[:, 1:]
        bits = coefficients > np.median(coefficients, axis=1, keepdims=True)
        own = (bits * _BITS).sum(1, dtype=np.uint64) | np.uint64(1 << 63)
        hashes[rows] = np.where(grey[rows].std((1, 2)) < FLAT, np.uint64(0), own)
    return PerceptualHashes(hashes, grey, tint, {})


def perceptual_hashes_of(
    digests: NDArray[np.uint8],
    opener: Opener,
    *,
    place: Path | None,
    known: Mapping[bytes, Shrunk] = NONE,
    workers: int = 2,
    progress: Progress | None = None,
) -> PerceptualHashes:
    """The perceptual hashes of images, each content looked at once.

    Args:
        digests: uint8, (n, 32), SHA-256 of each image.
        opener: gives a row's image.
        place: the data, after which the cache is named; None keeps nothing.
        known: what contents were shrunk to before.
        progress: called with (done, total) of the different contents.

    Interrupted, what was done stays in the cache.
    """
    names = [row.tobytes() for row in digests]
    first = {name: row for row, name in reversed(list(enumerate(names)))}
    cache = _Cache.open(place)
    new = [name for name in first if name in known and name not in cache.known]
    cache.add(new, looks_of([known[name] for name in new]))
    missing = [name for name in first if name not in cache.known]
    done = len(first) - len(missing)
    if progress:
        progress(done, len(first))
    blocks = [missing[at : at + CHUNK] for at in range(0, len(missing), CHUNK)]
    pool = ThreadPoolExecutor(max(1, workers), "bakeoff-look")
    saved = time.monotonic()

    def look(block: list[bytes]) -> list[Look]:
        return looks_of([small(first[name]) for name in block])

    def small(row: int) -> Shrunk:
        try:
            return shrunk(opener(row))
        except DataError as error:
            return str(error)

    try:
        for block, found in zip(blocks, pool.map(look, blocks), strict=True):
            cache.add(block, found)
            done += len(block)
            if progress:
                progress(done, len(first))
            if time.monotonic() - saved > SAVE_EVERY_S:
                cache.save()
                saved = time.monotonic()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        cache.save()
    return cache.columns(names)


def remember(place: Path, known: Mapping[bytes, Shrunk]) -> None:
    """Keep in the cache what contents were shrunk to."""
    cache = _Cache.open(place)
    cache.add(list(known), looks_of(list(known.values())))
    cache.save()


class _Cache:
    """Perceptual hashes by content, of one place."""

    def __init__(self, path: Path | None, known: dict[bytes, Look]) -> None:
        self.path, self.known, self.changed = path, known, False

    @classmethod
    def open(cls, place: Path | None) -> _Cache:
        return cls(None, {}) if place is None else cls(*held("looks", place, _load))

    def add(self, names: Sequence[bytes], found: Sequence[Look]) -> None:
        self.known.update(zip(names, found, strict=True))
        self.changed = self.changed or bool(names)

    def save(self) -> None:
        if not self.changed or self.path is None:
            return
        names = [name for name, look in self.known.items() if not look.reason]
        seen = [self.known[name] for name in names]
        shown = [look for look in seen if look.hash]
        with suppress(OSError), atomic_write(self.path) as file:
            np.savez(
                file,
                format=np.array(_FORMAT),
                sha256=np.frombuffer(b"".join(names), np.uint8).reshape(-1, 32),
                hash=np.array([look.hash for look in seen], np.uint64),
                grey=_stack([look.grey for look in shown], NOTHING.grey),
                tint=_stack([look.tint for look in shown], NOTHING.tint),
            )
            self.changed = False

    def columns(self, names: Sequence[bytes]) -> PerceptualHashes:
        found = [self.known[name] for name in names]
        return PerceptualHashes(
            np.array([look.hash for look in found], np.uint64),
            _stack([look.grey for look in found], NOTHING.grey),
            _stack([look.tint for look in found], NOTHING.tint),
            {row: look.reason for row, look in enumerate(found) if look.reason},
        )


def _stack(arrays: Sequence[NDArray[Any]], like: NDArray[Any]) -> NDArray[Any]:
    return np.stack(arrays) if arrays else np.zeros((0, *like.shape), like.dtype)


def _load(path: Path) -> dict[bytes, Look]:
    archive = read_arrays(path)
    if int(archive["format"]) != _FORMAT:
        return {}
    digests, hashes = archive["sha256"].tobytes(), archive["hash"].tolist()
    grey, tint = iter(archive["grey"]), iter(archive["tint"])
    names = [digests[32 * index : 32 * index + 32] for index in range(len(hashes))]
    return {
        name: Look(value, next(grey), next(tint)) if value else NOTHING
        for name, value in zip(names, hashes, strict=True)
    }
