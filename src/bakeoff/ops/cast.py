"""cast: the same values as numbers of another kind.

Shape    x  ->  y of the same shape; kind "float" is the net's own precision, "int" and "bool" are what they say

Laws     a cast to the kind that it is already changes nothing

Traps    float   a net that is compared in float64 must not fall back to float32 in its midst: "float" is no number of
                 bits
         half    16 bits in the midst of a net of 32 are a rounding, and so another function: refused
         int     cuts towards zero; nothing flows back through it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    kind: Literal["float", "int", "bool"] = "float"


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


def from_torch(call: Call) -> Any:
    """A wider kind of floating-point numbers is none of the graph's business; a narrower one rounds them."""
    x = call[next(iter(call.arguments))]
    kinds = [_kind(str(dtype)) for dtype in (x.dtype, call.dtype)]
    if kinds == ["float", "float"] and "16" in str(call.dtype) and "16" not in str(x.dtype):
        raise call.refuse(f"it rounds to {str(call.dtype).removeprefix('torch.')}, whatever the net's own precision is")
    return x if kinds[0] == kinds[1] else call.emit("cast", {"kind": kinds[1]}, x)


def _kind(words: str) -> str:
    return "float" if "float" in words else "bool" if "bool" in words else "int"


FROM_TORCH = {f"aten.{name}": from_torch for name in ("to", "_to_copy", "type_as", "float", "double", "half")}


def from_keras(call: LayerCall) -> Any:
    """Only to the precision in which the model computes, or a wider one: then nothing happens to the numbers."""
    if str(call.layer.dtype) not in (str(call.lib.config.floatx()), "float64"):
        raise call.refuse(f"to {call.layer.dtype}", f"Only {call.lib.config.floatx()} is known, the model's own.")
    return call.inputs[0]


FROM_KERAS = {"ops.Cast": from_keras}
CASES = {"numbers stay": Case(((2, 3, 4, 5),), Attributes())}  # the others meet numbers again in tests/frameworks
TOLERANCE = {"float32": 0.0, "float64": 0.0}
MUTATIONS: dict[str, Any] = {}
SHOWN = {"float": ("numbers stay",)}
