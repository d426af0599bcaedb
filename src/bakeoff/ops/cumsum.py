"""cumsum: at each place the sum of what came before it along an axis, itself included.

Shape    x  ->  y of the same shape, y[i] = x[0] + ... + x[i] along `axis`

Laws     linear in x; the last number is the sum; differences of neighbours give x back

Traps    sums    the order of the sum differs: XLA adds in a tree, torch from the first to the last
         axis    (1, 2) of (N, H, W, C) are (2, 3) of torch's (N, C, H, W)
         onnx    CumSum takes its axis as an input
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._elementwise import Along as Attributes
from bakeoff.ops._importers import torch_along
from bakeoff.ops._page import Case, Mode, Scope, roundings
from bakeoff.schemas import Array

LAYOUT = "any"


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return np.cumsum(x, axis=a.axis, dtype=x.dtype)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.cumsum(x, dim=scope.axis(a.axis))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.ops.cumsum(x, axis=scope.axis(a.axis))


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("CumSum", [x, scope.constant(np.asarray(scope.axis(a.axis), np.int64))])


FROM_TORCH = {"aten.cumsum": torch_along("cumsum")}
CASES = {
    "rows": Case(((2, 3, 4, 5),), Attributes(1)),
    "channels": Case(((2, 3, 4, 5),), Attributes(-1)),
    "tokens": Case(((2, 9, 3),), Attributes(1)),
}
TOLERANCE = roundings(9)
MUTATIONS: dict[str, Any] = {"axis": 2}
SHOWN = {"sums": ("tokens",), "axis": ("rows", "channels"), "onnx": ("rows",)}
