"""The bins of adaptive pooling: bin i of n elements into m is floor(i n / m) to ceil((i + 1) n / m)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._elementwise import Lowering
from bakeoff.ops._page import Case, LayerCall, Scope
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
GAPS = {"keras, onnx: bins that don't divide a free size": "never: bins depend on the size"}
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
    """Keras's global pooling for one bin, plain pooling where bins divide the image, else its adaptive layer."""

    def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
        layers, window = scope.lib.layers, even(scope, a.size)
        if a.size == (1, 1):
            pool = getattr(layers, f"Global{kind}Pooling2D")(keepdims=True, name=scope.name)
        elif window is not None:
            pool = getattr(layers, f"{kind}Pooling2D")(window, window, name=scope.name)
        else:
            for size in scope.shapes[0][1:3]:
                fixed(size, f"{op} in Keras")
            adaptive = getattr(layers, f"Adaptive{kind}Pooling2D")
            pool = adaptive(a.size, data_format="channels_last", name=scope.name)
        return scope.helper(pool, x, suffix="")

    return to_keras


def keras_adaptive(op: str) -> Callable[[LayerCall], Any]:
    """The importer of Keras's adaptive layer."""
    return lambda call: call.emit(op, {"size": tuple(call.layer.output_size)}, call.inputs[0])
