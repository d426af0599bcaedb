"""cast: the same values as numbers of another kind.

Shape    x  ->  y of the same shape; kind "float" is the net's own precision, "int" and "bool" are what they say

Laws     a cast to the kind that it is already changes nothing

Traps    float   a net that is compared in float64 must not fall back to float32 in its midst: "float" is no number of
                 bits
         int     cuts towards zero; nothing flows back through it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.ops._dimension import Shape
from bakeoff.ops._page import Case, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    kind: Literal["float", "int", "bool"] = "float"


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return x


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    if a.kind == "float":
        return x if x.dtype.kind == "f" else x.astype(np.float32)  # exact, and takes the precision of what it meets
    return x.astype(np.int64 if a.kind == "int" else bool)


def _dtype(scope: Scope, a: Attributes) -> str:
    return {"float": scope.dtype, "int": "int64", "bool": "bool"}[a.kind]


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return x.to(getattr(scope.lib, _dtype(scope, a)))


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.lib.ops.cast(x, "int32" if a.kind == "int" else _dtype(scope, a))  # JAX has no int64 unless told


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.emit("Cast", [x], to=scope.lib.np_dtype_to_tensor_dtype(np.dtype(_dtype(scope, a))))


FROM_TORCH: dict[str, Any] = {}
FROM_KERAS: dict[str, Any] = {}
CASES = {"numbers stay": Case(((2, 3, 4, 5),), Attributes())}  # the others meet numbers again in tests/frameworks
TOLERANCE = {"float32": 0.0, "float64": 0.0}
MUTATIONS: dict[str, Any] = {}
GAPS: dict[str, str] = {}
SHOWN = {"float": ("numbers stay",)}
