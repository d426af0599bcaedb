"""The bins of adaptive pooling: bin i of n elements into m is floor(i n / m) to ceil((i + 1) n / m)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._elementwise import Lowering
from bakeoff.ops._importers import Importer, as_row
from bakeoff.ops._page import Call, Case, Gap, Scope
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Attributes:
    """`size` is (height, width)."""

    size: tuple[int, int]


CASES = {
    "bins of two sizes": Case(((2, 7, 5, 3),), Attributes((4, 3))),
    "bins that divide": Case(((2, 6, 4, 3),), Attributes((3, 2))),
    "more bins than elements": Case(((2, 2, 3, 4),), Attributes((3, 5))),
    "one bin": Case(((2, 3, 4, 5),), Attributes((1, 1))),
}
MUTATIONS = {"size": (3, 4)}
UNEVEN = Case(((2, 7, 5, 3),), Attributes((4, 3)))
GAPS = {"bins that don't divide a free size": Gap("keras, onnx", UNEVEN, free=True, kind="never")}
SHOWN = {
    "torch": ("bins of two sizes", "more bins than elements"),
    "keras": ("bins that divide",),
    "onnx": ("bins of two sizes",),
}


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    """As many rows and columns as there are bins."""
    return x[0], *a.size, x[3]


def bins(elements: int, count: int) -> list[tuple[int, int]]:
    """First element and the one after the last, for each bin; they overlap where count doesn't divide the elements."""
    return [(i * elements // count, -(-(i + 1) * elements // count)) for i in range(count)]


def mean_matrix(elements: int, count: int) -> Array:
    """(count, elements): a row holds 1 / size in its bin, else 0."""
    matrix = np.zeros((count, elements))
    for row, (first, last) in zip(matrix, bins(elements, count), strict=True):
        row[first:last] = 1 / (last - first)
    return matrix


def even(scope: Scope, size: tuple[int, int]) -> tuple[int, int] | None:
    """The window that says the same, where the size is known and divides."""
    sizes = scope.shapes[0][1:3]
    known = [elements for elements in sizes if isinstance(elements, int)]
    if len(known) < 2 or known[0] % size[0] or known[1] % size[1]:
        return None
    return known[0] // size[0], known[1] // size[1]


def keras_pool(op: str, kind: str) -> Lowering:
    """Plain pooling where bins divide the image, else Keras's adaptive layer."""

    def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
        window = even(scope, a.size)
        if window is not None:
            pool = getattr(scope.lib.layers, f"{kind}Pooling2D")(window, window, name=scope.name)
            return scope.helper(pool, x, suffix="")
        sizes = [fixed(size, f"{op} in Keras") for size in scope.shapes[0][1:3]]
        if kind == "Average" and 1 not in (*sizes, *a.size):
            pool = scope.lib.layers.AdaptiveAveragePooling2D(a.size, data_format="channels_last", name=scope.name)
            return scope.helper(pool, x, suffix="")
        for axis in (1, 0):  # so that ties are those of the first row
            x = _along(scope, kind, x, sizes, axis, a.size[axis])
            sizes[axis] = a.size[axis]
        return x

    return to_keras


def _along(scope: Scope, kind: str, x: Any, sizes: list[int], axis: int, count: int) -> Any:
    """Pooling into bins along the height (0) or the width (1) alone.

    Where an axis is 1 or becomes it, TensorFlow's form of the adaptive layer divides by zero, and the process ends.
    """
    name, other = f"{scope.name}_{('rows', 'columns')[axis]}", sizes[1 - axis]
    if sizes[axis] == count:
        return x
    if sizes[axis] == 1:
        return scope.lib.ops.concatenate([x] * count, axis + 1)
    if sizes[axis] % count == 0:
        window = (1, sizes[1] // count) if axis else (sizes[0] // count, 1)
        return scope.helper(getattr(scope.lib.layers, f"{kind}Pooling2D")(window, window, name=name), x, suffix="")
    x = scope.lib.ops.concatenate([x, x], 2 - axis) if other == 1 else x
    size = (max(other, 2), count) if axis else (count, max(other, 2))
    adaptive = getattr(scope.lib.layers, f"Adaptive{kind}Pooling2D")
    y = scope.helper(adaptive(size, data_format="channels_last", name=name), x, suffix="")
    return y if other > 1 else y[:, :1] if axis else y[:, :, :1]


def torch_row(op: str) -> Importer:
    """Bins along a row of elements."""

    def from_torch(call: Call) -> Any:
        row, size = as_row(call, call.value(call["self"])), (1, call["output_size"][0])
        return call.reshaped(row if size == row.sizes[2:] else call.emit(op, {"size": size}, row), call.sizes)

    return from_torch
