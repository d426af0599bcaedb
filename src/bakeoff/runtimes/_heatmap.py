"""Where in an image an answer comes from: how far the label's log-odds fall when one place says nothing.

A net with a last feature map loses its cells there, one at a time, and only the part behind the map is computed anew
(Zeiler and Fergus, 2014, on the map in place of the image). Any other model is shown the image with one square after
another in the image's mean colour, which is as many predictions. Gradients would say less: at the last tokens of a
vision transformer, whose class token alone is read, they are zero.

The log-odds of a label are log(p / (1 - p)): the logit itself where each class has a sigmoid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import CorruptError
from bakeoff.preprocessing import normalize
from bakeoff.runtimes import Opened
from bakeoff.runtimes._runtime import Mapped
from bakeoff.schemas import Array

Way = Literal["map", "occlusion"]
CELLS = 14  # rows and columns at most that go cell by cell
SQUARES = 7  # rows and columns of blocks, of a finer feature map or of the image
SURE = 1e-12  # probabilities are kept so far from 0 and 1 where a file gives no logits


@dataclass(frozen=True)
class Drops:
    """What each place adds to a label's log-odds.

    Attributes:
        label: the place of the class.
        values: (rows, columns), float32; negative where the log-odds rise without it.
        way: whether cells of the last feature map were left out, or squares of the image.
    """

    label: int
    values: NDArray[np.float32]
    way: Way


def drops(opened: Opened, pixels: NDArray[np.uint8], label: int | None = None) -> Drops:
    """The heat map of one image.

    Args:
        opened: the model.
        pixels: (height, width, channels), as `preprocessing.prepare` gives.
        label: the place of the class; None: the one with the highest log-odds.

    Raises:
        CorruptError: the model gives other numbers than its classes ask for.
    """
    images = normalize(pixels[None], opened.signature)
    if opened.head is None:
        ask, array, filled = opened.runtime.predict, images, images.mean((0, 1, 2))
        plain, most = ask(images), SQUARES
    else:
        ask, filled = opened.head().predict, np.zeros(1, images.dtype)
        plain, array = cast(Mapped, opened.runtime).values(images)[:2]
        most = CELLS if max(array.shape[1:3]) <= CELLS else SQUARES
    _check(opened, plain)
    likeliest = int(plain[0, 0] > 0) if plain.shape[1] == 1 else int(plain.argmax())
    chosen = likeliest if label is None else label

    def odds(array: Array) -> NDArray[np.float64]:
        return log_odds(opened, ask(array), chosen)

    fallen = log_odds(opened, plain, chosen) - _without(odds, array, most, filled)
    return Drops(chosen, fallen.astype(np.float32), "occlusion" if opened.head is None else "map")


def log_odds(opened: Opened, found: Array, label: int) -> NDArray[np.float64]:
    """log(p / (1 - p)) of one class, (N,), of what a model's runtime gives, (N, n)."""
    wide = found.astype(np.float64)
    if opened.output == "probabilities":
        shares = wide[:, label].clip(SURE, 1 - SURE)
        return np.asarray(np.log(shares) - np.log1p(-shares))
    if wide.shape[1] == 1:
        return np.asarray(wide[:, 0] * (1 if label else -1))
    if opened.loss == "multi_label_cross_entropy":
        return wide[:, label]
    others = np.logaddexp.reduce(np.delete(wide, label, axis=1), axis=1)
    return np.asarray(wide[:, label] - others)


def _without(odds: Callable[[Array], Array], array: Array, most: int, filled: Array) -> Array:
    """The log-odds without each block, (rows, columns): a row of blocks a call."""
    down, across = (_edges(size, most) for size in array.shape[1:3])
    first, found = np.ascontiguousarray(array.transpose(0, 3, 1, 2)), []  # as ONNX Runtime takes it: moved once
    for top, bottom in pairwise(down):
        copies = np.repeat(first, len(across) - 1, axis=0).transpose(0, 2, 3, 1)
        for copy, (left, right) in zip(copies, pairwise(across), strict=True):
            copy[top:bottom, left:right] = filled
        found.append(odds(copies))
    return np.stack(found)


def _edges(size: int, most: int) -> list[int]:
    """Where blocks begin and end: `most` of them, or fewer of one cell each."""
    count = min(size, most)
    return [round(place * size / count) for place in range(count + 1)]


def _check(opened: Opened, found: Array) -> None:
    known = len(opened.classes)
    if found.shape not in ((1, known), (1, 1 if known == 2 else known)):
        raise CorruptError(f"{opened.path}: the model gives {found.shape} for one image and {known} classes.")
    if not np.isfinite(found).all():
        raise CorruptError(
            f"{opened.path}: the model gives numbers that aren't finite. Train it again with a lower rate."
        )
